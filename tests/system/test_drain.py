"""A gateway that turns newcomers away, and one that stops, lets open associations go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.peers import procfs, wire
from tests.peers.process import run_cli
from tests.peers.raw import RawPeer, association, echo_ok

if TYPE_CHECKING:
    from tests.peers.process import Gateway

LATER = wire.associate_rj(2, 3, 1)
ECHO = wire.context(1, wire.VERIFICATION, wire.IMPLICIT)


def is_turned_away(gateway: Gateway) -> bool:
    with RawPeer(gateway.address) as late:
        late.send(wire.associate_rq(ECHO))
        return late.recv_pdu() == LATER


def test_drained_until_resumed(start_gateway) -> None:
    gateway = start_gateway()
    with association(gateway.address, ECHO) as early:
        assert run_cli("drain", "--data", gateway.data).popen.returncode == 0
        procfs.until(lambda: is_turned_away(gateway), what="newcomers that are turned away")
        early.send(wire.message(1, wire.echo_rq()))
        assert early.recv_response().status == 0x0000
        assert run_cli("status", "--data", gateway.data).popen.returncode == 1
        assert run_cli("resume", "--data", gateway.data).popen.returncode == 0
        procfs.until(lambda: echo_ok(gateway.address), what="newcomers that are let in")
        early.release()


def test_an_association_in_use_goes_on_after_sigterm_and_an_idle_one_is_aborted(
    start_gateway,
) -> None:
    gateway = start_gateway()
    with association(gateway.address, ECHO) as peer:
        gateway.program.terminate()

        def is_leaving() -> bool:
            assert peer.echo().status == 0x0000  # in use, also on a busy machine
            return is_turned_away(gateway)

        procfs.until(is_leaving, what="newcomers that are turned away")
        assert peer.echo().status == 0x0000
        assert peer.recv_pdu()[:1] == wire.abort()[:1]
    assert gateway.program.wait() == 0
