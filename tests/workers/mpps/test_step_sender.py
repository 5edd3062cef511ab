"""N-CREATEs and N-SETs passed on to an SCP: in order, again after failures, parked by rule."""

from __future__ import annotations

import socket
import threading

import pytest

from gateway.dimse.status import OUT_OF_RESOURCES
from gateway.metrics import Metrics
from gateway.sdk.move.routes import Routes
from gateway.settings import Destination
from tests.data_sets import data_set
from tests.patience import WALL
from tests.workers.mpps.ris import Ris
from tests.workers.mpps.steps import creation, end
from workers.mpps.mpps_worker import _json_of
from workers.mpps.step_outbox import CREATE, PARKED, SENT, SET, WAITING, StepOutbox, put
from workers.mpps.step_sender import LONGEST_PAUSE, SenderCounters, StepSender


class Desk:
    """A sender whose clock the test sets."""

    def __init__(self, index, ris: Ris, attempts: int = 3) -> None:
        self.index, self.ris, self.now = index, ris, 0.0
        self.outbox = StepOutbox(index)
        self.routes = Routes({"RIS": Destination("127.0.0.1", ris.port)})
        self.metrics = Metrics()
        self.sender = StepSender(
            self.outbox,
            lambda name, contexts: self.routes.connect(name, "GATEWAY", contexts),
            ("RIS",),
            attempts,
            SenderCounters(self.metrics),
            clock=lambda: self.now,
        )

    def add(self, uid: str, number: int = 1, attributes=None) -> None:
        operation = SET if number > 1 else CREATE
        made = attributes or (end() if number > 1 else creation())
        given = (("RIS",), (uid, number), operation, _json_of(made), 1.0)
        self.index.change(lambda execute: put(execute, *given))

    def run(self) -> None:
        """Send until nothing is due."""
        while self.sender.step("RIS"):
            pass

    def later(self) -> None:
        """Let all pauses end."""
        self.now += 2 * LONGEST_PAUSE
        self.index.change(lambda execute: execute("UPDATE step_message SET due = 0"))

    @property
    def states(self) -> list[tuple[str, int, str]]:
        return [(one.uid, one.number, one.state) for one in self.outbox.rows()]

    def figure(self, name: str) -> float:
        (metric,) = [one for one in self.metrics if one.name == name]
        return sum(metric.series.values())


@pytest.fixture
def ris():
    return Ris()


@pytest.fixture
def desk(index, ris):
    desk = Desk(index, ris)
    yield desk
    desk.routes.close()


def test_messages_arrive_in_their_order_with_their_values(desk, ris):
    desk.add("1.1", 1, creation(PatientName="DÖE^JANE", SpecificCharacterSet="ISO_IR 192"))
    desk.add("1.1", 2, data_set(PerformedProcedureStepDescription="HEAD"))
    desk.add("1.1", 3)
    with ris.running():
        desk.run()
    assert ris.told == [("N-CREATE", "1.1"), ("N-SET", "1.1"), ("N-SET", "1.1")]
    assert str(ris.got[0][2].PatientName) == "DÖE^JANE"
    assert ris.got[1][2].PerformedProcedureStepDescription == "HEAD"
    assert ris.got[2][2].PerformedProcedureStepStatus == "COMPLETED"
    assert {state for *_, state in desk.states} == {SENT}
    assert desk.figure("dicom_gateway_mpps_sent_total") == 3
    assert desk.sender.look() == ({"RIS": {"state": "ok", "waiting": 0, "parked": 0}}, {})


def test_a_destination_that_is_away_costs_no_attempt_and_is_named(desk, ris):
    desk.add("1.1")
    for _ in range(5):
        assert desk.sender.step("RIS") == 0
        desk.later()
    (row,) = desk.outbox.rows()
    assert (row.state, row.attempts) == (WAITING, 0)
    desk.index.change(lambda execute: execute("UPDATE step_message SET queued = queued - 9000"))
    facts, troubles = desk.sender.look()
    assert desk.figure("dicom_gateway_mpps_oldest_seconds") >= 9000
    assert facts["RIS"]["waiting"] == 1
    assert "1 messages wait" in troubles["mpps to RIS"]
    assert desk.sender.step("RIS") == 0
    assert desk.sender.step("RIS") == 0, "the pause is not over"
    desk.later()
    with ris.running():
        desk.run()
    assert ris.told == [("N-CREATE", "1.1")]
    assert desk.sender.look()[1] == {}
    assert desk.figure("dicom_gateway_mpps_oldest_seconds") == 0


def test_a_retry_ends_the_pause_of_the_destination_for_one_attempt(desk, ris):
    desk.add("1.1")
    desk.sender.step("RIS")
    assert desk.outbox.retry("RIS") == 1
    failures = desk.figure("dicom_gateway_mpps_failed_total")
    for _ in range(3):
        desk.sender.step("RIS")
    assert desk.figure("dicom_gateway_mpps_failed_total") == failures + 1
    with ris.running():
        desk.run()
        assert ris.told == [], "the pause after that attempt"
        assert desk.outbox.retry("RIS") == 1
        desk.run()
    assert ris.told == [("N-CREATE", "1.1")]


def test_a_retry_ends_the_pause_of_a_message(desk, ris):
    ris.answers = [0x0110]
    desk.add("1.1")
    with ris.running():
        desk.run()
        assert desk.states == [("1.1", 1, WAITING)]
        assert desk.outbox.retry("OTHER") == 0
        desk.run()
        assert len(ris.got) == 1
        assert desk.outbox.retry(ids=[desk.outbox.rows()[0].id]) == 1
        desk.run()
    assert desk.states == [("1.1", 1, SENT)]


@pytest.mark.parametrize("status", [0x0213, OUT_OF_RESOURCES])
def test_one_that_is_full_is_left_alone_for_a_while(desk, ris, status):
    ris.answers = [status]
    desk.add("1.1")
    desk.add("1.2")
    with ris.running():
        desk.run()
        assert [state for *_, state in desk.states] == [WAITING, WAITING]
        assert {one.attempts for one in desk.outbox.rows()} == {0}
        desk.later()
        desk.run()
    assert [state for *_, state in desk.states] == [SENT, SENT]


@pytest.mark.parametrize("status", [0x0105, 0x0106, 0x0120, 0x0121, 0x0122])
def test_a_message_that_can_never_be_taken_is_parked_and_what_follows_waits(desk, ris, status):
    ris.answers = [status]
    desk.add("1.1")
    desk.add("1.1", 2)
    desk.add("1.2")
    with ris.running():
        desk.run()
        assert desk.states == [("1.1", 1, PARKED), ("1.1", 2, WAITING), ("1.2", 1, SENT)]
        assert desk.outbox.rows()[0].reason == f"the destination answered {status:04X}"
        assert "messages parked: 1" in desk.sender.look()[1]["mpps to RIS"]
        assert desk.outbox.retry() == 2
        desk.run()
    assert {state for *_, state in desk.states} == {SENT}


def test_another_failure_is_tried_again_and_parked_in_the_end(desk, ris):
    ris.answers = [0x0110] * 3
    desk.add("1.1")
    with ris.running():
        for _ in range(4):
            desk.run()
            desk.later()
    (row,) = desk.outbox.rows()
    assert (row.state, row.attempts, len(ris.got)) == (PARKED, 3, 3)
    assert desk.figure("dicom_gateway_mpps_failed_total") == 3


def test_what_the_destination_has_already_is_sent(desk, ris):
    ris.answers = [0x0111, 0x0107]
    desk.add("1.1")
    desk.add("1.1", 2)
    with ris.running():
        desk.run()
    assert [(one.state, one.reason) for one in desk.outbox.rows()] == [
        *((SENT, "status 0111"), (SENT, "status 0107")),
    ]


def test_an_n_set_whose_response_was_lost_may_have_ended_the_step(desk, ris):
    ris.answers = [0x0000, -1, 0x0110]
    desk.add("1.1")
    desk.add("1.1", 2)
    with ris.running():
        desk.run()
        (row,) = desk.outbox.rows(state=WAITING)
        assert (row.number, row.attempts) == (2, 1)
        assert row.reason.startswith("no response")
        desk.later()
        desk.run()
    assert [one.state for one in desk.outbox.rows()] == [SENT, SENT]


def test_one_that_failed_without_a_loss_has_not(desk, ris):
    ris.answers = [0x0000, 0x0110, 0x0110]
    desk.add("1.1")
    desk.add("1.1", 2)
    with ris.running():
        for _ in range(2):
            desk.run()
            desk.later()
    assert [one.state for one in desk.outbox.rows()] == [SENT, WAITING]


def test_a_destination_that_does_not_take_the_sop_class_parks(index):
    ris = Ris(sop_class="1.2.840.10008.1.1")
    desk = Desk(index, ris)
    desk.add("1.1")
    with ris.running():
        desk.run()
    (row,) = desk.outbox.rows()
    assert row.state == PARKED
    desk.routes.close()


def test_one_that_is_not_in_the_table_is_waited_for(desk):
    desk.routes.change({}, None)
    desk.add("1.1")
    assert desk.sender.step("RIS") == 0
    assert "[destinations] has no 'RIS'" in desk.sender.look()[1]["mpps to RIS"]


@pytest.mark.parametrize("status", [0x1234, 0xFE00, 0xC001])
def test_a_status_that_means_nothing_here_is_a_failure(desk, ris, status):
    ris.answers = [status]
    desk.add("1.1")
    with ris.running():
        desk.run()
    (row,) = desk.outbox.rows()
    assert (row.state, row.attempts) == (WAITING, 1)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x02\0\0\0\0\x04AAAA"]
)
def test_a_destination_that_answers_garbage_is_named_and_tried_again(desk, ris, answer):
    """As an SCP that is none, or one that ends in the middle."""
    with socket.create_server(("127.0.0.1", ris.port)) as listening:

        def serve() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.recv(65_536)
                peer.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        desk.add("1.1")
        assert desk.sender.step("RIS") == 0
        thread.join(WALL)
    (row,) = desk.outbox.rows()
    assert (row.state, row.attempts) == (WAITING, 0)
    assert "1 messages wait" in desk.sender.look()[1]["mpps to RIS"]
    desk.later()
    with ris.running():
        desk.run()
    assert ris.told == [("N-CREATE", "1.1")]
