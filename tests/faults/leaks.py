"""Every way in which an association ends, again and again: nothing may be left of any of them."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.conftest import running
from tests.faults.row import BrokenPromise, Result
from tests.faults.tls_gateway import running_with_tls
from tests.faults.witness import State
from tests.peers import instances, wire
from tests.peers.raw import RawPeer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.row import Options
    from tests.peers.process import Gateway
    from tests.peers.raw import Address

TIMEOUTS = "[association]\nartim_timeout = 0.5\ndimse_timeout = 0.5\nnetwork_timeout = 0.5\n"
GROWN = 4_000_000
"""Bytes that a process may have more after all cycles of one kind."""
AT_ONCE = 20
"""Associations whose timeouts run at the same time."""
_ONE = instances.make()


def _asked(address: Address, *contexts: bytes) -> RawPeer:
    peer = RawPeer(address)
    peer.associate(*(contexts or (wire.context(1),)))
    return peer


def _release(address: Address) -> None:
    with _asked(address) as peer:
        peer.echo()
        peer.release()


def _abort(address: Address) -> None:
    with _asked(address) as peer:
        peer.send(wire.abort())


def _reset(address: Address) -> None:
    with _asked(address, _ONE.context()) as peer:
        peer.send(wire.message(1, wire.store_rq(_ONE.uid), _ONE.data_set)[:-100])
        peer.reset()


def _close(address: Address) -> None:
    _asked(address).close()


def _protocol_error(address: Address) -> None:
    with _asked(address) as peer:
        peer.send(wire.pdu(0x99, b""))
        peer.recv_all()


def _rejected(address: Address) -> None:
    with RawPeer(address) as peer:
        peer.send(wire.associate_rq(version=2))
        peer.recv_all()


def _wait_for_end(peers: list[RawPeer]) -> None:
    for peer in peers:
        peer.recv_all()
        peer.close()


def _silent(address: Address) -> None:
    _wait_for_end([RawPeer(address) for _ in range(AT_ONCE)])


def _idle(address: Address) -> None:
    _wait_for_end([_asked(address) for _ in range(AT_ONCE)])


def _cut(address: Address) -> None:
    peers = [_asked(address, _ONE.context()) for _ in range(AT_ONCE)]
    for peer in peers:
        peer.send(wire.message(1, wire.store_rq(_ONE.uid), _ONE.data_set)[:-100])
    _wait_for_end(peers)


def _tls_failure(address: Address) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(b"\x16\x03\x01\x00\x05hello")
        with suppress(OSError):
            while connection.recv(4096):
                pass


def _tls_untrusted(address: Address) -> None:
    strict = ssl.create_default_context()
    with socket.create_connection(address) as connection, suppress(OSError):
        strict.wrap_socket(connection, server_hostname="localhost")


WAYS: dict[str, tuple[Callable[[Address], None], int]] = {
    "release": (_release, 1),
    "abort": (_abort, 1),
    "reset in a data set": (_reset, 1),
    "connection closed": (_close, 1),
    "protocol error": (_protocol_error, 1),
    "rejection": (_rejected, 1),
    "silence before the request": (_silent, AT_ONCE),
    "idle timeout": (_idle, AT_ONCE),
    "timeout in a data set": (_cut, AT_ONCE),
}
"""How associations end, and how many at a call."""
TLS_WAYS: dict[str, tuple[Callable[[Address], None], int]] = {
    "no TLS": (_tls_failure, 1),
    "TLS untrusted": (_tls_untrusted, 1),
}


def run(options: Options) -> Result:
    """End associations in each way; tell what the processes have more afterwards."""
    config = f'[log]\nlevel = "error"\n{TIMEOUTS}'
    with running(config) as gateway:
        told = [_cycles(gateway, name, *way, options.ends) for name, way in WAYS.items()]
    with running_with_tls(config) as (gateway, _):
        told += [_cycles(gateway, name, *way, options.ends) for name, way in TLS_WAYS.items()]
    return Result(ok=True, runs=options.ends * len(told), text="; ".join(told))


def _cycles(
    gateway: Gateway, name: str, end: Callable[[Address], None], at_once: int, count: int
) -> str:
    for _ in range(max(3, count // 4 // at_once)):  # what is loaded and kept at the first time
        end(gateway.address)
    time.sleep(1.0)  # what the first ones have left is given back
    before = State.of(gateway)
    for _ in range(max(1, count // at_once)):
        end(gateway.address)
    until = time.monotonic() + 10
    while (left := (after := State.of(gateway)).has_returned_to(before)) and (
        time.monotonic() < until
    ):
        time.sleep(0.5)
    grown = max(after.memory.get(pid, 0) - had for pid, had in before.memory.items())
    if left or grown > GROWN:
        raise BrokenPromise(f"after {count} x {name}: {left}, {grown / 1e6:+.1f} MB")
    return f"{name} {grown / 1e6:+.1f} MB"
