"""Facts about processes from Linux: children, command lines, memory, CPU time, descriptors."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tests.patience import WALL

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")
_PROC = Path("/proc")


def until(
    probe: Callable[[], Value], *, what: str, timeout: float = WALL, every: float = 0.01
) -> Value:
    """The first true value of `probe`; AssertionError that names `what` when time is over."""
    end = time.monotonic() + timeout
    while True:
        if value := probe():
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {timeout} s: {what}")
        select.select((), (), (), every)


def _stat(pid: int) -> list[str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def alive(pid: int) -> bool:
    """False for a process that is gone or a zombie."""
    fields = _stat(pid)
    return fields is not None and fields[0] not in "ZX"


def state(pid: int) -> str:
    """The letter for a process's state (R, S, D, T, Z, ...); empty if it is gone."""
    fields = _stat(pid)
    return fields[0] if fields else ""


def command_line(pid: int) -> str:
    try:
        raw = (_PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()


def descendants(pid: int) -> set[int]:
    """Every living process below `pid`."""
    parents: dict[int, int] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) and fields[0] not in "ZX":
            parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    fresh = {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def find_child(root: int, name: str) -> int | None:
    """The descendant of `root` whose command line ends in the word `name`."""
    for pid in sorted(descendants(root)):
        if name in command_line(pid).split():
            return pid
    return None


def cpu_seconds(pid: int) -> float:
    """User and system time spent by `pid` so far."""
    fields = _stat(pid)
    assert fields is not None, f"process {pid} is gone"
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int, field: str = "VmRSS") -> int:
    """Resident bytes of `pid`; `VmHWM` for its peak."""
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no {field}")


def descriptors(pid: int) -> dict[int, str]:
    """The open descriptors of `pid` and what they point at."""
    out = {}
    for entry in (_PROC / str(pid) / "fd").iterdir():
        try:
            out[int(entry.name)] = os.readlink(entry)
        except FileNotFoundError:
            continue
    return out


def wait_gone(pids: set[int] | list[int], *, timeout: float = WALL) -> set[int]:
    """Return those of `pids` that are still alive after the wait."""
    left = {pid for pid in pids if alive(pid)}
    end = time.monotonic() + timeout
    while left and time.monotonic() < end:
        select.select((), (), (), 0.01)
        left = {pid for pid in left if alive(pid)}
    return left


def reset_peak(pid: int) -> None:
    """Start a new peak of resident memory (`VmHWM`)."""
    (_PROC / str(pid) / "clear_refs").write_text("5")
