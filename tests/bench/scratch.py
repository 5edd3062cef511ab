"""Folders on one disk for all servers, such that none pays for what the one before left."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import struct
import tempfile
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

_WHOLE = 64 * 1024 * 1024
"""Data sets up to here are made in memory."""

_HANDS = 32


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
            delete(path)

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
    """Its path is so short that the sockets of a gateway fit below it."""
    path = Path(tempfile.mkdtemp(prefix="gb-", dir="/tmp"))
    try:
        yield Scratch(path)
    finally:
        delete(path)


def delete(folder: Path) -> None:
    """To free a block that was written may take a virtual disk a millisecond: many at once."""
    files = (os.path.join(where, name) for where, _, names in os.walk(folder) for name in names)
    with ThreadPoolExecutor(_HANDS) as pool:
        for file in files:
            pool.submit(os.unlink, file)
    shutil.rmtree(folder, ignore_errors=True)


def settle() -> None:
    """Let no server pay for the dirty pages of the one before it."""
    os.sync()


def _spread(path: Path) -> None:
    """Have the file system put the folders of `path` far from each other.

    ext4 takes the inode of a file from the neighbourhood of its folder, and steps over each inode
    that was deleted there within the last minutes, one by one. A server in the place where the
    files of another one have just been deleted would create files at a fraction of its speed.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # another file system has no such flag, and no such need
            got = fcntl.ioctl(descriptor, _GET_FLAGS, struct.pack("l", 0))
            flags = struct.unpack("l", got)[0] | _TOP_OF_TREES
            fcntl.ioctl(descriptor, _SET_FLAGS, struct.pack("l", flags))
    finally:
        os.close(descriptor)
