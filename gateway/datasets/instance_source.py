"""The encoded data set of an instance, to be read from any position.

One in a file is read where it is, and a deflated one is inflated as it is read, so that memory does
not depend on its size. One that is made piece by piece is first put into a temporary file if it is
large. The files are closed when nobody uses the source any more.
"""

from __future__ import annotations

import os
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING
from weakref import finalize

from gateway.datasets.byte_sources import BytesSource, FileSource
from gateway.datasets.inflated_source import inflated
from gateway.uid import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from gateway.datasets.byte_sources import Source
    from gateway.datasets.instances import Instance


def source_of(instance: Instance, in_memory: int) -> Source:
    """Return the data set of an instance, inflated; at most `in_memory` bytes of it are in memory.

    Raises OSError, and DatasetError for what cannot be inflated.
    """
    if instance.transfer_syntax_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        return _inflated(_stream(instance), in_memory)
    if instance.data is not None:
        return BytesSource(instance.data)
    if instance.path is None:
        return _stored(instance.pieces(), in_memory)
    if instance.size <= in_memory:
        return BytesSource(instance.read())
    fd = os.open(instance.path, os.O_RDONLY | os.O_CLOEXEC)
    source = FileSource(fd, instance.offset, instance.size)
    finalize(source, os.close, fd)
    return source


def _inflated(stream: BinaryIO, in_memory: int) -> Source:
    try:
        source, fault = inflated(stream, in_memory)
        if fault is not None:
            raise fault
    except BaseException:
        stream.close()
        raise
    finalize(source, stream.close)
    return source


def _stream(instance: Instance) -> BinaryIO:
    if instance.path is None:
        return BytesIO(instance.read())
    stream = open(instance.path, "rb")  # noqa: SIM115 - the source closes it
    stream.seek(instance.offset)
    return stream


def _stored(pieces: Iterable[bytes], in_memory: int) -> Source:
    file = SpooledTemporaryFile(in_memory)  # noqa: SIM115 - open as long as the source is in use
    try:
        for piece in pieces:
            file.write(piece)
        size = file.tell()
        if size <= in_memory:
            file.seek(0)
            data = file.read()
            file.close()
            return BytesSource(data)
        file.flush()
        source = FileSource(file.fileno(), 0, size)
        finalize(source, file.close)
    except BaseException:
        file.close()
        raise
    return source
