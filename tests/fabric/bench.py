"""A registry on a bench: peers by letter, effects as short words, the clock in hand."""

from __future__ import annotations

from itertools import count
from typing import Any

from gateway.fabric.acceptor.effects import (
    Deliver,
    Effect,
    Fail,
    SendEnvelope,
    Tell,
    UnwatchProcess,
    WatchProcess,
)
from gateway.fabric.acceptor.interventions import Intervention
from gateway.fabric.acceptor.registry import Registry
from gateway.fabric.wire.envelopes import (
    Answered,
    Cancel,
    Credit,
    Grant,
    Refuse,
    Register,
    Requested,
)
from gateway.fabric.wire.frames import VERSION
from gateway.fabric.wire.terms import Binding
from gateway.settings import FabricSettings

STORE = Binding("EVT_C_STORE", redeliver=True, durable=True, deadline=30.0)
ECHO = Binding("EVT_C_ECHO", deadline=5.0)
FIND = Binding("EVT_C_FIND", deadline=5.0)


def word(effect: Effect) -> str:
    match effect:
        case SendEnvelope(peer, Requested() as request):
            return f"{peer.decode()}<REQUEST{request.attempt}"
        case SendEnvelope(peer, Cancel() as cancel):
            return f"{peer.decode()}<CANCEL {cancel.why.value}{'!' if cancel.closed else ''}"
        case SendEnvelope(peer, Credit() as credit):
            return f"{peer.decode()}<CREDIT {credit.answers}"
        case SendEnvelope(peer, Refuse() as refuse):
            return f"{peer.decode()}<REFUSE {refuse.refusal.value} {refuse.holder}".rstrip()
        case SendEnvelope(peer, envelope):
            return f"{peer.decode()}<{type(envelope).__name__.upper()}"
        case Deliver(_, answer):
            return "final" if answer.final else "part"
        case Fail(_, reason, _, poisonous):
            return f"fail {reason.name}{' poisonous' if poisonous else ''}"
        case Tell(topic, _):
            return topic.removeprefix("EVT_WORKER_").lower()
        case WatchProcess(peer, _):
            return f"watch {peer.decode()}"
        case UnwatchProcess(peer):
            return f"unwatch {peer.decode()}"


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
            if isinstance(effect, SendEnvelope):
                peer, envelope = effect.peer.decode(), effect.envelope
                if isinstance(envelope, Grant):
                    self.leases[peer] = envelope.lease
                elif isinstance(envelope, Requested):
                    self.tokens.setdefault(peer, []).append(envelope.token)
        return [word(effect) for effect in effects]

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
        )
        return self.seen(self.registry.register(peer.encode(), asked, self.now, local=local))

    def ask(self, event: str = "EVT_C_STORE", window: int = 0) -> list[str]:
        call = Intervention(event, {}, b"", sink=None, window=window)
        self.calls.append(call)
        return self.seen(self.registry.ask(call, self.now))

    def answer(self, peer: str, index: int = -1, *, final: bool = True) -> list[str]:
        return self.answer_token(peer, self.tokens[peer][index], final=final)

    def answer_token(self, peer: str, token: str, *, final: bool = True) -> list[str]:
        answered = Answered(token, final, {"status": 0})
        return self.seen(self.registry.answer(peer.encode(), answered, None, self.now))

    def extend(self, peer: str) -> list[str]:
        token = self.tokens.get(peer, ["?"])[-1]
        return self.seen(self.registry.extend(peer.encode(), token, self.now))

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
