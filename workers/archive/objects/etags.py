"""The ETag that S3 gives an object: a checksum of what it has received.

It is the MD5 of an object that came in one request, and for one that came in parts the MD5 of the
MD5s of all parts, followed by their number. A store that encrypts with keys of its own gives
another one.
"""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


def etag_of(data: bytes) -> str:
    """Return the ETag of an object that is sent in one request."""
    return md5(data, usedforsecurity=False).hexdigest()


class Parts:
    """The parts of `size` bytes in which a file is sent, to be iterated over once."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self._digests: list[bytes] = []
        self.sent = 0
        """Bytes so far."""

    def __iter__(self) -> Iterator[bytes]:
        while part := self._file.read(self._size):
            self._digests.append(md5(part, usedforsecurity=False).digest())
            self.sent += len(part)
            yield part

    def etag(self) -> str:
        """Return the ETag of the parts so far."""
        whole = md5(b"".join(self._digests), usedforsecurity=False).hexdigest()
        return f"{whole}-{len(self._digests)}"
