"""A scripted child: its settings say what it does.

`script` (for a worker: among its options; for an acceptor: in the environment) is a list of steps;
after the last one the child waits for SIGTERM, and leaves with 0, or for the end of its lifeline.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from gateway import process

_TOLD: list[int] = []
"""Not empty after SIGTERM."""
_BEAT = 0.5 if "ACCEPTOR_SCRIPT" in os.environ else None
"""Seconds between two signs of life of a gateway's child, which a status demands. A test that reads
the reports of a child itself gets those of its script alone."""
_FACTS: dict[str, Any] = {}
"""What the script said in a sign of life; it stays true."""


def main() -> int:
    told = signal_pipe()
    inherited = process.inherit()
    for step in script_of(inherited.settings):
        if (status := play(inherited, **step)) is not None:
            return status
    return stay(inherited, told)


def stay(inherited: process.Inherited, told: int) -> int:
    """Wait for SIGTERM; send the own name to whoever connects."""
    listeners = []
    if "listen" in inherited.fds:
        listeners.append(socket.socket(fileno=inherited.fds["listen"]))
    while True:
        readable, _, _ = select.select([told, inherited.lifeline, *listeners], [], [], _BEAT)
        if not readable:
            inherited.beat(beat=_FACTS)
            continue
        if told in readable:
            return 0
        if inherited.lifeline in readable:
            if inherited.read_orders() is None:
                return 9
            continue
        peer, _ = listeners[0].accept()
        peer.sendall(inherited.name.encode())
        peer.close()


def script_of(settings: dict[str, Any]) -> list[dict[str, Any]]:
    if "ae_title" in settings and "ACCEPTOR_SCRIPT" in os.environ:
        return json.loads(os.environ["ACCEPTOR_SCRIPT"])
    return settings.get("script") or settings.get("options", {}).get("script") or [{"do": "ready"}]


def signal_pipe() -> int:
    """A descriptor that becomes readable at SIGTERM."""
    reader, writer = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: (_TOLD.append(1), os.write(writer, b"!")))
    return reader


def play(inherited: process.Inherited, do: str, **how: Any) -> int | None:
    match do:
        case "ready":
            inherited.report(ready=True, **how)
        case "report":
            _FACTS.update(how.get("beat", {}))
            inherited.report(**how)
        case "beat":  # until there is a file, or the child is to leave
            while not os.path.exists(how["file"]) and os.getppid() != 1:
                inherited.beat(beat=how["facts"])
                if select.select([inherited.lifeline], [], [], 0.2)[0] or _TOLD:
                    return 0
        case "leave":
            return int(how["status"])
        case "wait":  # for the test to make a file
            while not os.path.exists(how["file"]):
                select.select((), (), (), 0.01)
        case "leave once":  # the file records that it has left
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
        case "write":  # its settings, for the test to read
            Path(how["folder"], f"{inherited.name}.json").write_text(json.dumps(inherited.settings))
        case "say":  # on standard output, which is the supervisor's
            print(how["text"], flush=True)
        case "note end":  # at SIGTERM, to record the order of endings
            signal.signal(signal.SIGTERM, lambda *_: note_end(how["file"], inherited.name))
        case "deaf":  # to SIGTERM
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        case "stuck":  # also to the lifeline
            inherited.report(ready=True)
            while True:
                time.sleep(60)
        case _:
            raise AssertionError(do)
    return None


def note_end(file: str, name: str) -> None:
    with open(file, "a") as ends:
        ends.write(f"{name}\n")
    os._exit(0)


def inheritable(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
