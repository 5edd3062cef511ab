"""The hot path of C-STORE does what the general way does, for whatever a peer sends."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.acceptor import requests
from gateway.acceptor.arriving import StoreState
from gateway.acceptor.plain_store import PlainStore, PlainStores
from gateway.acceptor.shares import Holder
from gateway.acceptor.stages import StageTimes
from gateway.acceptor.store_template import template_of
from gateway.dimse.message import CStoreRQ, decode
from gateway.errors import GatewayError, Reason, Unanswered
from gateway.events import EVT_DIMSE_SENT
from gateway.fabric import Answer, Binding
from gateway.metrics import Metrics
from gateway.settings import AcceptorSettings, SpoolSettings
from gateway.spool import Spool
from gateway.ul.fsm import Side
from gateway.ul.negotiation import AcceptedContext
from tests.association.support import Alone, Role, run, until
from tests.conftest import short_folder
from tests.peers import wire

if TYPE_CHECKING:
    from collections.abc import Callable

CONTEXT = AcceptedContext(3, wire.CT, wire.IMPLICIT, as_scu=False, as_scp=True)
PEER: Any = SimpleNamespace(
    engine=SimpleNamespace(
        upper=SimpleNamespace(peer_max_length=0, max_pdu=0),
        transport=SimpleNamespace(remote=("10.0.0.1", 104)),
    ),
    calling_ae_title="ME",
    called_ae_title="YOU",
)
SUCCESS: dict[str, Any] = {"status": 0, "elements": {}}
ANSWERS: dict[str, Any] = {
    "success": SUCCESS,
    "warning": {"status": 0xB000, "elements": {"ErrorComment": "coerced"}},
    "not a number": {"status": False, "elements": {}},
    "raised": {"failed": "raised", "error": "no"},
    "lost": Unanswered(Reason.LOST, "gone"),
    "poison": Unanswered(Reason.LOST, "gone", poisonous=True),
    "silence": None,
}


def data_set(instance: str, sop_class: str = wire.CT, size: int = 100) -> bytes:
    return b"".join(
        wire.element(tag, wire.uid_value(value), group=8)
        for tag, value in ((0x16, sop_class), (0x18, instance))
    ) + wire.element(0x0010, bytes(size), group=0x7FE0)


def joined(command: bytes, data: bytes, *, control: int = 2, context: int = 3) -> bytes:
    """Both in one PDU, as pynetdicom and this program send them."""
    return wire.p_data(wire.pdv(3, 3, command), wire.pdv(context, control, data))


def store(instance: str, number: int = 1, **options: Any) -> bytes:
    return wire.message(3, wire.store_rq(instance, number), data_set(instance, **options))


MESSAGES = {
    "plain": store("1.2.31"),
    "another": store("1.2.32", 2),
    "padded": store("1.2.3", 3),
    "joined": joined(wire.store_rq("1.2.33", 4), data_set("1.2.33")),
    "the same ID": store("1.2.34", 1),
    "other instance inside": wire.message(3, wire.store_rq("1.2.35", 5), data_set("1.2.99")),
    "other class inside": wire.message(
        3, wire.store_rq("1.2.36", 6), data_set("1.2.36", sop_class=wire.MR)
    ),
    "not a UID": store("1.2.ab", 7),
    "leading zero": store("1.2.03", 7),
    "not a data set": wire.message(3, wire.store_rq("1.2.37", 8), b"\xff" * 50),
    "empty": wire.message(3, wire.store_rq("1.2.38", 9), b""),
    "wrong class": wire.message(3, wire.store_rq("1.2.39", 10, sop_class=wire.MR), b"x" * 80),
    "long": store("1.2.40", 11, size=20_000),
    "spooled": store("1.2.41", 12, size=90_000),
    "in many PDUs": wire.message(3, wire.store_rq("1.2.42", 13), data_set("1.2.42"), pdu_size=64),
    "too long a PDU": joined(wire.store_rq("1.2.43", 14), data_set("1.2.43", size=17_000)),
    "other context": joined(wire.store_rq("1.2.44", 15), data_set("1.2.44"), context=1),
    "data not last": joined(wire.store_rq("1.2.45", 16), data_set("1.2.45"), control=0),
    "a command twice": joined(wire.store_rq("1.2.46", 17), data_set("1.2.46"), control=3),
    "half": store("1.2.47", 18)[:-40],
    "echo": wire.message(1, wire.echo_rq(20)),
    "cancel": wire.message(3, wire.cancel_rq(1)),
    "release": wire.release_rq(),
    "abort": wire.abort(),
    "garbage": wire.pdu(9, b"?"),
}


class Fabric:
    """Answers requests, one after the other, in a later turn of the loop."""

    def __init__(self, answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[Any] = []
        self.abandoned: list[int] = []

    def binding(self, event: str, sop_class: str) -> Binding | None:
        return Binding(event, durable=True) if event == "EVT_C_STORE" else None

    def ask(self, intervention: Any) -> None:
        self.asked.append(intervention)
        answer = self.answers.pop(0) if self.answers else SUCCESS
        if answer is not None:
            asyncio.get_running_loop().call_soon(self._answer, intervention, answer)

    def _answer(self, intervention: Any, answer: Any) -> None:
        if intervention.closed:
            return
        intervention.close()
        if isinstance(answer, Unanswered):
            intervention.sink.unanswered(answer)
        else:
            intervention.sink.answered(Answer(answer))

    def abandon(self, intervention: Any) -> None:
        intervention.close()
        self.abandoned.append(intervention.payload["message_id"])


class Storing(Role):
    """The acceptor's port, as far as a C-STORE needs it; `plain`: with the hot path."""

    id = "a1"

    def __init__(self, shared: Any, *, plain: bool, window: int) -> None:
        super().__init__(Side.ACCEPTOR)
        self.shared, self.holder = shared, Holder("10.0.0.1")
        self._window = window
        self.plain = PlainStores(self) if plain else None  # type: ignore[arg-type]

    calling_ae_title, called_ae_title = "ME", "YOU"

    def description(self) -> bytes:
        return b"described"

    def established(self) -> None:
        super().established()
        self.engine.inbox.window = self._window
        if self.plain is not None:
            self.engine.upper.take_whole = self.plain.take

    def receive(self, context: Any, begun: Any) -> Any:
        return requests.decide(self, context, begun)  # type: ignore[arg-type]


def outcome(
    names: list[str],
    *,
    plain: bool,
    answers: tuple[str, ...] = (),
    chunk: int = 1 << 20,
    window: int = 1,
    before: Callable[[Storing], None] = lambda _: None,
) -> tuple[Any, int]:
    """All that can be seen of an association, and how many C-STOREs went the short way."""

    async def work() -> tuple[Any, int]:
        with short_folder() as folder:
            spool = Spool(folder, 0, SpoolSettings(min_free=0), durable=False)
            settings = AcceptorSettings(0, "GATEWAY", run_dir="", spool_dir="")
            fabric = Fabric([ANSWERS[answer] for answer in answers])
            shared = SimpleNamespace(
                spool=spool,
                settings=settings,
                fabric=fabric,
                stages=StageTimes(Metrics()),
                pace=None,
            )
            role = Storing(shared, plain=plain, window=window)
            alone = Alone.of(role)
            before(role)
            for name in names:
                alone.end.feed(MESSAGES[name], chunk)
                await alone.settle()
                await until(lambda: not _is_sealing(role))
                await alone.settle()
            engine = role.engine
            state = engine.upper.state, engine.phase, bytes(alone.end.written)
            inbox = engine.inbox.begun, engine.inbox.is_idle, dict(engine.counts.performed)
            alone.end.close()
            await alone.settle()
            asked = [_seen(one) for one in fabric.asked]
            parked = len(list((folder / "quarantine").iterdir()))
            await spool.close()
            short = sum(isinstance(one, PlainStore) for one in fabric.asked)
            ends = [str(error) for error in role.ends]
            return (*state, *inbox, asked, fabric.abandoned, parked, ends), short

    return run(work)


def _is_sealing(role: Storing) -> bool:
    """A thread of the spool is at work."""
    return any(
        getattr(one, "state", None) is StoreState.SEALING for one in role.engine.inbox.running
    )


def _seen(one: Any) -> Any:
    claim = {
        key: value if key != "path" else value is None
        for key, value in one.payload["claim"].items()
        if key != "token"
    }
    payload = {**one.shared, **one.payload, "claim": claim}
    return one.event, payload, one.assoc, one.data, one.sop_class, one.asker, one.window


def test_stores_after_the_first_go_the_short_way_and_get_the_same_responses():
    names = ["plain", "another", "padded", "plain", "joined", "long", "spooled", "another"]
    short, number = outcome(names, plain=True)
    general, none = outcome(names, plain=False)
    assert short == general
    assert (number, none) == (7, 0)  # the first is the example


@pytest.mark.parametrize("chunk", [777, 5000])
def test_those_that_come_in_parts_go_the_short_way_too(chunk):
    names = ["plain", "spooled", "another", "in many PDUs", "joined", "spooled"]
    short, number = outcome(names, plain=True, chunk=chunk)
    assert short == outcome(names, plain=False, chunk=chunk)[0]
    assert number >= 2  # those whose command set a read brings whole


@pytest.mark.parametrize("second", ["another", "spooled"])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("following", [[], ["abort"], ["release"], ["another"], ["cancel"]])
def test_every_answer_has_the_same_response(answer, following, second):
    names = ["plain", second, *following]
    answers = ("success", answer)
    short, number = outcome(names, plain=True, answers=answers)
    assert short == outcome(names, plain=False, answers=answers)[0]
    assert number >= 1


@given(
    st.lists(st.sampled_from(sorted(MESSAGES)), max_size=6),
    st.lists(st.sampled_from(sorted(ANSWERS)), max_size=4),
    st.sampled_from([1 << 20, 777, 50]),
    st.sampled_from([1, 3]),
)
def test_no_session_shows_which_way_was_taken(names, answers, chunk, window):
    names = ["plain", *names]
    how: dict[str, Any] = {"answers": tuple(answers), "chunk": chunk, "window": window}
    assert outcome(names, plain=True, **how)[0] == outcome(names, plain=False, **how)[0]


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(lambda role: role.engine.watch([EVT_DIMSE_SENT.name]), id="watched"),
        pytest.param(lambda role: role.engine.watch(["EVT_PDU_RECV"]), id="traced"),
        pytest.param(
            lambda role: setattr(role.shared, "pace", SimpleNamespace(wait=lambda *_: 0)),
            id="paced",
        ),
    ],
)
def test_what_somebody_has_to_see_or_slow_down_goes_the_general_way(before):
    assert outcome(["plain", "another"], plain=True, before=before)[1] == 0


def test_an_association_makes_few_templates():
    plain = PlainStores(PEER)
    for number in range(1000):
        request = CStoreRQ(1, wire.CT, "1." * (number % 30) + "1", number % 3)
        plain.learn(CONTEXT, request.encode(has_data_set=True), request)
    assert len(plain._templates) <= 64


requests_of_peers = st.builds(
    CStoreRQ,
    st.integers(0, 0xFFFF),
    st.sampled_from([wire.CT, wire.MR]),
    st.sampled_from(["1.2.3", "1.2.34", "1.2.345", "2.25.1", "1.2.0345"]),
    st.sampled_from([0, 1, 2]),
    st.sampled_from([None, "ORIGIN"]),
    st.sampled_from([None, 7]),
)


@given(
    requests_of_peers,
    requests_of_peers,
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=2),
)
def test_what_fits_a_template_is_decoded_as_the_template_says(first, second, flips):
    command = first.encode(has_data_set=True)
    template = template_of(PEER, CONTEXT, command, first)
    assert template is not None
    other = bytearray(second.encode(has_data_set=True))
    for at, value in flips:
        other[at % len(other)] = value
    if len(other) != len(command):
        return
    before, number, between, uid, after = template.parts(memoryview(other), 0)
    instance = uid.decode("latin-1").removesuffix("\0")
    if (before, between, after) != template.constants or not wire_uid(instance):
        return
    message_id = int.from_bytes(number, "little")
    assert decode(bytes(other)) == (template.request_of(message_id, instance), True)
    expected = template.request_of(message_id, instance).plain_response(0)
    begin, middle, end = template.response
    (context_id, control, response) = wire.parse_pdvs(begin + number + middle + uid + end)[0]
    assert (context_id, control, response) == (3, 3, expected)


def wire_uid(text: str) -> bool:
    return bool(text) and all(part.isdigit() and part.isascii() for part in text.split("."))


def test_a_request_whose_uid_is_not_usual_makes_no_template():
    command = wire.store_rq("1.2.3").replace(b"1.2.3\0", b"1.2.3 ")
    request, _ = decode(command)
    assert isinstance(request, CStoreRQ)
    assert template_of(PEER, CONTEXT, command, request) is None


def test_an_error_of_the_acceptor_ends_the_association(caplog):
    def broken(role: Storing) -> None:
        def fail(*_: Any) -> None:
            raise GatewayError("a mistake")

        role.shared.stages = SimpleNamespace(finished=fail)

    seen, _ = outcome(["plain", "another"], plain=True, before=broken)
    assert seen[-1] == ["this side failed"]
    assert "an operation failed" in caplog.text


@pytest.mark.parametrize("plain", [True, False])
def test_memory_that_is_short_ends_the_association(plain, caplog):
    def short_of_memory(role: Storing) -> None:
        def take() -> memoryview:
            raise MemoryError

        role.shared.spool._context.chunks.take = take

    seen, _ = outcome(["plain", "spooled"], plain=plain, before=short_of_memory)
    assert seen[-1] == ["this side failed"]
    assert "failed" in caplog.text
