"""Where the bytes of an encoded data set are: in memory, or in a file."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeAlias, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

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


class _RawSource(io.RawIOBase):
    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source, self._at = source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        into = memoryview(buffer)
        length = min(len(into), max(0, self._source.size - self._at))
        if length:
            into[:length] = self._source.read(self._at, length)
            self._at += length
        return length

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._source.size}[whence]
        self._at = max(0, begin + offset)
        return self._at

    def tell(self) -> int:
        return self._at


def as_file(source: Source) -> BinaryIO:
    """Return a source as a file that is open for reading; it raises what the source raises.

    It is not buffered, because pydicom takes an `io.BufferedReader` for a file with a name.
    """
    return cast("BinaryIO", _RawSource(source))
