"""A part of a core for each host, as if it ran on a small machine of its own (Linux's cgroups)."""

from __future__ import annotations

import itertools
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.programs import AbsentError
from tests.peers import procfs

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path("/sys/fs/cgroup")
_PERIOD = 10_000
"""Microseconds: short beside the time that an answer takes, so that no pause is seen in it."""
_numbers = itertools.count()


@contextmanager
def limited(root: int, cores: float) -> Iterator[None]:
    """Let the process and all below it have together so much processor time; 0: no limit.

    Raises AbsentError where a group cannot be made.
    """
    if not cores:
        yield
        return
    first = (_ROOT / "cpu/cgroup.procs").exists()
    group = (_ROOT / "cpu" if first else _ROOT) / f"bench-{os.getpid()}-{next(_numbers)}"
    quota = int(cores * _PERIOD)
    try:
        group.mkdir()
        if first:
            (group / "cpu.cfs_period_us").write_text(f"{_PERIOD}")
            (group / "cpu.cfs_quota_us").write_text(f"{quota}")
        else:
            (group / "cpu.max").write_text(f"{quota} {_PERIOD}")
        for pid in [root, *procfs.descendants(root)]:
            (group / "cgroup.procs").write_text(f"{pid}")
    except OSError as error:
        raise AbsentError(f"no control group of cpu can be made: {error}") from None
    try:
        yield
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            (group.parent / "cgroup.procs").write_text(pid)
        group.rmdir()
