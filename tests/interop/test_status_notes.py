"""Promises about responses beside the status table: counters, lists, comments, cancels.

The worker is that of the status table; pynetdicom is the SCU, or bytes where it knows too much.
"""

from __future__ import annotations

import struct
import threading

import pytest

from tests.conftest import running
from tests.interop.scu import MODELS, N_KINDS, scu
from tests.interop.test_status_table import SOURCE, Destination
from tests.patience import PATIENCE
from tests.peers import instances, wire
from tests.peers.raw import RawPeer
from tests.peers.workers import STORAGE_OFF, UserWorker

DEADLINE = 1.2 * PATIENCE
MANY = 2999
"""As in the worker."""
RELEVANT_PATIENT = "1.2.840.10008.5.1.4.37.1"
RETRIEVALS = ["GET", "MOVE"]


@pytest.fixture(scope="module")
def gateway():
    with running(STORAGE_OFF) as one:
        yield one


@pytest.fixture(scope="module")
def worker(gateway, tmp_path_factory):
    source = SOURCE.replace("DEADLINE = 2.5", f"DEADLINE = {DEADLINE}")
    with UserWorker(tmp_path_factory.mktemp("worker"), source, gateway.data) as one:
        one.wait_ready()
        yield one
        one.terminate()
        assert one.wait() == 0


@pytest.fixture(scope="module")
def scp():
    one = Destination()
    yield one
    one.server.shutdown()


@pytest.fixture
def retrieve(gateway, worker, scp):
    """Every response to a C-GET or C-MOVE whose sub-operations are answered with `answers`."""

    def ask(kind: str, case: str, answers=()) -> list:
        scp.answers, scp.requests = list(answers), []
        with scu(gateway.address, case, answers=answers) as peer:
            responses = peer.ask(kind, destination=scp.title)
            scp.requests = scp.requests or peer.asked
        return responses

    return ask


COUNTED = {
    "all well": ("OK", (), 0x0000, (2, 0, 0), []),
    "some failed": ("OK", (0, 0xA700), 0xB000, (1, 1, 0), ["1.2.3.2"]),
    "all failed": ("OK", (0xA700, 0xC000), 0xA702, (0, 2, 0), ["1.2.3.1", "1.2.3.2"]),
    "a warning": ("OK", (0xB000,), 0xB000, (1, 0, 1), []),
    "fewer than announced": ("FEWER", (), 0xB000, (1, 2, 0), []),
    "more than announced": ("MORE", (), 0xB000, (2, 0, 0), []),
    "none although announced": ("BARE_INT", (), 0xA702, (0, 0xC001, 0), []),
    "as many as there may be": ("MOST", (), 0xA702, (0, 0xFFFF, 0), []),
    "none": ("ZERO", (), 0x0000, (0, 0, 0), []),
    "one that cannot be encoded": ("UNENCODABLE", (), 0xB000, (1, 1, 0), ["1.2.3.1"]),
    "none can be encoded": ("NONE_ENCODABLE", (), 0xA702, (0, 2, 0), ["1.2.3.1", "1.2.3.2"]),
    "one without a context": ("NO_CONTEXT", (), 0xB000, (1, 1, 0), ["1.2.3.2"]),
    "one in a file": ("FILE", (), 0x0000, (2, 0, 0), []),
    "one in a file that is not there": ("NO_FILE", (), 0xB000, (1, 1, 0), []),
    "one with a UID that is none": ("ODD_UID", (), 0xB000, (1, 1, 0), []),
    "the handler gives up": ("GIVES_UP", (), 0xA702, (1, 2, 0), ["1.2.3.2", "1.2.3.3"]),
    "the handler raises": ("RAISES_LATER", (0xA700,), None, (0, 2, 0), ["1.2.3.1"]),
}


@pytest.mark.parametrize("kind", RETRIEVALS)
@pytest.mark.parametrize(
    ("case", "answers", "status", "counters", "failed"), COUNTED.values(), ids=COUNTED
)
def test_counters(retrieve, kind, case, answers, status, counters, failed) -> None:
    *pending, final = retrieve(kind, case, answers)
    if status is not None:
        assert f"{final.status:04X}" == f"{status:04X}"
    assert final.counters() == (None, *counters), "no Remaining in a final response"
    assert final.failed == failed
    for one in pending:
        assert one.status == 0xFF00
        assert None not in one.counters()


@pytest.mark.parametrize("kind", RETRIEVALS)
def test_remaining_counts_down_while_pending(retrieve, kind: str) -> None:
    responses = retrieve(kind, "OK")
    assert [one.counters()[0] for one in responses] == [1, 0, None]


@pytest.mark.parametrize("kind", RETRIEVALS)
def test_the_data_sets_arrive(retrieve, scp, kind: str) -> None:
    retrieve(kind, "OK")
    data_sets = [getattr(one, "dataset", one) for one in scp.requests]
    assert [one.SOPInstanceUID for one in data_sets] == ["1.2.3.1", "1.2.3.2"]
    assert {str(one.PatientName) for one in data_sets} == {"Sent^By the worker"}


SLOW = DEADLINE + 0.5


class Slowly(list):
    """A status for every sub-operation, each when the handler's deadline would be over."""

    def __iter__(self):
        while True:
            yield self.pop(0)

    def __bool__(self) -> bool:
        return True

    def pop(self, _: int) -> int:
        threading.Event().wait(SLOW)
        return 0x0000


@pytest.mark.parametrize("kind", RETRIEVALS)
def test_a_slow_peer_does_not_count_against_the_deadline(gateway, worker, scp, kind) -> None:
    scp.answers = Slowly()
    with scu(gateway.address, "OK", answers=Slowly()) as peer:
        last = peer.ask(kind, destination=scp.title)[-1]
    assert last.status == 0x0000
    assert last.counters() == (None, 2, 0, 0)


def test_a_peer_that_reads_slowly_does_not_count_against_the_deadline(gateway, worker) -> None:
    with RawPeer(gateway.address, rcvbuf=4096) as raw:
        raw.associate(wire.context(1, FIND), calling="MANY")
        raw.send(wire.message(1, request("FIND"), ANY_KEY))
        threading.Event().wait(SLOW)
        statuses = [receive(raw)[0] for _ in range(MANY + 1)]
        assert statuses == [0xFF00] * MANY + [0x0000]
        raw.release()


def test_the_originator_of_a_move_is_its_scu(retrieve, scp) -> None:
    retrieve("MOVE", "OK")
    for event in scp.requests:
        assert event.request.MoveOriginatorApplicationEntityTitle == "OK"
        assert event.request.MoveOriginatorMessageID == 1
        assert event.assoc.requestor.ae_title == "GATEWAY"
        assert event.assoc.requestor.primitive.called_ae_title == scp.title


@pytest.mark.parametrize("kind", RETRIEVALS)
@pytest.mark.parametrize("case", ["CANCELLED", "OBSTINATE"])
def test_cancelled_retrieval(gateway, worker, scp, kind: str, case: str) -> None:
    """`OBSTINATE` does not look at is_cancelled: its generator is closed at its next value."""
    worker.out.forget()
    scp.answers = []
    with scu(gateway.address, case) as peer:
        responses = peer.stream(kind, scp.title)
        first = next(responses)
        assert first.status == 0xFF00
        peer.assoc.send_c_cancel(1, query_model=MODELS[kind])
        *_, last = responses
        assert last.status == 0xFE00
        remaining, completed, failed, warning = last.counters()
        assert (failed, warning) == (0, 0)
        assert remaining + completed == 500
        assert 0 < completed < 400
        assert peer.ask("ECHO")[0].status == 0x0000
    if case == "OBSTINATE":
        worker.out.wait_for("^closed True")


def test_cancelled_find(gateway, worker) -> None:
    worker.out.forget()
    with scu(gateway.address, "CANCELLED") as peer:
        responses = peer.stream("FIND")
        assert next(responses).status == 0xFF00
        peer.assoc.send_c_cancel(1, query_model=MODELS["FIND"])
        *_, last = responses
        assert last.status == 0xFE00
    worker.out.wait_for("^cancelled after")


COMMENT = "long ??" + "x" * 57


@pytest.mark.parametrize("kind", ["STORE", "N_DELETE", "N_GET", "FIND"])
def test_optional_elements(gateway, worker, kind: str) -> None:
    with scu(gateway.address, "FAILS" if kind == "FIND" else "COMMENT") as peer:
        last = peer.ask(kind)[-1]
    assert last.status == 0xC123
    assert last.elements.ErrorComment == COMMENT
    if kind in ("STORE", "FIND"):  # an element of these services only
        assert list(last.elements.OffendingElement) == [0x00100010, 0x00100020]


def test_a_success_ends_a_find(gateway, worker) -> None:
    with scu(gateway.address, "SUCCEEDS") as peer:
        assert [one.status for one in peer.ask("FIND")] == [0xFF00, 0x0000]


@pytest.mark.parametrize("kind", [k for k in N_KINDS if k != "N_DELETE"])
@pytest.mark.parametrize(("case", "status"), [("WITH_DATA", 0x0000), ("WARNS", 0x0001)])
def test_data_set_of_an_n_service(gateway, worker, kind: str, case: str, status: int) -> None:
    with scu(gateway.address, case) as peer:
        (response,) = peer.ask(kind)
    assert response.status == status
    assert response.data is not None
    assert response.data.SOPInstanceUID == "1.2.3.7"


# what pynetdicom does not let its user send, or see

FIND, GET, MOVE = (str(model) for model in MODELS.values())
DATA_SETS = {
    "FIND": (FIND, 0x0020, 0xC311),
    "GET": (GET, 0x0010, 0xC413),
    "MOVE": (MOVE, 0x0021, 0xC514),
    "N_ACTION": ("1.2.840.10008.1.20.1", 0x0130, 0x0110),
    "N_CREATE": ("1.2.840.10008.3.1.2.3.3", 0x0140, 0x0110),
    "N_SET": ("1.2.840.10008.3.1.2.3.3", 0x0120, 0x0110),
}
ANY_KEY = struct.pack("<HHI", 0x0010, 0x0020, 2) + b"* "


def request(kind: str, message_id: int = 1, *, sop_class: str = "") -> bytes:
    usual, field, _ = DATA_SETS[kind]
    sop_class = sop_class or usual
    requested = kind in ("N_ACTION", "N_SET")
    elements = {
        0x0003 if requested else 0x0002: wire.uid_value(sop_class),
        0x0100: wire.us(field),
        0x0110: wire.us(message_id),
        0x0800: wire.us(1),
    }
    if kind.startswith("N"):
        elements[0x1001 if requested else 0x1000] = wire.uid_value("1.2.3")
    else:
        elements[0x0700] = wire.us(0)
    if kind == "MOVE":
        elements[0x0600] = b"SOMEONE "
    if kind == "N_ACTION":
        elements[0x1008] = wire.us(1)
    return wire.command_set(*(wire.element(tag, v) for tag, v in sorted(elements.items())))


def receive(peer: RawPeer) -> tuple[int, bytes]:
    """Status and data set of the next response."""
    parts = {0: b"", 1: b""}
    while True:
        pdu = peer.recv_pdu()
        assert isinstance(pdu, bytes)
        assert pdu[:1] == b"\x04", pdu[:20]
        for _, header, data in wire.parse_pdvs(pdu):
            parts[header & 1] += data
            command = wire.parse_command(parts[1]) if header == 3 else {}
            if header == 2 or command.get(0x0800) == wire.us(wire.NO_DATA_SET):
                return wire.status_of(parts[1]), parts[0]


@pytest.fixture
def raw(gateway, worker):
    with RawPeer(gateway.address) as peer:
        yield peer


@pytest.mark.parametrize("kind", DATA_SETS)
def test_what_cannot_be_decoded_has_raised(raw, kind: str) -> None:
    sop_class, _, status = DATA_SETS[kind]
    raw.associate(wire.context(1, sop_class, wire.DEFLATED), wire.context(3), calling="DECODES")
    raw.send(wire.message(1, request(kind), b"\xff" * 64))
    assert f"{receive(raw)[0]:04X}" == f"{status:04X}"
    assert raw.echo(2, context_id=3).status == 0x0000
    raw.release()


def test_an_instance_that_cannot_be_decoded(raw) -> None:
    instance = instances.make()
    raw.associate(instance.context(), wire.context(3), calling="DECODES")
    broken = instance.data_set + b"\xe0\x7f\x20\x00SQ\x00\x00\x10\x00\x00\x00" + b"\xff" * 16
    raw.send(wire.message(1, wire.store_rq(instance.uid), broken))
    assert raw.recv_response().status == 0xC211
    assert raw.echo(2, context_id=3).status == 0x0000
    raw.release()


def test_a_warning_does_not_end_a_find(raw) -> None:
    raw.associate(wire.context(1, FIND), calling="WARNS")
    raw.send(wire.message(1, request("FIND"), ANY_KEY))
    assert [receive(raw)[0] for _ in range(4)] == [0xFF00, 0xB001, 0xFF01, 0x0000]
    raw.release()


def test_a_programming_error_in_a_relevant_patient_query(raw) -> None:
    raw.associate(wire.context(1, RELEVANT_PATIENT), calling="RAISES")
    command = request("FIND", sop_class=RELEVANT_PATIENT)
    raw.send(wire.message(1, command, ANY_KEY))
    assert receive(raw)[0] == 0xC311
    raw.release()


def test_two_messages_in_one_pdu_are_both_answered(raw) -> None:
    raw.associate(wire.context(1), wire.context(3, FIND), calling="OK")
    both = [
        wire.pdv(1, 3, wire.echo_rq(1)),
        wire.pdv(3, 3, request("FIND", 2)),
        wire.pdv(3, 2, ANY_KEY),
    ]
    raw.send(wire.p_data(*both))
    assert [receive(raw)[0] for _ in range(3)] == [0x0000, 0xFF00, 0x0000]
    raw.release()


def test_a_release_during_a_find_is_answered(raw, worker) -> None:
    """Its generator is closed, and what it yielded before may still come in Sta8."""
    worker.out.forget()
    raw.associate(wire.context(1, FIND), calling="RELEASED")
    raw.send(wire.message(1, request("FIND"), ANY_KEY))
    assert receive(raw)[0] == 0xFF00
    raw.send(wire.release_rq())
    while (pdu := raw.recv_pdu())[:1] == b"\x04":
        pass
    assert pdu == wire.release_rp()
    worker.out.wait_for("^closed True")


@pytest.mark.parametrize("how", ["abort", "reset"])
def test_a_lost_peer_closes_the_generator(raw, worker, how: str) -> None:
    worker.out.forget()
    raw.associate(wire.context(1, FIND), calling="RELEASED")
    raw.send(wire.message(1, request("FIND"), ANY_KEY))
    assert receive(raw)[0] == 0xFF00
    if how == "abort":
        raw.send(wire.abort())
    else:
        raw.reset()
    worker.out.wait_for("^closed True")
