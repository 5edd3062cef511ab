"""Where the bytes of an encoded data set are: in memory, or in a file."""

from __future__ import annotations

import os
from typing import Protocol, TypeAlias

Buffer: TypeAlias = bytes | memoryview


class Source(Protocol):
    """The bytes of an encoded data set, from 0 to `size`."""

    @property
    def size(self) -> int: ...

    def read(self, at: int, length: int) -> Buffer:
        """Return exactly so many bytes; raises OSError if they are not there any more."""


class BytesSource:
    """A data set in memory."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data)
        self.size = len(data)

    def read(self, at: int, length: int) -> Buffer:
        return self._data[at : at + length]


class FileSource:
    """A data set in a file that is open: `size` bytes from `offset` on."""

    def __init__(self, fd: int, offset: int, size: int) -> None:
        self._fd, self._offset, self.size = fd, offset, size

    def read(self, at: int, length: int) -> Buffer:
        data = os.pread(self._fd, length, self._offset + at)
        if len(data) != length:
            raise OSError("the file became shorter while it was read")
        return data
