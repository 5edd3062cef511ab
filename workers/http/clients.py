"""The connections of an HTTP server: each has to make progress, and none keeps the others out.

uvicorn waits for ever for a request that does not come, for the rest of a body, and for a client
that does not read, and refuses everybody once there are too many connections. Here a request has to
arrive within `HEAD_WITHIN`, bodies and responses pass at `LEAST_RATE` at least (while this side
reads, and has something to send), and when there are too many connections, or requests at a time,
the address that has most of them gives way.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import h11
from starlette.responses import PlainTextResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.listening.waiting import WaitingConnections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send
    from uvicorn import Config
    from uvicorn.server import ServerState

HEAD_WITHIN = 15.0
"""Seconds for the first line and the headers of a request, from the connection or the first byte;
also for the rest of a body that nobody wants, after the response."""
LEAST_RATE = 1024
"""Bytes a second of a body or a response that have to pass, on the average of `RATE_PERIOD`."""
RATE_PERIOD = 20.0
WAITING = 256
"""Connections at a time on which no request is being answered."""
REQUESTS = 256
"""Requests that are being answered at a time."""
LOOK = 1.0
"""Seconds between two searches for connections that make no progress."""

log = logging.getLogger("workers.http")


class Clients:
    """All connections of a server."""

    def __init__(self, closed: Callable[[], None]) -> None:
        """`closed` is called when a connection has been closed."""
        self._loop = asyncio.get_running_loop()
        self._closed = closed
        self._waiting = WaitingConnections(WAITING, "HTTP connections without a request")
        self._answering = WaitingConnections(REQUESTS, "HTTP requests")
        self._open: set[ClientConnection] = set()
        self._search = self._loop.call_later(LOOK, self._look)

    def opened(self, connection: ClientConnection) -> None:
        self._open.add(connection)
        self._waiting.add(connection, connection.address, connection.drop)

    def closed(self, connection: ClientConnection) -> None:
        self._open.discard(connection)
        self._waiting.remove(connection)
        self._answering.remove(connection)
        self._closed()

    @contextmanager
    def answering(self, connection: ClientConnection) -> Iterator[bool]:
        """Count a request that is answered in this block; yields whether there is room for it."""
        has_room = self._answering.make_room(connection.address)
        self._waiting.remove(connection)
        if has_room:
            self._answering.add(connection, connection.address, connection.drop)
        try:
            yield has_room
        finally:
            self._answering.remove(connection)
            if connection in self._open:
                self._waiting.add(connection, connection.address, connection.drop)

    def stop(self) -> None:
        """Look no more."""
        self._search.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        for connection in tuple(self._open):
            if why := connection.overdue(now):
                log.warning("peer=%s closed: %s", connection.address, why)
                connection.drop()
        self._search = self._loop.call_later(LOOK, self._look)


class _LeastRate:
    """Whether bytes pass at the least rate."""

    def __init__(self) -> None:
        self._mark: tuple[float, int] | None = None

    def restart(self) -> None:
        self._mark = None

    def is_too_slow(self, now: float, passed: int) -> bool:
        """Return whether too few bytes have passed since an earlier call; `passed`: in all."""
        if self._mark is None:
            self._mark = now, passed
        elapsed, came = now - self._mark[0], passed - self._mark[1]
        if elapsed < RATE_PERIOD:
            return False
        self._mark = now, passed
        return came < LEAST_RATE * elapsed


class ClientConnection(H11Protocol):
    """A connection of a client: uvicorn's, with limits."""

    def __init__(self, clients: Clients, config: Config, state: ServerState) -> None:
        super().__init__(config, state, {})
        self.address = "?"
        self._clients = clients
        self._asgi = cast("ASGIApp", self.app)
        self.app = cast("Any", self._answer)
        self._since: float | None = self.loop.time()
        """When a request began, or was expected; None: nothing has come since the response."""
        self._is_answering = False
        self._received = 0
        self._body, self._response = _LeastRate(), _LeastRate()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is not None:
            self.address = self.client[0]
        self._clients.opened(self)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._since is None:
            self._since = self.loop.time()
        super().data_received(data)

    def resume_writing(self) -> None:
        self._response.restart()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._clients.closed(self)

    def drop(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def overdue(self, now: float) -> str:
        """Return why the connection is to be closed; empty: it makes progress."""
        if self._is_unread(now):
            return "it does not read what is sent to it"
        if self._is_answering and self._is_body_too_slow(now):
            return f"less than {LEAST_RATE} bytes/s of a body came"
        since = self._since
        if not self._is_answering and since is not None and now - since > HEAD_WITHIN:
            return f"no whole request came in {HEAD_WITHIN:g} s"
        return ""

    def _is_unread(self, now: float) -> bool:
        """Return whether the client reads too slowly what waits to be sent."""
        unsent = self.transport.get_write_buffer_size()
        is_all = self.flow.write_paused or not self._is_answering  # nothing is added to it
        if not unsent or not is_all:
            self._response.restart()
            return False
        return self._response.is_too_slow(now, -unsent)

    def _is_body_too_slow(self, now: float) -> bool:
        is_awaited = self.conn.their_state is h11.SEND_BODY
        is_asked = not (self.flow.read_paused or self.cycle.waiting_for_100_continue)
        if not (is_awaited and is_asked):
            self._body.restart()
            return False
        return self._body.is_too_slow(now, self._received)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._is_answering = True
        try:
            with self._clients.answering(self) as has_room:
                await (self._asgi if has_room else _too_many)(scope, receive, send)
        finally:
            self._is_answering = False
            is_whole = self.conn.their_state is not h11.SEND_BODY
            self._since = None if is_whole else self.loop.time()


_too_many = PlainTextResponse(
    "too many requests are being answered\n", 503, {"Connection": "close", "Retry-After": "5"}
)
