"""Attach strace to a running process to record its system calls or make some of them fail."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.patience import PATIENCE
from tests.peers import procfs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CALL = re.compile(r"(\d+)\s+(\w+)\((.*)")


class Point(NamedTuple):
    """The `nth` call of this name that any thread makes; 0: each of them."""

    call: str
    nth: int

    @property
    def when(self) -> str:
        return f"when={self.nth or '1+'}"

    def __str__(self) -> str:
        return f"{self.call} {self.nth or 'each'}"


def works() -> bool:
    """Return whether strace is installed and permitted."""
    if shutil.which("strace") is None:
        return False
    probe = ["strace", "-e", "inject=getppid:error=EIO", "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@contextmanager
def attached(pid: int, *options: str) -> Iterator[None]:
    """Trace a process with its present and future threads; what is injected may end it at once."""
    command = ["strace", "-qq", "-f", "-p", str(pid), *options]
    if "-o" not in options:
        command += ["-o", "/dev/null"]
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        procfs.until(
            lambda: tracer.poll() is not None or _is_traced(pid, tracer.pid),
            what="strace on a process",
            every=0.002,
        )
        ended = tracer.poll()
        if ended:
            raise AssertionError(f"strace: {tracer.communicate()[1].decode(errors='replace')}")
        if ended is not None:
            procfs.until(lambda: not procfs.alive(pid), what="the end of a process")
        yield
    finally:
        _detach(tracer, pid)


def _detach(tracer: subprocess.Popen[bytes], pid: int) -> None:
    """End strace. Version 6.1 may hang if it gets SIGTERM just when its process dies."""
    if procfs.alive(pid):
        tracer.terminate()
    try:
        tracer.communicate(timeout=1 * PATIENCE)
    except subprocess.TimeoutExpired:
        tracer.kill()
        tracer.communicate()


def _is_traced(pid: int, tracer: int) -> bool:
    wanted = f"TracerPid:\t{tracer}\n"
    try:
        return all(
            wanted in (task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()
        )
    except (FileNotFoundError, ProcessLookupError):
        return False


def among(calls: Sequence[str]) -> str:
    """Return an argument of `-e trace=` that ignores calls which this machine lacks."""
    return ",".join(f"?{call}" for call in calls)


def points_between_marks(log: str, calls: Sequence[str] = ()) -> list[Point]:
    """Return the calls between those that name the files /begin and /end.

    The log is one of `-f`. Each call is counted from the start of the process; with `calls` only
    these are returned.
    """
    count: Counter[str] = Counter()
    found: list[Point] = []
    inside = False
    for line in log.splitlines():
        if call := _CALL.match(line):
            name = call[2]
            count[name] += 1
            if '"/end"' in line:
                break
            if inside and (not calls or name in calls):
                found.append(Point(name, count[name]))
            inside = inside or '"/begin"' in line
    return found


def points(log: str, below: Path | None = None) -> list[Point]:
    """Return every (call, nth) that a thread reached, in order; `below`: only on files in a folder.

    The log is one of `-f -y`. strace counts for each thread by itself.
    """
    count: Counter[tuple[str, str]] = Counter()
    found: dict[Point, None] = {}
    for line in log.splitlines():
        if call := _CALL.match(line):
            thread, name, arguments = call.groups()
            count[thread, name] += 1
            if below is None or str(below) in arguments:
                found[Point(name, count[thread, name])] = None
    return list(found)
