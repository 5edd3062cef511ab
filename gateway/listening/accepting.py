"""The accept loop: take connections from the listening socket, stop while descriptors are short.

`loop.create_server` is not used because of what it does at EMFILE: it goes on to accept as often as
the backlog is long, logs a traceback each time, and does so again every second. A process that is
short of descriptors then spends its time in the log, and so do the associations it has. Here the
first failure stops the loop. It tries again when a connection was closed, and every `RETRY`
seconds, since other descriptors are given back too; it logs one line when it stops and one when it
has caught up.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from functools import partial
from typing import TYPE_CHECKING, cast

from gateway.listening.balancers import Balancers
from gateway.listening.proxy_header import ProxyHeaderError
from gateway.listening.waiting import WaitingConnections
from gateway.memory import give_back_memory
from gateway.tls_words import NOT_TLS, explain_handshake

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

log = logging.getLogger("gateway.listening")

ACCEPTS_A_TURN = 64
"""Connections taken from the listening socket in a turn of the event loop."""

OPENS_A_TURN = 4
"""Connections that become associations, or begin a TLS handshake, in a turn: each takes part of a
millisecond, and so does what it sends, so that a flood does not starve open associations."""

NEWCOMERS = 1024
"""Connections that wait to be opened; one more closes the oldest of the address with most."""

MAX_HANDSHAKES = 128
"""TLS handshakes at once; each has 300 KB. One more closes the oldest of the address with most."""

MANY_HANDSHAKES = 32
"""After so many at once, memory is given back to the system when all are over."""

RETRY = 0.25
"""Seconds after which a stopped loop tries again."""

_PERHAPS_A_BALANCER = "; a balancer that sends a PROXY protocol header must be in gateway.balancers"

_OF_THE_CONNECTION = frozenset(
    {
        *(errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.ENOPROTOOPT, errno.EOPNOTSUPP),
        *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH),
    }
)
"""Errors of accept(2) that concern one connection only; the next one may succeed."""


class _AfterHandshake(asyncio.Protocol):
    """Stands for the protocol of a connection until its TLS handshake is complete.

    Thousands of handshakes may begin and never end. What asyncio makes for one is freed as soon as
    the connection is closed; an association is made of objects that refer to each other, and such
    objects wait for the garbage collector, which then stops everything for a long moment.
    """

    def __init__(self, make: Callable[[], asyncio.BaseProtocol]) -> None:
        self._make = make

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        protocol = self._make()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


class AcceptLoop:
    """Accepts the connections of a listening socket and makes a protocol for each.

    `protocol_factory` is called with address and port of the peer if a balancer named them, else
    with None. `origin` returns the address to count a peer's by, when there are too many
    handshakes.
    """

    def __init__(
        self,
        listener: socket.socket,
        protocol_factory: Callable[[tuple[str, int] | None], asyncio.BaseProtocol],
        *,
        origin: Callable[[str], str] = str,
        max_handshakes: int = MAX_HANDSHAKES,
    ) -> None:
        self._listener = listener
        self._protocol_factory = protocol_factory
        self.use(None)
        self._origin = origin
        self.tls_failed: Callable[[str, str], None] | None = None
        """Called with the address of a peer whose TLS handshake failed, and the reason."""
        self._loop = asyncio.get_running_loop()
        self._newcomers = WaitingConnections(NEWCOMERS, "new connections")
        self._opens: asyncio.Handle | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self._handshakes = WaitingConnections(max_handshakes, "TLS handshakes")
        self._headers = WaitingConnections(NEWCOMERS, "connections without a PROXY protocol header")
        self._had_many = False
        self._retry: asyncio.Handle | None = None
        self._is_short = False

    def use(
        self,
        tls: ssl.SSLContext | None,
        handshake_timeout: float | None = None,
        balancers: Balancers | None = None,
    ) -> None:
        """Open connections with this TLS context from now on, or without TLS.

        `handshake_timeout` is in seconds. The connections of `balancers` begin with a header of the
        PROXY protocol, in front of TLS.
        """
        self._tls = tls
        self._balancers = balancers or Balancers()
        self._handshake_timeout = handshake_timeout if tls is not None else None

    def start(self) -> None:
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept_some)

    def close(self) -> None:
        """Stop for good; connections in a handshake are closed, and so is the listening socket."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._opens is not None:
            self._opens.cancel()
        self._loop.remove_reader(self._listener)
        while self._newcomers:
            self._newcomers.take().close()
        for task in tuple(self._opening):
            task.cancel()
        self._listener.close()

    def connection_closed(self) -> None:
        """Try again, if the loop has stopped, in the next turn: the descriptor is free by then."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = self._loop.call_soon(self._try_again)

    def _accept_some(self) -> None:
        for _ in range(ACCEPTS_A_TURN):
            try:
                connection, peer = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                self._caught_up()
                break
            except OSError as error:
                if error.errno in _OF_THE_CONNECTION:
                    continue
                self._stop(error.strerror or str(error))
                break
            except MemoryError:
                self._stop("out of memory")
                break
            address = self._origin(str(peer[0])) if peer else ""
            self._newcomers.add(connection, address, connection.close)
        if self._opens is None:
            self._open_some()

    def _open_some(self) -> None:
        """Open some of the connections that were accepted, one of each address in turn."""
        self._opens = None
        for _ in range(OPENS_A_TURN):
            if not self._newcomers:
                return
            self._open(self._newcomers.take())
        if self._newcomers:
            self._opens = self._loop.call_soon(self._open_some)

    def _stop(self, why: str) -> None:
        self._loop.remove_reader(self._listener)
        self._retry = self._loop.call_later(RETRY, self._try_again)
        if not self._is_short:
            self._is_short = True
            log.warning("no connections can be accepted, new ones have to wait: %s", why)

    def _try_again(self) -> None:
        self._retry = None
        self._loop.add_reader(self._listener, self._accept_some)
        self._accept_some()

    def _caught_up(self) -> None:
        if self._is_short:
            self._is_short = False
            log.info("connections are accepted again")

    def _open(self, connection: socket.socket) -> None:
        try:
            peer = str(connection.getpeername()[0])
        except (OSError, IndexError):  # it is gone already, or has no address
            peer = ""
        task = self._loop.create_task(self._connect(connection, peer))
        self._opening.add(task)
        task.add_done_callback(partial(self._opened, connection))
        if self._balancers.include(peer):
            self._headers.add(task, self._origin(peer), task.cancel)
        else:
            self._begin_handshake(task, peer)

    def _begin_handshake(self, task: asyncio.Task[None], peer: str) -> None:
        """Count a handshake that is about to begin."""
        if self._tls is not None:
            self._handshakes.add(task, self._origin(peer), task.cancel)
            self._had_many = self._had_many or len(self._handshakes) > MANY_HANDSHAKES

    def _opened(self, connection: socket.socket, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        self._headers.remove(task)
        self._handshakes.remove(task)
        if self._had_many and not self._handshakes:
            self._had_many = False
            self._loop.call_later(RETRY, give_back_memory)  # once the buffers are gone
        if task.cancelled():  # perhaps before it ran, and then nothing else closes this
            connection.close()

    async def _connect(self, connection: socket.socket, peer: str) -> None:
        source = None
        if self._balancers.include(peer):
            try:
                source = await self._balancers.source(connection)
            except (ProxyHeaderError, OSError) as error:  # OSError: the connection is gone
                if isinstance(error, ProxyHeaderError):
                    log.warning("peer=%s is in gateway.balancers, and refused: %s", peer, error)
                connection.close()
                self.connection_closed()
                return
            task = cast("asyncio.Task[None]", asyncio.current_task())
            self._headers.remove(task)
            peer = source[0] if source else peer
            self._begin_handshake(task, peer)
        await self._hand_over(connection, peer, partial(self._protocol_factory, source))

    async def _hand_over(
        self, connection: socket.socket, peer: str, make: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        try:
            await self._loop.connect_accepted_socket(
                make if self._tls is None else partial(_AfterHandshake, make),
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=self._handshake_timeout,
            )
        except OSError as error:
            text = explain_handshake(error)
            hint = _PERHAPS_A_BALANCER if text.startswith(NOT_TLS) else ""
            log.warning("peer=%s TLS handshake failed: %s%s", peer, text, hint)
            if self.tls_failed is not None:
                self.tls_failed(peer, text)
            self.connection_closed()
