"""The body of a STOW-RS request: instances as parts of multipart/related (PS3.18 8.6.1.2)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from gateway.part10 import file_meta
from gateway.requestor import SourceFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.datasets import Instance

PIECE = 256 * 1024
"""Bytes that are sent at once, if there are so many."""


class StowBody:
    """Instances, each as a DICOM file with its data set as it is stored; read while it is sent."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f'multipart/related; type="application/dicom"; boundary={boundary}'
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        self._heads = [head + _meta(one) for one in instances]
        self._tail = f"--{boundary}--\r\n".encode()
        self.instances = instances
        self.length = (
            sum(map(len, self._heads))
            + sum(one.size + len(_END) for one in instances)
            + len(self._tail)
        )
        """Bytes of the whole body."""

    def pieces(self) -> Iterator[bytes]:
        """Yield the body; raises SourceFailed if an instance cannot be read to its end."""
        held = bytearray()
        for piece in self._parts():
            held += piece
            while len(held) >= PIECE:
                yield bytes(held[:PIECE])
                del held[:PIECE]
        yield bytes(held)

    def _parts(self) -> Iterator[bytes]:
        for head, one in zip(self._heads, self.instances, strict=True):
            yield head
            sent = 0
            try:
                for piece in one.pieces():
                    sent += len(piece)
                    yield piece
            except OSError as error:
                raise SourceFailed(f"{error.strerror or error}") from error
            if sent != one.size:
                raise SourceFailed("the data set has another length than the index says")
            yield _END
        yield self._tail


_END = b"\r\n"


def _meta(one: Instance) -> bytes:
    return file_meta(one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid)
