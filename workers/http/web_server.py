"""An HTTP server in a thread: uvicorn on a socket that is bound and accepted from here.

The socket is bound before uvicorn starts, so that an address that is taken is noticed where it can
be told, and port 0 is known at once. What clients may take is limited in `clients`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from typing import TYPE_CHECKING

import uvicorn

from gateway.listening.accepting import AcceptLoop
from workers.http.clients import ClientConnection, Clients

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator

    from starlette.types import ASGIApp

BACKLOG = 128
START_LIMIT = 10.0
"""Seconds within which uvicorn begins to serve."""
_STOP_LIMIT = 5.0
HANDSHAKE_WITHIN = 10.0
"""Seconds for a TLS handshake."""

_log = logging.getLogger("workers.http")


class WebServer:
    """Serves an application at an address; `tls` returns the context of each new connection."""

    def __init__(
        self, app: ASGIApp, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> None:
        self._listener = _listen(host, port)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,
            ws="none",
            http="h11",
            loop="asyncio",
        )
        config.load()
        config.ssl = tls
        self._server = _Uvicorn(config, self._listener)
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def start(self) -> None:
        """Serve, from now on, in a thread of its own."""
        self._thread.start()
        self._server.serving.wait(START_LIMIT)

    def stop(self) -> None:
        """Close the connections and end the thread."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_STOP_LIMIT)
        self._listener.close()

    def call(self, function: Callable[[], object]) -> None:
        """Call a function on the server's event loop; nothing happens once it has ended."""
        loop = self._server.loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(function)

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve(sockets=[]))
        except Exception:  # a bug: the rest of the worker goes on, and clients are refused
            _log.exception("the web server failed")
            self._listener.close()


class _Uvicorn(uvicorn.Server):
    """uvicorn with an accept loop and connections that have limits, and without signal handlers."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self.serving = threading.Event()
        """Set once it serves."""
        self.loop: asyncio.AbstractEventLoop | None = None
        self._listener = listener
        self._accepting: AcceptLoop | None = None
        self._clients: Clients | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)
        config, state = self.config, self.server_state
        accepting = AcceptLoop(
            self._listener, lambda _source: ClientConnection(clients, config, state)
        )
        clients = Clients(accepting.connection_closed)
        accepting.use(config.ssl, HANDSHAKE_WITHIN)
        accepting.start()
        self._accepting, self._clients = accepting, clients
        self.serving.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._accepting is not None and self._clients is not None:
            self._accepting.close()
            self._clients.stop()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    """Return a bound socket; raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its number, asyncio sets TCP_NODELAY on the connections: responses go out at once.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
