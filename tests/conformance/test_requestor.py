"""`dicom-gateway echo` against an acceptor that does everything wrong: the requestor's rows."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest

from tests.patience import PATIENCE, WALL
from tests.peers import wire
from tests.peers.process import run_cli
from tests.peers.raw import EOF, RESET, RawAcceptor, RawPeer


class Echo:
    """The command at work, and the peer that the test drives."""

    def __init__(self, acceptor: RawAcceptor, timeout: float) -> None:
        self._results: list = []
        self._thread = threading.Thread(
            target=lambda: self._results.append(
                run_cli("echo", *acceptor.address, "--timeout", timeout)
            )
        )
        self._thread.start()
        try:
            self.peer: RawPeer = acceptor.accept()
        except TimeoutError:
            self._thread.join(WALL)
            reports = [program.report() for program in self._results]
            raise AssertionError(f"the command did not connect: {reports}") from None

    def request(self) -> bytes:
        got = self.peer.recv_pdu()
        assert got[:1] == b"\x01"
        return got

    def accept(self) -> None:
        request = self.request()
        proposed = [body[0] for kind, body in wire.items_of(request[74:]) if kind == 0x20]
        self.peer.send(wire.associate_ac(*((id_, 0, wire.IMPLICIT) for id_ in proposed)))

    def respond(self, status: int = 0) -> None:
        ((id_, header, command),) = wire.parse_pdvs(self.peer.recv_pdu())
        assert header & 3 == 3
        message_id = int.from_bytes(wire.parse_command(command)[0x0110], "little")
        assert command == wire.echo_rq(message_id)
        self.peer.send(wire.p_data(wire.pdv(id_, 3, wire.echo_rsp(message_id, status))))

    def result(self):
        self.peer.close()
        self._thread.join(WALL)
        (program,) = self._results
        text = program.out.text + program.err.text
        assert "Traceback" not in text
        return program.popen.returncode, text


@contextmanager
def echo(timeout: float = 5 * PATIENCE):
    with RawAcceptor() as acceptor:
        command = Echo(acceptor, timeout)
        try:
            yield command
        finally:
            command.peer.close()


def test_whole_association() -> None:
    with echo() as command:
        command.accept()
        command.respond()
        assert command.peer.recv_pdu() == wire.release_rq()
        command.peer.send(wire.release_rp())
        assert command.peer.recv_pdu() == EOF
        assert command.result()[0] == 0


def test_request_is_a_good_one() -> None:
    with echo() as command:
        request = command.request()
        assert request[6:10] == b"\x00\x01\x00\x00"
        kinds = [kind for kind, _ in wire.items_of(request[74:])]
        assert kinds[0] == 0x10
        assert kinds[-1] == 0x50
        assert set(kinds[1:-1]) == {0x20}
        command.peer.send(wire.associate_rj(1, 1, 1))
        command.result()


def test_rejection_is_told() -> None:
    with echo() as command:
        command.request()
        command.peer.send(wire.associate_rj(1, 1, 7))
        assert command.peer.recv_pdu() == EOF
        status, text = command.result()
        assert status not in (0, 2)
        assert "called AE title" in text


def test_release_collision_sta9_to_sta11() -> None:
    """Table 9-10: AR-8 to Sta9, AR-9 sends the RP (Sta11), AR-3 closes on theirs."""
    with echo() as command:
        command.accept()
        command.respond()
        assert command.peer.recv_pdu() == wire.release_rq()
        command.peer.send(wire.release_rq())
        assert command.peer.recv_pdu() == wire.release_rp()
        command.peer.send(wire.release_rp())
        assert command.peer.recv_pdu() == EOF
        assert command.result()[0] == 0


def test_sta7_still_receives_data() -> None:
    """AR-6: a P-DATA-TF that crosses the A-RELEASE-RQ is not an error."""
    with echo() as command:
        command.accept()
        command.respond()
        assert command.peer.recv_pdu() == wire.release_rq()
        command.peer.send(wire.p_data(wire.pdv(1, 1, b"")) + wire.release_rp())
        assert command.peer.recv_pdu() == EOF
        assert command.result()[0] == 0


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        pytest.param(wire.release_rq(), wire.abort(2, 2), id="out of place"),
        pytest.param(wire.associate_rq(), wire.abort(2, 2), id="A-ASSOCIATE-RQ"),
        pytest.param(wire.p_data(wire.pdv(1, 3, b"")), wire.abort(2, 2), id="P-DATA-TF"),
        pytest.param(wire.pdu(0x77, bytes(4)), wire.abort(2, 1), id="unknown"),
        pytest.param(wire.pdu(wire.RJ, bytes(5)), wire.abort(2, 6), id="A-ASSOCIATE-RJ too long"),
    ],
)
def test_sta5_is_aa8(sent: bytes, answer: bytes) -> None:
    with echo() as command:
        command.request()
        command.peer.send(sent)
        assert command.peer.recv_all() == [answer, EOF]
        assert command.result()[0] not in (0, 2)


OUT_OF_PLACE = [
    pytest.param(wire.associate_rq(), wire.abort(2, 2), id="A-ASSOCIATE-RQ"),
    pytest.param(wire.associate_ac((1, 0, wire.IMPLICIT)), wire.abort(2, 2), id="A-ASSOCIATE-AC"),
    pytest.param(wire.associate_rj(1, 1, 1), wire.abort(2, 2), id="A-ASSOCIATE-RJ"),
    pytest.param(wire.pdu(0x77, bytes(4)), wire.abort(2, 1), id="unknown"),
    pytest.param(wire.pdu(wire.RELEASE_RP, bytes(5)), wire.abort(2, 6), id="too long"),
]


@pytest.mark.parametrize(("sent", "answer"), OUT_OF_PLACE)
def test_sta6_is_aa8(sent: bytes, answer: bytes) -> None:
    with echo() as command:
        command.accept()
        command.peer.recv_pdu()
        command.peer.send(sent)
        assert command.peer.recv_all() == [answer, EOF]
        assert command.result()[0] not in (0, 2)


@pytest.mark.parametrize(("sent", "answer"), OUT_OF_PLACE)
def test_sta7_is_aa8(sent: bytes, answer: bytes) -> None:
    with echo() as command:
        command.accept()
        command.respond()
        assert command.peer.recv_pdu() == wire.release_rq()
        command.peer.send(sent)
        assert command.peer.recv_all() == [answer, EOF]


@pytest.mark.parametrize(("sent", "answer"), OUT_OF_PLACE)
def test_sta11_is_aa8(sent: bytes, answer: bytes) -> None:
    with echo() as command:
        command.accept()
        command.respond()
        assert command.peer.recv_pdu() == wire.release_rq()
        command.peer.send(wire.release_rq())
        assert command.peer.recv_pdu() == wire.release_rp()
        command.peer.send(sent)
        assert command.peer.recv_all() == [answer, EOF]


def test_abort_and_close_are_told() -> None:
    with echo() as command:
        command.accept()
        command.peer.recv_pdu()
        command.peer.send(wire.abort(2, 1))
        assert command.result()[0] not in (0, 2)
    with echo() as command:
        command.accept()
        command.peer.recv_pdu()
        assert command.result()[0] not in (0, 2)


def test_no_acceptable_context_is_told() -> None:
    with echo() as command:
        request = command.request()
        proposed = [body[0] for kind, body in wire.items_of(request[74:]) if kind == 0x20]
        command.peer.send(wire.associate_ac(*((id_, 3, wire.IMPLICIT) for id_ in proposed)))
        last = command.peer.recv_pdu()
        assert last is RESET or last[:1] in (b"\x05", b"\x07", b"")
        if last == wire.release_rq():
            command.peer.send(wire.release_rp())
        assert command.result()[0] not in (0, 2)


def test_failure_status_is_told() -> None:
    with echo() as command:
        command.accept()
        command.respond(0x0122)
        if command.peer.recv_pdu() == wire.release_rq():
            command.peer.send(wire.release_rp())
        status, text = command.result()
        assert status not in (0, 2)
        assert "0122" in text


@pytest.mark.parametrize("after", ["connect", "request", "message"])
def test_silence_ends_with_the_timeout(after: str) -> None:
    with echo(timeout=1) as command:
        if after == "request":
            command.request()
        elif after == "message":
            command.accept()
            command.peer.recv_pdu()
        got = command.peer.recv_all()
        assert got[-1] in (EOF,) or got[-1] is RESET
        assert command.result()[0] not in (0, 2)
