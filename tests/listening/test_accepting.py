"""The accept loop: a flood is taken in turns, a lack of descriptors stops it, in two log lines."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from gateway.listening import accepting
from gateway.listening.accepting import OPENS_A_TURN, AcceptLoop
from gateway.listening.balancers import Balancers
from tests.patience import WALL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Protocol(asyncio.Protocol):
    def __init__(self, world: World, source: tuple[str, int] | None) -> None:
        self.world = world
        world.protocols += 1
        world.sources.append(source)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.world.made.append(transport)

    def data_received(self, data: bytes) -> None:
        self.world.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.world.lost += 1
        self.world.loop.connection_closed()


class Listener:
    """A real listening socket whose accept fails with the errors that the test puts in."""

    def __init__(self) -> None:
        self.real = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.errors: list[int] = []
        self.failing = 0
        self.calls = 0
        self.closed = False

    def fileno(self) -> int:
        return self.real.fileno()

    def setblocking(self, flag: bool) -> None:
        self.real.setblocking(flag)

    def accept(self) -> Any:
        self.calls += 1
        if self.errors:
            raise OSError(number := self.errors.pop(0), os.strerror(number))
        if self.failing:
            raise OSError(self.failing, os.strerror(self.failing))
        return self.real.accept()

    def close(self) -> None:
        self.closed = True
        self.real.close()


class World:
    """An accept loop, the peers that connect to it, and what came of that."""

    def __init__(self, **how: Any) -> None:
        self.listener = Listener()
        self.made: list[asyncio.BaseTransport] = []
        self.received = b""
        self.sources: list[tuple[str, int] | None] = []
        self.lost = self.protocols = 0
        self.peers: list[socket.socket] = []
        used = {key: how.pop(key, None) for key in ("tls", "handshake_timeout", "balancers")}
        self.loop = AcceptLoop(self.listener, lambda source: Protocol(self, source), **how)
        self.loop.use(**used)
        self.loop.start()

    def connect(self) -> socket.socket:
        self.peers.append(socket.create_connection(self.listener.real.getsockname()))
        return self.peers[-1]

    def close(self) -> None:
        for peer in self.peers:
            peer.close()
        for transport in self.made:
            transport.close()
        if not self.listener.closed:
            self.loop.close()


def run(test: Callable[[World], Awaitable[None]], **how: Any) -> None:
    async def whole() -> None:
        world = World(**how)
        try:
            await test(world)
        finally:
            world.close()
            await turns(5)  # transports close in a later turn

    asyncio.run(whole())


async def turns(count: int) -> None:
    """Let the event loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(WALL):
        while not reached():  # noqa: ASYNC110 - the loop under test has no event to wait for
            await asyncio.sleep(0)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "gateway.listening"]


@pytest.fixture(autouse=True)
def all_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


STOPPED = "no connections can be accepted, new ones have to wait: "
AGAIN = "connections are accepted again"


def test_a_flood_is_accepted_whole_and_a_bounded_number_a_turn() -> None:
    async def test(world: World) -> None:
        for _ in range(count := 9 * OPENS_A_TURN):
            world.connect()
        opened = []
        while len(world.made) < count:
            before = len(world.made)
            await asyncio.sleep(0)
            opened.append(len(world.made) - before)
        assert max(opened) == OPENS_A_TURN

    run(test)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_it_stops_at_the_first_failure_and_resumes_by_itself(
    number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(accepting, "RETRY", 0)

    async def test(world: World) -> None:
        world.listener.errors = [number] * 10
        world.connect()
        await until(lambda: len(world.made) == 1)
        assert world.listener.calls == 12, "10 failures, the connection, nobody else there"
        assert lines(caplog) == [STOPPED + os.strerror(number), AGAIN]

    run(test)


def test_it_does_not_spin_while_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "RETRY", 1e6)

    async def test(world: World) -> None:
        world.listener.failing = errno.EMFILE
        world.connect()
        await until(lambda: world.listener.calls > 0)
        await turns(100)
        assert world.listener.calls == 1

    run(test)


def test_a_closed_connection_resumes_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(accepting, "RETRY", 1e6)

    async def test(world: World) -> None:
        first = world.connect()
        await until(lambda: len(world.made) == 1)
        world.listener.failing = errno.EMFILE
        world.connect()
        await until(lambda: STOPPED + os.strerror(errno.EMFILE) in lines(caplog))
        world.listener.failing = 0
        first.close()
        await until(lambda: len(world.made) == 2)
        assert lines(caplog)[1:] == [AGAIN]

    run(test)


def test_a_connection_that_failed_before_it_was_accepted_is_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(world: World) -> None:
        world.listener.errors = [errno.ECONNABORTED, errno.EPROTO]
        world.connect()
        await until(lambda: len(world.made) == 1)
        assert lines(caplog) == []

    run(test)


def test_close_ends_a_stopped_loop_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "RETRY", 0)

    async def test(world: World) -> None:
        world.listener.failing = errno.EMFILE
        world.connect()
        await until(lambda: world.listener.calls > 0)
        world.loop.connection_closed()
        world.loop.close()
        calls = world.listener.calls
        await turns(10)
        assert world.listener.calls == calls
        assert world.listener.closed

    run(test)


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_a_tls_connection_is_handed_over_after_its_handshake(
    tls: ssl.SSLContext, authority: trustme.CA
) -> None:
    async def test(world: World) -> None:
        client = ssl.create_default_context()
        authority.configure_trust(client)
        host, port = world.listener.real.getsockname()
        _, writer = await asyncio.open_connection(host, port, ssl=client)
        await until(lambda: len(world.made) == 1)
        assert world.made[0].get_extra_info("sslcontext") is tls
        writer.transport.abort()
        await until(lambda: world.lost == 1)

    run(test, tls=tls)


@pytest.mark.parametrize("sent", [b"", b"\1\0\0\0\0\4not TLS at all"])
def test_a_failed_handshake_is_one_line(
    tls: ssl.SSLContext, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(world: World) -> None:
        peer = world.connect()
        peer.sendall(sent)
        peer.shutdown(socket.SHUT_WR)
        await until(lambda: lines(caplog) != [])
        await turns(10)
        (said,) = lines(caplog)
        assert said.startswith("peer=127.0.0.1 TLS handshake failed: ")
        assert not any(record.exc_info for record in caplog.records)
        assert (world.made, world.protocols) == ([], 0)

    run(test, tls=tls)


def test_a_handshake_that_takes_too_long_is_ended(
    tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(world: World) -> None:
        peer = world.connect()
        peer.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(peer, 1) == b""
        assert len(lines(caplog)) == 1

    run(test, tls=tls, handshake_timeout=0.01)


def test_one_handshake_too_many_closes_the_one_that_began_first(
    tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(world: World) -> None:
        peers = [world.connect() for _ in range(5)]
        loop = asyncio.get_running_loop()
        for peer in peers:
            peer.setblocking(False)
        for peer in peers[:3]:
            assert await loop.sock_recv(peer, 1) == b""
        for peer in peers[3:]:
            with pytest.raises(BlockingIOError):
                peer.recv(1)
        assert lines(caplog) == [
            f"too many TLS handshakes: {number} closed so far, the oldest of 127.0.0.1 first"
            for number in (1, 2)  # and when that doubles
        ]

    run(test, tls=tls, max_handshakes=2)


# balancers


HEADER = b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 104\r\n"
HERE = Balancers(("127.0.0.1/32",))


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_balancer_names_the_peer_and_what_follows_is_left(size: int) -> None:
    async def test(world: World) -> None:
        peer = world.connect()
        for start in range(0, len(HEADER), size):
            peer.sendall(HEADER[start : start + size])
            await turns(3)
        peer.sendall(b"follows")
        await until(lambda: world.received == b"follows")
        assert world.sources == [("192.0.2.7", 50_000)]

    run(test, balancers=HERE)


def test_a_header_stands_in_front_of_the_tls_handshake(
    tls: ssl.SSLContext, authority: trustme.CA
) -> None:
    async def test(world: World) -> None:
        client = ssl.create_default_context()
        authority.configure_trust(client)
        peer = world.connect()
        peer.sendall(HEADER)
        peer.setblocking(False)
        _, writer = await asyncio.open_connection(
            sock=peer, ssl=client, server_hostname="127.0.0.1"
        )
        await until(lambda: len(world.made) == 1)
        assert world.made[0].get_extra_info("sslcontext") is tls
        assert world.sources == [("192.0.2.7", 50_000)]
        writer.transport.abort()
        await until(lambda: world.lost == 1)

    run(test, tls=tls, balancers=HERE)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"\1\0\0\0\0\x44", "it does not begin with a PROXY protocol header"),
        (HEADER[:-2], "it closed the connection within its PROXY protocol header"),
    ],
)
def test_a_balancer_without_a_header_is_refused_in_one_line(
    sent: bytes, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(world: World) -> None:
        peer = world.connect()
        peer.sendall(sent)
        peer.shutdown(socket.SHUT_WR)
        peer.setblocking(False)
        with suppress(ConnectionResetError):
            assert await asyncio.get_running_loop().sock_recv(peer, 1) == b""
        assert lines(caplog) == [f"peer=127.0.0.1 is in gateway.balancers, and refused: {why}"]
        assert world.protocols == 0

    run(test, balancers=HERE)


def test_a_balancer_that_sends_nothing_is_refused_after_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(world: World) -> None:
        peer = world.connect()
        peer.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(peer, 1) == b""
        (line,) = lines(caplog)
        assert line.endswith("it sends no PROXY protocol header")

    run(test, balancers=Balancers(("127.0.0.0/8",), timeout=0.01))


def test_a_balancer_that_only_connects_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def test(world: World) -> None:
        world.connect().close()
        await until(lambda: world.listener.calls > 0)
        await turns(20)
        assert lines(caplog) == []

    run(test, balancers=HERE)


@pytest.mark.parametrize("sent", [HEADER, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12)])
def test_a_header_of_another_in_front_of_tls_is_explained(
    tls: ssl.SSLContext, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(world: World) -> None:
        world.connect().sendall(sent)
        await until(lambda: lines(caplog) != [])
        (line,) = lines(caplog)
        assert "a balancer that sends a PROXY protocol header must be in gateway.balancers" in line

    run(test, tls=tls, balancers=Balancers(("192.0.2.0/24",)))
