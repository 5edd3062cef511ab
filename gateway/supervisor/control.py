"""The socket `run/control`, on which a running gateway says how it is and takes commands.

A client sends one line of JSON, `{"do": "status"}`, and gets one line back. The socket is in the
run directory, which belongs to one user. It is reached through a descriptor of that directory,
because the path of a Unix socket may not be longer than 107 bytes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = "control"
CLIENT_LIMIT = 5.0
"""Seconds that a client and the gateway wait for each other."""
_LONGEST = 4096

_log = logging.getLogger("gateway.supervisor")


class ControlSocket:
    """Answers clients with what `answer` returns for their request."""

    def __init__(self, run_dir: Path, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._run_dir = run_dir
        self._answer = answer
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen, in place of a predecessor; a gateway works without, if that is not possible."""
        await self.close()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            with _short(self._run_dir) as path:
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
        with suppress(OSError, ValueError, TimeoutError):
            async with asyncio.timeout(CLIENT_LIMIT):
                asked = json.loads(await reader.readline())
                if isinstance(asked, dict):
                    writer.write(json.dumps(self._answer(asked), default=str).encode() + b"\n")
                    await writer.drain()
        writer.close()


def ask(run_dir: Path, what: str) -> dict[str, Any]:
    """Have the gateway of this run directory do something, and return what it says.

    Raises GatewayError if it does not answer, as one that hangs.
    """
    try:
        with _short(run_dir) as path, socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(CLIENT_LIMIT)
            peer.connect(path)
            peer.sendall(json.dumps({"do": what}).encode() + b"\n")
            with peer.makefile("rb") as stream:
                answer = json.loads(stream.readline())
    except (OSError, ValueError) as error:
        why = error.strerror or "no answer in time" if isinstance(error, OSError) else "no answer"
        raise GatewayError(f"the gateway at {run_dir.parent} does not answer: {why}") from None
    if not isinstance(answer, dict):
        raise GatewayError(f"the gateway at {run_dir.parent} does not answer: no object")
    return answer


@contextmanager
def _short(run_dir: Path) -> Iterator[str]:
    """Give a path of the socket that is short enough, however long the directory's is.

    Without Linux's /proc it is the path itself, which then must be short.
    """
    if not os.path.isdir("/proc/self/fd"):
        yield str(run_dir / NAME)
        return
    directory = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{NAME}"
    finally:
        os.close(directory)
