"""The bytes of two data sets, compared: equal digests alone do not prove that they are the same."""

from __future__ import annotations

from typing import BinaryIO

_PIECE = 256 * 1024


def open_data_set(path: str, start: int) -> BinaryIO:
    """Open a file for reading at the beginning of its data set; raises OSError."""
    file = open(path, "rb")  # noqa: SIM115 - the caller closes it
    file.seek(start)
    return file


def same_bytes(one: BinaryIO, other: BinaryIO) -> bool:
    """Return whether the rest of two files is the same."""
    while piece := one.read(_PIECE):
        if piece != other.read(_PIECE):
            return False
    return not other.read(1)
