"""A gateway behind HAProxy: it sees its peers, and health checks cost next to nothing."""

from __future__ import annotations

import urllib.error
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.conftest import PEERS_REQUIRED
from tests.patience import WALL
from tests.peers import instances, procfs, wire
from tests.peers.balancer import LISTED, SOURCE, balancer, configuration, program
from tests.peers.raw import RawPeer, echo_ok
from tests.peers.scp import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.process import Gateway

POLICY = """
[limits]
associations_per_address = 2
[[policy.rules]]
name = "the scanner"
addresses = ["127.0.0.2/32", "127.0.0.9/32"]
"""
ECHO = wire.context(1, wire.VERIFICATION)
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\0\0\0"
OTHER = b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 104\r\n"


@pytest.fixture
def haproxy() -> None:
    if program() is None:
        (pytest.fail if PEERS_REQUIRED else pytest.skip)("HAProxy is not installed")


@contextmanager
def asked(address, source: str, *, first: bytes = b"") -> Iterator[RawPeer]:
    """A peer at an address of its own that has sent its A-ASSOCIATE-RQ."""
    with RawPeer(address, source=source) as peer:
        peer.send(first + wire.associate_rq(ECHO))
        yield peer


def readiness(port: int) -> int:
    """Return the status of /readyz; 0: nothing listens yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=WALL) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def last_line(gateway: Gateway, text: str) -> str:
    gateway.program.err.wait_for(text)
    return [line for line in gateway.program.err.text.splitlines() if text in line][-1]


@pytest.mark.parametrize("send", ["send-proxy-v2", "send-proxy", "send-proxy-v2-ssl-cn"])
def test_limits_policy_and_log_have_the_peer_behind_the_balancer(
    haproxy, start_gateway, folder, send
) -> None:
    gateway = start_gateway(LISTED + POLICY)
    port = free_port()
    front = ("127.0.0.1", port)
    with balancer(folder, configuration(port, [gateway.address], send=send), port):
        with asked(front, "127.0.0.2") as one, asked(front, "127.0.0.2") as two:
            assert [one.recv_pdu()[0], two.recv_pdu()[0]] == [2, 2]
            with asked(front, "127.0.0.2") as three:
                assert three.recv_pdu() == wire.associate_rj(2, 3, 2)
            assert "127.0.0.2 has as many" in last_line(gateway, "limits.associations_per_address")
        with asked(front, "127.0.0.3") as other:
            assert other.recv_pdu()[0] == 3
        assert "A-ASSOCIATE-RJ (1,1,3)" in last_line(gateway, "peer=127.0.0.3:")


def test_only_listed_balancers_are_believed_and_they_must_send_a_header(start_gateway) -> None:
    gateway = start_gateway(LISTED)
    with asked(gateway.address, "127.0.0.2", first=OTHER) as peer:
        assert peer.recv_pdu()[0] == 7
    line = last_line(gateway, "a PROXY protocol header from a peer that gateway.balancers lacks")
    assert "peer=127.0.0.2:" in line
    with asked(gateway.address, "127.0.0.2", first=LOCAL) as peer:
        assert peer.recv_pdu()[0] == 7
    with asked(gateway.address, SOURCE) as peer:
        assert not isinstance(peer.recv_pdu(), bytes)
    last_line(gateway, f"peer={SOURCE} is in gateway.balancers, and refused: it does not begin")
    for first, seen in ((OTHER, "192.0.2.7:50000"), (LOCAL, f"{SOURCE}:")):
        with asked(gateway.address, SOURCE, first=first) as peer:
            assert peer.recv_pdu()[0] == 2
            peer.send(wire.release_rq())
            peer.recv_pdu()
        assert f"peer={seen}" in last_line(gateway, f"peer={seen}")


@pytest.mark.parametrize("table", [LISTED, f'[limits]\ntrusted = ["{SOURCE}/32"]\n'])
def test_health_checks_of_a_balancer_are_one_line(start_gateway, table) -> None:
    port = free_port()
    web = f'[workers.web]\n[web]\nport = 0\nprobes = "127.0.0.1:{port}"\n'
    gateway = start_gateway(table + web)
    first = LOCAL if table is LISTED else b""
    procfs.until(lambda: readiness(port) == 200, what="the answer to a health check")
    begun = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for _ in range(5):
        RawPeer(gateway.address, source=SOURCE).close()  # TCP
        with asked(gateway.address, SOURCE, first=first) as peer:  # DICOM
            assert peer.recv_pdu()[0] == 2
            peer.send(wire.message(1, wire.echo_rq(1)))
            assert peer.recv_response().status == 0
            peer.send(wire.release_rq())
            peer.recv_pdu()
        assert readiness(port) == 200  # HTTP
    assert echo_ok(gateway.address)
    last_line(gateway, "peer=127.0.0.1:")
    lines = [line for line in gateway.program.err.lines if line >= begun]  # each begins with a time
    assert [SOURCE in line for line in lines].count(True) == 1
    assert len(lines) == 2
    # whoever stores is logged as ever
    one = instances.make()
    with RawPeer(gateway.address, source=SOURCE) as peer:
        peer.send(first + wire.associate_rq(one.context(), wire.context(3)))
        assert peer.recv_pdu()[0] == 2
        peer.store(one)
        peer.send(wire.release_rq())
        peer.recv_pdu()
    assert "instances=1" in last_line(gateway, "C-STORE:0000=1")
