"""The socket `run/control`, on which a running gateway says how it is and takes commands.

It is in the run directory, which belongs to one user; `gateway.control_client` is its other end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gateway.control_client import CLIENT_LIMIT, NAME, short_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

_LONGEST = 4096

_log = logging.getLogger("gateway.supervisor")


class ControlSocket:
    """Answers clients with what `answer` returns for their request."""

    def __init__(
        self, run_dir: Path, answer: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
    ) -> None:
        self._run_dir = run_dir
        self._answer = answer
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen, in place of a predecessor; a gateway works without, if that is not possible."""
        await self.close()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            with short_path(self._run_dir) as path:
                with suppress(FileNotFoundError):
                    os.unlink(path)
                listener.bind(path)
                os.chmod(path, 0o600)
            self._server = await asyncio.start_unix_server(
                self._serve, sock=listener, limit=_LONGEST
            )
        except OSError as error:
            listener.close()
            _log.warning("path=%s/%s not opened: %s", self._run_dir, NAME, error.strerror)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
            with suppress(OSError):
                os.unlink(self._run_dir / NAME)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, TimeoutError, RecursionError):
            async with asyncio.timeout(CLIENT_LIMIT):
                asked = json.loads(await reader.readline())
            if isinstance(asked, dict):
                answer = await self._answer(asked)
                async with asyncio.timeout(CLIENT_LIMIT):
                    writer.write(json.dumps(answer, default=str).encode() + b"\n")
                    await writer.drain()
        writer.close()
