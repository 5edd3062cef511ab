"""Whatever happens in whatever order: each request ends once, and no credit is overdrawn."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.fabric.acceptor.effects import Effect, Fail, HandOn
from gateway.fabric.acceptor.lease import MemberState
from gateway.fabric.wire.terms import Binding
from gateway.settings import FabricSettings
from tests.fabric.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.fabric.acceptor.interventions import Intervention

PEERS = "abcd"
BINDINGS = (
    (Binding("EVT_C_STORE", redeliver=True, deadline=30.0),),
    (Binding("EVT_C_ECHO", deadline=5.0), Binding("EVT_C_STORE", redeliver=True, deadline=7.0)),
    (Binding("EVT_C_FIND", deadline=5.0),),
    (Binding("EVT_C_FIND", sop_classes=("1.1", "1.2")),),
    (Binding("EVT_C_FIND", sop_classes=("1.2", "1.3")), Binding("EVT_C_ECHO")),
)
peers = st.sampled_from(PEERS)
steps = st.one_of(
    st.tuples(
        st.just("register"),
        peers,
        st.sampled_from(["w", "w", "v"]),
        st.integers(1, 3),
        st.sampled_from(BINDINGS),
    ),
    st.tuples(
        st.just("ask"),
        st.sampled_from(["EVT_C_STORE", "EVT_C_ECHO"]),
        st.sampled_from(["", "x", "y"]),
    ),
    st.tuples(st.just("ask_all"), st.lists(st.sampled_from(["EVT_C_STORE", "EVT_C_ECHO"]))),
    st.tuples(st.just("stream")),
    st.tuples(st.just("answer"), peers, st.integers(0, 5), st.booleans()),
    st.tuples(st.just("answer_many"), peers, st.lists(st.integers(0, 5), max_size=4)),
    st.tuples(st.just("abandon"), st.integers(0, 9)),
    st.tuples(st.just("cancel"), st.integers(0, 9)),
    st.tuples(st.just("consumed"), st.integers(0, 9)),
    st.tuples(st.just("die"), peers),
    st.tuples(st.just("bye"), peers),
    st.tuples(st.just("fault"), peers),
    st.tuples(st.just("wait"), st.floats(0.1, 6), st.sets(peers)),
)


class Trial(Bench):
    """A bench that counts how each call ended and checks the books after each stimulus."""

    def __init__(self) -> None:
        super().__init__(FabricSettings(queue=3), expect=("w",))
        self.ended: Counter[Intervention] = Counter()
        self.abandoned: set[Intervention] = set()

    def seen(self, effects: list[Effect]) -> list[str]:
        for effect in effects:
            if isinstance(effect, Fail):
                self.ended[effect.intervention] += 1
            elif isinstance(effect, HandOn):
                self.ended.update(call for call, answer in effect.answers if answer.final)
        self.check()
        return super().seen(effects)

    def check(self) -> None:
        registry = self.registry
        for member in registry.members.values():
            assert member.free >= 0
            assert not member.in_hand.keys() & member.unreturned.keys()
            for token, call in member.in_hand.items():
                assert call.member is member
                assert call.token == token
                assert call.queue is None
            if member.standing is MemberState.ACTIVE:
                assert member in registry.owners[member.name].members
        for name, owner in registry.owners.items():
            assert owner.name == name
            assert owner.members or owner.vacant_until is not None
            assert all(m.register.generation == owner.generation for m in owner.members)
            for event, binding in owner.bindings.items():
                for uid in binding.sop_classes or ("1.9",):
                    assert registry.holders[event][uid] is owner
        for event, holders in registry.holders.items():
            assert holders.owners
            assert all(event in owner.bindings for owner in holders.owners)
            assert all(registry.owners[owner.name] is owner for owner in holders.owners)
        assert all(n <= 1 for n in self.ended.values())

    def do(self, name: str, *args: object) -> None:
        getattr(self, f"do_{name}")(*args)

    def do_register(
        self, peer: str, worker: str, generation: int, bindings: tuple[Binding, ...]
    ) -> None:
        self.register(peer, worker, *bindings, generation=generation)

    def do_ask(self, event: str, asker: str) -> None:
        self.ask(event, asker=asker)

    def do_ask_all(self, events: list[str]) -> None:
        self.ask_all(*events)

    def do_stream(self) -> None:
        self.ask("EVT_C_FIND", window=2)

    def do_answer(self, peer: str, index: int, final: bool) -> None:
        tokens = self.tokens.get(peer, [])
        if tokens:
            self.answer(peer, -1 - index % len(tokens), final=final)

    def do_answer_many(self, peer: str, indexes: list[int]) -> None:
        if tokens := self.tokens.get(peer, []):
            self.answer_token(peer, *(tokens[-1 - index % len(tokens)] for index in indexes))

    def on_call(self, index: int, stimulus: Callable[[Intervention], list[Effect]]) -> None:
        if self.calls:
            self.seen(stimulus(self.calls[-1 - index % len(self.calls)]))

    def do_abandon(self, index: int) -> None:
        if self.calls:
            self.abandoned.add(self.calls[-1 - index % len(self.calls)])
        self.on_call(index, self.registry.abandon)

    def do_cancel(self, index: int) -> None:
        self.on_call(index, self.registry.cancel)

    def do_consumed(self, index: int) -> None:
        self.on_call(index, lambda call: self.registry.consumed(call, 1, self.now))

    def do_die(self, peer: str) -> None:
        self.die(peer)

    def do_bye(self, peer: str) -> None:
        if peer in self.leases:
            self.bye(peer)

    def do_fault(self, peer: str) -> None:
        self.seen(self.registry.fault(peer.encode(), self.now))

    def do_wait(self, seconds: float, alive: set[str]) -> None:
        self.after(seconds, *alive)


@settings(max_examples=300)
@given(st.lists(steps, max_size=40))
def test_each_request_ends_once(stimuli: list[tuple[object, ...]]) -> None:
    trial = Trial()
    for stimulus in stimuli:
        trial.do(*stimulus)  # type: ignore[arg-type]
    trial.after(60)
    assert not trial.registry.members
    assert not trial.registry.owners
    assert not trial.registry.holders
    assert trial.registry.next_deadline() is None
    for call in trial.calls:
        assert trial.ended[call] == 1 or call in trial.abandoned
