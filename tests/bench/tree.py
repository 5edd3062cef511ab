"""The cost of a server: processor time and memory of its whole process tree."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.peers import procfs

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Of a tree at one moment."""

    cpu: float
    """Seconds so far, those of children that are gone included."""
    memory: int
    """Bytes, each shared page counted once (PSS), with each process at its own peak."""


def usage(root: int) -> Usage:
    stats = _stats()
    pids = _below(root, stats)
    return Usage(_cpu(pids, stats), sum(_peak(pid) for pid in pids))


def cpu(root: int) -> float:
    """Seconds that the tree took so far."""
    stats = _stats()
    return _cpu(_below(root, stats), stats)


def _cpu(pids: list[int], stats: dict[int, list[str]]) -> float:
    """A zombie still has its own time (utime, stime), a reaped child's is its parent's (cutime)."""
    seconds = 0.0
    for pid in pids:
        utime, stime, cutime, cstime = map(int, stats[pid][11:15])
        # What a hundred forked children took may be less than a tick of each.
        seconds += max((utime + stime) / _TICK, _scheduled(pid)) + (cutime + cstime) / _TICK
    return seconds


def _scheduled(pid: int) -> float:
    """Seconds of the threads that live, to the nanosecond; 0 where the kernel does not count."""
    total = 0
    with suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            with suppress(OSError, IndexError):
                total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def start_peaks(root: int) -> None:
    """Peaks count from now on."""
    for pid in _below(root, _stats()):
        with suppress(OSError):
            procfs.reset_peak(pid)


def _stats() -> dict[int, list[str]]:
    found = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                text = (entry / "stat").read_text()
                found[int(entry.name)] = text.rpartition(")")[2].split()
    return found


def _below(root: int, stats: dict[int, list[str]]) -> list[int]:
    """`root` and every process below it, zombies included."""
    children: dict[int, list[int]] = {}
    for pid, fields in stats.items():
        children.setdefault(int(fields[1]), []).append(pid)
    found, fresh = [], [root] if root in stats else []
    while fresh:
        found += fresh
        fresh = [child for pid in fresh for child in children.get(pid, ())]
    return found


def proportional(pid: int) -> int:
    """Bytes of a process, a share only of what it shares (PSS); 0 for one that is gone."""
    with suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _peak(pid: int) -> int:
    """Return the peak of private memory: shared memory hardly varies."""
    try:
        above = procfs.memory(pid, "VmHWM") - procfs.memory(pid)
    except (OSError, AssertionError):  # a zombie, or gone by now
        return 0
    return proportional(pid) + max(above, 0)


def proportional_of_tree(root: int) -> int:
    return sum(proportional(pid) for pid in _below(root, _stats()))
