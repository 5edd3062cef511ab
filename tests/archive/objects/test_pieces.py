from __future__ import annotations

from io import BytesIO

import pytest

from tests.peers import procfs
from workers.archive.objects.etags import Parts, etag_of
from workers.archive.objects.pieces import PieceReader, read_ahead


def test_the_next_piece_is_read_before_it_is_asked_for() -> None:
    read: list[int] = []

    def work(number: int) -> bytes:
        read.append(number)
        return bytes([number])

    pieces = read_ahead(work, range(100))
    assert next(pieces) == b"\0"
    procfs.until(lambda: len(read) >= 2, what="the next piece")
    assert len(read) <= 4
    assert b"".join(pieces) == bytes(range(1, 100))


def test_an_error_comes_after_the_pieces_before_it() -> None:
    def work(number: int) -> bytes:
        if number == 2:
            raise OSError("gone")
        return bytes([number])

    pieces = read_ahead(work, range(5))
    assert [next(pieces), next(pieces)] == [b"\0", b"\1"]
    with pytest.raises(OSError, match="gone"):
        next(pieces)


def test_pieces_read_as_a_file() -> None:
    file = PieceReader(iter([b"abc", b"", b"ignored"]))
    assert file.read() == b"abc"
    file = PieceReader(iter([b"abc", b"defg", b"h"]))
    assert [file.read(2), file.read(4), file.read(4), file.read(1)] == [b"ab", b"cdef", b"gh", b""]


def test_checksums_of_parts() -> None:
    parts = Parts(BytesIO(b"a" * 25), 10)
    assert [len(part) for part in parts] == [10, 10, 5]
    assert parts.etag() == "0bedf83ad3f0dc6a0c75d9da956c55aa-3"
    assert etag_of(b"hello") == "5d41402abc4b2a76b9719d911017c592"
