"""Asks a running gateway through the socket `run/control` in its run directory.

A client sends one line of JSON, `{"do": "status"}`, and gets one line back. The socket is reached
through a descriptor of its directory, because the path of a Unix socket may not be longer than 107
bytes.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "control"
CLIENT_LIMIT = 5.0
"""Seconds that a client and the gateway wait for each other."""
REPLACE_LIMIT = 120.0
"""Seconds for a reload, restart or swap: workers are started, and others finish their work."""


def ask(run_dir: Path, what: str, limit: float = CLIENT_LIMIT, **more: str) -> dict[str, Any]:
    """Have the gateway of this run directory do something, and return what it says.

    `limit`: seconds to wait for the answer. `more` is what the order needs, as `name`.

    Raises GatewayError if it does not answer, as one that hangs.
    """
    try:
        with short_path(run_dir) as path, socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(limit)
            peer.connect(path)
            peer.sendall(json.dumps({"do": what, **more}).encode() + b"\n")
            with peer.makefile("rb") as stream:
                answer = json.loads(stream.readline())
    except (OSError, ValueError) as error:
        why = error.strerror or "no answer in time" if isinstance(error, OSError) else "no answer"
        raise GatewayError(f"the gateway at {run_dir.parent} does not answer: {why}") from None
    if not isinstance(answer, dict):
        raise GatewayError(f"the gateway at {run_dir.parent} does not answer: no object")
    return answer


@contextmanager
def short_path(run_dir: Path) -> Iterator[str]:
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
