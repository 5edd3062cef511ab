"""Data sets to and from bytes, in the transfer syntax of their presentation context."""

from __future__ import annotations

import zlib
from functools import lru_cache
from io import BytesIO
from typing import BinaryIO

from pydicom.config import IGNORE
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from gateway.errors import GatewayError
from gateway.sdk.encoding import encode_plain

MAX_INFLATED = 1 << 30
"""Bytes that a deflated data set may grow to; a deflate bomb ends here."""

_LONGEST_UID = 64
"""PS3.5 9.1."""
_STEP = 1 << 20
_PREFIX = 132
"""Preamble and DICM, before the file meta information."""


class DatasetError(GatewayError):
    """A data set is not what its transfer syntax allows, or more than can be borne."""


def uid(text: str) -> UID:
    """A peer's UID, valid or not: what to make of it is not decided here."""
    return _short_uid(text) if len(text) <= _LONGEST_UID else UID(text, validation_mode=IGNORE)


@lru_cache(512)
def _short_uid(text: str) -> UID:
    return UID(text, validation_mode=IGNORE)


def decode(source: bytes | memoryview | BinaryIO, transfer_syntax: str) -> Dataset:
    """The data set in `source`, which stands at its first byte.

    Elements are parsed as far as the reader needs to find the next one; values are converted when
    asked for. Raises DatasetError, or what pydicom raises for data that makes no sense to it.
    """
    syntax = uid(transfer_syntax)
    stream = BytesIO(source) if isinstance(source, bytes | memoryview) else source
    if syntax == DeflatedExplicitVRLittleEndian:
        stream = BytesIO(inflate(stream))
    implicit, little = _encoding(syntax)
    try:
        dataset = read_dataset(stream, implicit, little)
    except RecursionError:
        raise DatasetError("the sequences of the data set are nested too deep") from None
    dataset.set_original_encoding(implicit, little, dataset._character_set)
    return dataset


def encode(dataset: Dataset, transfer_syntax: str) -> bytes:
    """The bytes of `dataset`; raises what pydicom raises for values that cannot be written."""
    syntax = uid(transfer_syntax)
    implicit, little = _encoding(syntax)
    encoded = encode_plain(dataset, implicit=implicit) if little else None
    if encoded is None:
        stream = DicomBytesIO()
        stream.is_implicit_VR, stream.is_little_endian = implicit, little
        write_dataset(stream, dataset)
        encoded = stream.getvalue()
    return deflate(encoded) if syntax == DeflatedExplicitVRLittleEndian else encoded


def inflate(stream: BinaryIO, limit: int = MAX_INFLATED) -> bytes:
    """The inflated rest of `stream` (PS3.5 A.5: no zlib header); DatasetError above `limit`."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    pieces: list[bytes] = []
    room = limit + 1
    while (
        room > 0 and not inflater.eof and (data := inflater.unconsumed_tail or stream.read(_STEP))
    ):
        pieces.append(inflater.decompress(data, room))
        room -= len(pieces[-1])
    if room <= 0:
        raise DatasetError(f"data set inflates to more than {limit} bytes")
    if not inflater.eof:
        raise DatasetError("deflated data set ends before its last block")
    return b"".join(pieces)


def deflate(encoded: bytes) -> bytes:
    """`encoded` as a raw deflate stream, padded to an even length (PS3.5 A.5)."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflater.compress(encoded) + deflater.flush()
    return deflated + b"\0" * (len(deflated) % 2)


def file_meta(encoded: bytes) -> FileMetaDataset:
    """The file meta information at the start of a Part 10 file (PS3.10 7.1)."""
    return FileMetaDataset(read_dataset(BytesIO(encoded[_PREFIX:]), False, True))


def _encoding(syntax: UID) -> tuple[bool, bool]:
    """Implicit VR? little endian? Unknown and private transfer syntaxes are explicit (PS3.5 10)."""
    if not syntax.is_transfer_syntax:
        return False, True
    return syntax == ImplicitVRLittleEndian, syntax.is_little_endian
