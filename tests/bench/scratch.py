"""Folders on one disk for all servers, such that none pays for what the one before left."""

from __future__ import annotations

import atexit
import fcntl
import itertools
import mmap
import os
import shutil
import statistics
import struct
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.peers import instances

if TYPE_CHECKING:
    from collections.abc import Iterator

_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602
_TOP_OF_TREES = 0x00020000
"""FS_TOPDIR_FL of ext2 and its successors."""

_PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS

_WHOLE = 64 * 1024 * 1024
"""Data sets up to here are made in memory."""

_HANDS = 32

_PLACES, _PROBES = 5, 100
_DEAR = 50e-6
_PAUSE = 10.0
_FORGOTTEN = 400.0
"""Seconds: longer than ext4 remembers a deleted inode."""


@dataclass(frozen=True)
class Prepared:
    """A data set as a file, and the UID in it that the sender replaces."""

    path: Path
    uid: str
    size: int
    """Of its pixels, as asked for."""


class Scratch:
    """One place for all files of a bench; `folder` gives each server a fresh part of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._numbers = itertools.count()
        self._prepared: dict[int, Prepared] = {}
        _spread(path)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        path = self.path / str(next(self._numbers))
        path.mkdir()
        try:
            yield path
        finally:
            _empty(path)

    def prepared(self, size: int) -> Prepared:
        """A CT instance with `size` bytes of pixels; made once."""
        if size not in self._prepared:
            path = self.path / f"data-set-{size}"
            if size <= _WHOLE:
                one = instances.make(size=size)
                uid, pieces = one.uid, iter([one.data_set])
            else:
                uid, pieces, _ = instances.big_ct(size)
            with path.open("wb") as file:
                file.writelines(pieces)
            self._prepared[size] = Prepared(path, uid, size)
        return self._prepared[size]


@contextmanager
def scratch() -> Iterator[Scratch]:
    """Its path is so short that the sockets of a gateway fit below it.

    Its files are emptied at the end, and deleted when the program ends: see `_spread`.
    """
    path = Path(tempfile.mkdtemp(prefix="gb-", dir="/tmp"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    try:
        yield Scratch(path)
    finally:
        _empty(path)


def _empty(folder: Path) -> None:
    """To free a block that was written may take a virtual disk a millisecond: many at once."""
    files = (os.path.join(where, name) for where, _, names in os.walk(folder) for name in names)
    with ThreadPoolExecutor(_HANDS) as pool:
        for file in files:
            pool.submit(os.truncate, file, 0)


def settle(volume: int = 0) -> None:
    """Let no server pay for the dirty pages of the one before it.

    Nor for memory that is not there yet: `volume` bytes are touched and freed again. A virtual
    machine may give free memory back to its host, and then pays for the first touch of each page
    ten times what it takes to write one to a file; it would depend on chance which server does.
    """
    os.sync()
    if volume:
        with mmap.mmap(-1, min(volume, _free_memory() // 2), flags=_PRIVATE) as memory:
            if hasattr(mmap, "MADV_HUGEPAGE"):  # large blocks are what is given back
                memory.madvise(mmap.MADV_HUGEPAGE)
            for page in range(0, len(memory), mmap.PAGESIZE):
                memory[page] = 1


def _free_memory() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * mmap.PAGESIZE


def wait_for_speed() -> None:
    """Wait while a new file costs many times what it should; see `_spread`."""
    until = time.monotonic() + _FORGOTTEN
    with scratch() as place:
        for number in itertools.count():
            cost = _cost_of_a_file(place.path, f"{number}")
            if cost < _DEAR or time.monotonic() > until:
                break
            if not number:
                print(
                    f"a new file costs {cost * 1e6:.0f} us of processor time, because files were"
                    f" deleted lately: waiting until it costs less than {_DEAR * 1e6:.0f}, at most"
                    f" {_FORGOTTEN:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
            time.sleep(_PAUSE)


def _cost_of_a_file(path: Path, name: str) -> float:
    """Return the median of folders that lie apart, in seconds of processor time."""
    costs = []
    for place in range(_PLACES):
        folder = path / f"{name}-{place}"
        folder.mkdir()
        before = time.thread_time()
        for number in range(_PROBES):
            (folder / f"{number}").touch()
        costs.append((time.thread_time() - before) / _PROBES)
    return statistics.median(costs)


def _spread(path: Path) -> None:
    """Have the file system put the folders of `path` far from each other.

    ext4 takes the inode of a file from the neighbourhood of its folder, and steps over each inode
    that was deleted there within the last five minutes, one by one (`recently_deleted` in a
    profile of the kernel). A server in the place where the files of another one have just been
    deleted would create files at a fraction of its speed: 8 KB are stored at a quarter.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # another file system has no such flag, and no such need
            got = fcntl.ioctl(descriptor, _GET_FLAGS, struct.pack("l", 0))
            flags = struct.unpack("l", got)[0] | _TOP_OF_TREES
            fcntl.ioctl(descriptor, _SET_FLAGS, struct.pack("l", flags))
    finally:
        os.close(descriptor)
