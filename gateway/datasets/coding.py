"""pydicom's data sets to bytes and back, in the transfer syntax of their context (needs pydicom).

pydicom raises errors of many types, some of them with a whole traceback in their text. Here they
become a DatasetError of one line.
"""

from __future__ import annotations

import copy
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from pydicom.config import IGNORE
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import UID

from gateway.datasets.deflation import deflate, inflate
from gateway.datasets.encoded import whole
from gateway.datasets.errors import DatasetError
from gateway.datasets.lenient_values import convert_values
from gateway.datasets.plain import encode_plain
from gateway.uid import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

if TYPE_CHECKING:
    from collections.abc import Callable

Encoded: TypeAlias = bytes | memoryview | BinaryIO

_LONGEST_UID = 64
"""PS3.5 9.1."""
_NOT_IN_A_DATA_SET = (0x0000, 0x0002)
"""The groups of command elements and of file meta information (PS3.5 7.1)."""
_PREFIX = 132
"""Preamble and DICM, before the file meta information."""


def any_uid(text: str) -> UID:
    """Return a peer's UID as pydicom's type, valid or not: nothing is decided about it here."""
    return _short_uid(text) if len(text) <= _LONGEST_UID else UID(text, validation_mode=IGNORE)


@lru_cache(512)
def _short_uid(text: str) -> UID:
    return UID(text, validation_mode=IGNORE)


def decode(source: Encoded, transfer_syntax: str) -> Dataset:
    """Return the data set in `source`, a stream from where it stands.

    Elements are parsed as far as is needed to find the next one; pydicom converts a value when it
    is asked for, and may raise errors of its own then. Raises DatasetError, and OSError of a file.
    """
    syntax = any_uid(transfer_syntax)
    stream = BytesIO(source) if isinstance(source, bytes | memoryview) else source
    if syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        stream = BytesIO(inflate(stream))
    implicit, little = _encoding(syntax)
    try:
        dataset = read_dataset(stream, implicit, little)
    except RecursionError:
        raise DatasetError("the sequences of the data set are nested too deep") from None
    except Exception as error:  # whatever pydicom raises for bytes that are not a data set
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DatasetError(f"Failed to decode the data set: {_brief(error)}") from error
    dataset.set_original_encoding(implicit, little, dataset._character_set)
    return dataset


def decode_whole(source: bytes, transfer_syntax: str) -> Dataset:
    """Return the data set in `source` with all of its values converted; raise DatasetError.

    Unlike `decode` it refuses bytes that cannot be read to their end. A value that pydicom does not
    convert is text.
    """
    dataset = decode(whole(source, transfer_syntax), transfer_syntax)
    try:
        convert_values(dataset)
    except Exception as error:  # whatever pydicom raises for values that make no sense
        raise DatasetError(f"Failed to decode the data set: {_brief(error)}") from error
    if source and not len(dataset):
        raise DatasetError("Failed to decode the data set: it has no element that can be read")
    return dataset


def encode(dataset: Dataset, transfer_syntax: str) -> bytes:
    """Return the bytes of a data set; raise DatasetError for values that cannot be written.

    Elements of the groups 0000 and 0002 belong elsewhere, and are left out.
    """
    syntax = any_uid(transfer_syntax)
    implicit, little = _encoding(syntax)
    try:
        encoded = encode_plain(dataset, implicit=implicit) if little else None
        if encoded is None:
            encoded = _by_pydicom(dataset, implicit=implicit, little=little)
    except Exception as error:  # whatever pydicom raises for values that do not fit
        raise DatasetError(f"Failed to encode the data set: {_brief(error)}") from error
    return deflate(encoded) if syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN else encoded


def encoder(dataset: Dataset) -> Callable[[str], bytes]:
    """Return a function that encodes the data set in the transfer syntax that it is given."""
    return lambda transfer_syntax: encode(dataset, transfer_syntax)


def decode_file_meta(encoded: bytes) -> FileMetaDataset:
    """Return the file meta information at the start of a Part 10 file (PS3.10 7.1)."""
    return FileMetaDataset(read_dataset(BytesIO(encoded[_PREFIX:]), False, True))


def _by_pydicom(dataset: Dataset, *, implicit: bool, little: bool) -> bytes:
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = implicit, little
    write_dataset(stream, _without_foreign_groups(dataset))
    encoded: bytes = stream.getvalue()
    return encoded


def _without_foreign_groups(dataset: Dataset) -> Dataset:
    if isinstance(dataset, FileMetaDataset):
        return dataset
    kept = {t: e for t, e in dataset._dict.items() if t >> 16 not in _NOT_IN_A_DATA_SET}
    if len(kept) == len(dataset):
        return dataset
    left = copy.copy(dataset)
    left._dict = kept
    return left


def _encoding(syntax: UID) -> tuple[bool, bool]:
    """Implicit VR? Little endian? Unknown and private transfer syntaxes are explicit (PS3.5 10)."""
    if not syntax.is_transfer_syntax:
        return False, True
    return syntax == IMPLICIT_VR_LITTLE_ENDIAN, syntax.is_little_endian


def _brief(error: Exception) -> str:
    text = str(error).partition("\n")[0][:200]
    return f"{type(error).__name__}: {text}"
