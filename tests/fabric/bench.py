"""A registry on a bench: peers by letter, effects as short words, the clock in hand."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from gateway.fabric.acceptor.effects import (
    AllKnown,
    Deliver,
    Effect,
    Fail,
    HandOn,
    Post,
    Tell,
    UnwatchProcess,
    WatchProcess,
    WorkerKnown,
    WorkerLeft,
)
from gateway.fabric.acceptor.interventions import Intervention
from gateway.fabric.acceptor.registry import Registry
from gateway.fabric.wire.envelopes import Cancel, Credit, Grant, Refuse, Register
from gateway.fabric.wire.frames import VERSION
from gateway.fabric.wire.terms import Answer, Binding
from gateway.settings import FabricSettings

if TYPE_CHECKING:
    from gateway.errors import Unanswered

STORE = Binding("EVT_C_STORE", redeliver=True, durable=True, deadline=30.0)
ECHO = Binding("EVT_C_ECHO", deadline=5.0)
FIND = Binding("EVT_C_FIND", deadline=5.0)


def words(effect: Effect) -> list[str]:
    match effect:
        case Deliver(peer, deliveries):
            return [f"{peer.decode()}<REQUEST{attempt}" for _, _, attempt, _ in deliveries]
        case HandOn(answers):
            return ["final" if answer.final else "part" for _, answer in answers]
        case Post(peer, envelope):
            return [f"{peer.decode()}<{posted(envelope)}"]
        case Fail(_, reason, _, poisonous):
            return [f"fail {reason.name}{' poisonous' if poisonous else ''}"]
        case Tell(topic, _):
            return [topic.removeprefix("EVT_WORKER_").lower()]
        case WatchProcess(peer, _):
            return [f"watch {peer.decode()}"]
        case UnwatchProcess(peer):
            return [f"unwatch {peer.decode()}"]
        case WorkerKnown() | WorkerLeft() | AllKnown():
            return []  # for negotiation, and of no consequence here


def posted(envelope: Any) -> str:
    match envelope:
        case Cancel():
            return f"CANCEL {envelope.why.value}{'!' if envelope.closed else ''}"
        case Credit():
            return f"CREDIT {envelope.answers}"
        case Refuse():
            return f"REFUSE {envelope.refusal.value} {envelope.holder}".rstrip()
        case _:
            return type(envelope).__name__.upper()


class Deaf:
    """A sink that nothing is told of: the registry does not look at it."""

    def answered(self, answer: Answer) -> None:
        raise AssertionError(answer)

    def unanswered(self, error: Unanswered) -> None:
        raise AssertionError(error)


class Bench:
    """Stimuli by short names; each returns the effects as words."""

    def __init__(self, settings: FabricSettings | None = None, **kw: Any) -> None:
        self.settings = settings or FabricSettings()
        self.now = 1000.0
        self.registry = Registry(self.settings, stream="s", now=self.now, **kw)
        self.leases: dict[str, str] = {}
        self.tokens: dict[str, list[str]] = {}
        self.calls: list[Intervention] = []
        self._revisions = count(1)

    def seen(self, effects: list[Effect]) -> list[str]:
        for effect in effects:
            if isinstance(effect, Post) and isinstance(effect.envelope, Grant):
                self.leases[effect.peer.decode()] = effect.envelope.lease
            elif isinstance(effect, Deliver):
                tokens = self.tokens.setdefault(effect.peer.decode(), [])
                tokens += [token for _, token, _, _ in effect.deliveries]
        return [word for effect in effects for word in words(effect)]

    def register(
        self,
        peer: str,
        worker: str = "w",
        *bindings: Binding,
        generation: int = 1,
        credit: int = 2,
        incumbent: bool = False,
        instance: str | None = None,
        version: int = VERSION,
        local: bool = False,
        sends: tuple[str, ...] = (),
    ) -> list[str]:
        asked = Register(
            version,
            worker,
            generation,
            0,
            credit,
            7,
            "",
            instance if instance is not None else peer,
            incumbent,
            next(self._revisions),
            bindings or (STORE,),
            sends,
        )
        return self.seen(self.registry.register(peer.encode(), asked, self.now, local=local))

    def ask(self, event: str = "EVT_C_STORE", window: int = 0, **more: str) -> list[str]:
        return self.ask_all(event, window=window, **more)

    def ask_all(self, *events: str, window: int = 0, **more: str) -> list[str]:
        """Ask several in one turn; `more`: `sop_class`, `asker`."""
        asked = [
            Intervention(event, {}, b"", sink=Deaf(), window=window, **more)  # type: ignore[arg-type]
            for event in events
        ]
        self.calls += asked
        return self.seen(self.registry.ask(asked, self.now))

    def answer(self, peer: str, index: int = -1, *, final: bool = True) -> list[str]:
        return self.answer_token(peer, self.tokens[peer][index], final=final)

    def answer_token(self, peer: str, *tokens: str, final: bool = True) -> list[str]:
        answers = [(token, Answer({"status": 0}, final=final)) for token in tokens]
        return self.seen(self.registry.answer(peer.encode(), answers, self.now))

    def extend(self, peer: str) -> list[str]:
        token = self.tokens.get(peer, ["?"])[-1]
        self.registry.extend(peer.encode(), token, self.now)
        return []

    def bye(self, peer: str) -> list[str]:
        return self.seen(self.registry.bye(peer.encode(), self.leases[peer], self.now))

    def die(self, peer: str) -> list[str]:
        return self.seen(self.registry.gone(peer.encode(), self.now))

    def beat(self, *peers: str) -> list[str]:
        return [
            word
            for peer in peers
            for word in self.seen(
                self.registry.heartbeat(peer.encode(), self.leases.get(peer, ""), self.now)
            )
        ]

    def after(self, seconds: float, *alive: str) -> list[str]:
        """Let time pass in ticks; those alive give signs of life."""
        out: list[str] = []
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + self.settings.heartbeat)
            self.beat(*alive)
            out += self.seen(self.registry.tick(self.now))
        return out
