"""A scripted child: its settings say what it does.

`options.script` is a list of steps; after the last one the child waits for SIGTERM (and leaves with
0) or for the end of its lifeline. It stands in for an acceptor or a worker in tests.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from typing import Any

from gateway import process


def main() -> int:
    told = signal_pipe()
    inherited = process.inherit()
    for step in script_of(inherited.settings):
        if (status := play(inherited, **step)) is not None:
            return status
    readable, _, _ = select.select([told, inherited.lifeline], [], [])
    return 0 if told in readable else 9


def script_of(settings: dict[str, Any]) -> list[dict[str, Any]]:
    return settings.get("script") or settings.get("options", {}).get("script") or [{"do": "ready"}]


def signal_pipe() -> int:
    """A descriptor that becomes readable at SIGTERM."""
    reader, writer = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(writer, b"!"))
    return reader


def play(inherited: process.Inherited, do: str, **how: Any) -> int | None:
    match do:
        case "ready":
            inherited.report(ready=True, **how)
        case "report":
            inherited.report(**how)
        case "leave":
            return int(how["status"])
        case "leave once":  # then never again: the file remembers
            if not os.path.exists(how["file"]):
                open(how["file"], "x").close()
                return int(how["status"])
        case "tell":
            inherited.report(
                name=inherited.name,
                settings=inherited.settings,
                argv=sys.argv,
                cwd=os.getcwd(),
                path=sys.path,
                session=os.getsid(0),
                inheritable=[fd for fd in range(3, 64) if inheritable(fd)],
            )
        case "accept":
            listener = socket.socket(fileno=inherited.fds["listen"])
            peer, _ = listener.accept()
            peer.sendall(inherited.name.encode())
            peer.close()
        case "deaf":  # to SIGTERM
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        case "stuck":  # also to the lifeline
            inherited.report(ready=True)
            while True:
                time.sleep(60)
        case _:
            raise AssertionError(do)
    return None


def inheritable(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
