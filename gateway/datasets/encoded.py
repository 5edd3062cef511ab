"""Encoded data sets of any transfer syntax, opened to be walked over (needs pydicom).

A deflated data set is inflated as it is read, so that memory does not grow with it.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from gateway.datasets.byte_sources import Buffer, BytesSource, FileSource, Source, as_file
from gateway.datasets.deflation import deflate
from gateway.datasets.element_steps import ElementWalk, Encoding
from gateway.datasets.inflated_source import inflated
from gateway.datasets.reencoding import ENCODINGS, with_known_vrs
from gateway.uid import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.datasets.errors import DatasetError

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class EncodedDataSet(NamedTuple):
    """The bytes of a data set, inflated, and how the headers of its elements are written."""

    source: Source
    encoding: Encoding
    transfer_syntax: str
    fault: DatasetError | None = None
    """Why it cannot be inflated to its end; `source` has what comes before."""


def encoding_of(transfer_syntax: str) -> Encoding:
    """Return the encoding of headers; compressed and private syntaxes are explicit (PS3.5 10)."""
    return ENCODINGS.get(transfer_syntax, ENCODINGS[EXPLICIT_VR_LITTLE_ENDIAN])


def in_memory(data: bytes | memoryview, transfer_syntax: str) -> EncodedDataSet:
    """Return a data set in memory that is not deflated."""
    return EncodedDataSet(BytesSource(data), encoding_of(transfer_syntax), transfer_syntax)


@contextmanager
def opened_bytes(data: bytes | memoryview, transfer_syntax: str) -> Iterator[EncodedDataSet]:
    """Open a data set in memory."""
    if transfer_syntax != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        yield in_memory(data, transfer_syntax)
        return
    yield _inflated(BytesIO(data))


def in_source(source: Source, transfer_syntax: str) -> EncodedDataSet:
    """Return the data set that a source has."""
    if transfer_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        return _inflated(as_file(source))
    return EncodedDataSet(source, encoding_of(transfer_syntax), transfer_syntax)


def whole(data: Buffer, transfer_syntax: str) -> Buffer:
    """Return a data set in memory as pydicom reads it to its end; raise DatasetError if it cannot.

    pydicom loses what follows a VR that PS3.5 does not define: such a VR becomes UN. The error is
    an UnreadableDataSet with the tag where an element, item or sequence is longer than what
    contains it, or cut.
    """
    with opened_bytes(data, transfer_syntax) as data_set:
        rewritten = _checked(data_set)
    if rewritten is not None and transfer_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        return deflate(rewritten)
    return data if rewritten is None else rewritten


def whole_file(path: str | Path, offset: int, transfer_syntax: str) -> BinaryIO:
    """Open a data set in a file to be read as by `whole`; raise DatasetError, or OSError."""
    with opened_file(path, offset, transfer_syntax) as data_set:
        rewritten = _checked(data_set)
    if rewritten is not None:
        is_deflated = transfer_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
        return BytesIO(deflate(rewritten) if is_deflated else rewritten)
    file = open(path, "rb")  # noqa: SIM115 - the caller closes it
    file.seek(offset)
    return file


def check_file(path: str | Path, offset: int, transfer_syntax: str) -> None:
    """Raise what `whole_file` raises for a data set in a file."""
    with opened_file(path, offset, transfer_syntax) as data_set:
        _walked(data_set)


def _checked(data_set: EncodedDataSet) -> bytes | None:
    """Return a data set with VRs that PS3.5 defines; None if it has no others."""
    if not _walked(data_set).has_unknown_vrs:
        return None
    return b"".join(with_known_vrs(data_set.source, data_set.encoding))


def _walked(data_set: EncodedDataSet) -> ElementWalk:
    walk = ElementWalk(data_set.source, data_set.encoding)
    deque(walk, maxlen=0)
    if data_set.fault is not None:
        raise data_set.fault
    return walk


@contextmanager
def opened_file(
    path: str | Path, offset: int, transfer_syntax: str, size: int | None = None
) -> Iterator[EncodedDataSet]:
    """Open the data set that begins at `offset` of a file; `size` None: to its end.

    Raises OSError if the file cannot be read.
    """
    fd = os.open(path, _FLAGS)
    try:
        if transfer_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            os.lseek(fd, offset, os.SEEK_SET)
            with open(fd, "rb", closefd=False) as file:
                yield _inflated(file)
        else:
            size = max(0, os.fstat(fd).st_size - offset) if size is None else size
            source = FileSource(fd, offset, size)
            yield EncodedDataSet(source, encoding_of(transfer_syntax), transfer_syntax)
    finally:
        os.close(fd)


def head_of_file(path: str | Path, offset: int, most: int) -> tuple[Buffer, int]:
    """Return the first bytes of the data set that begins at `offset` of a file, and its size.

    Raises OSError if the file cannot be read.
    """
    fd = os.open(path, _FLAGS)
    try:
        size = max(0, os.lseek(fd, 0, os.SEEK_END) - offset)  # cheaper than fstat
        return FileSource(fd, offset, size).read(0, min(most, size)), size
    finally:
        os.close(fd)


def _inflated(stream: BinaryIO) -> EncodedDataSet:
    syntax = DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
    source, fault = inflated(stream)
    return EncodedDataSet(source, encoding_of(syntax), syntax, fault)
