"""pydicom's data sets as identifiers and instances: the outer face of the requestor.

The rest of the package neither imports this module nor pydicom.
"""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import TYPE_CHECKING

from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import correct_ambiguous_vr, write_dataset

from gateway.errors import GatewayError
from gateway.requestor.files import Instance
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from gateway.requestor.services import Encoder

_WORDS = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
"""Value representations whose bytes pydicom leaves as they are, and the size of their words."""

_INFLATED = 256 * 1024 * 1024
"""Bytes that a deflated data set of a peer may have once it is inflated."""


class NotConverted(GatewayError):  # noqa: N818 - a state, not only an error
    """A data set is not what its encoding promises, or cannot be encoded."""


def encode(data_set: Dataset, transfer_syntax: str) -> bytes:
    """The bytes of a data set in an uncompressed transfer syntax; raises NotConverted."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR = transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN
    buffer.is_little_endian = transfer_syntax != EXPLICIT_VR_BIG_ENDIAN
    try:
        write_dataset(buffer, data_set)
    except Exception as error:  # whatever pydicom raises for values that do not fit
        raise NotConverted(_brief(error)) from error
    plain: bytes = buffer.getvalue()
    if transfer_syntax != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        return plain
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = deflate.compress(plain) + deflate.flush()
    return packed + b"\0" * (len(packed) % 2)


def encoder(data_set: Dataset) -> Encoder:
    """For the services: the data set, in whatever syntax its context turns out to have."""
    return lambda transfer_syntax: encode(data_set, transfer_syntax)


def decode(data: bytes, transfer_syntax: str) -> Dataset:
    """The data set of a response; raises NotConverted."""
    try:
        if transfer_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            data = inflate.decompress(data, _INFLATED)
            if not inflate.eof:
                raise NotConverted(f"no deflated data set of at most {_INFLATED} bytes")
        data_set = read_dataset(
            BytesIO(data),
            is_implicit_VR=transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN,
            is_little_endian=transfer_syntax != EXPLICIT_VR_BIG_ENDIAN,
        )
        data_set.walk(lambda *_: None)  # elements are decoded when they are looked at: all, now
        if data and not len(data_set):
            raise NotConverted("no element can be read")
    except NotConverted:
        raise
    except Exception as error:  # whatever pydicom raises for bytes that are no data set
        raise NotConverted(_brief(error)) from error
    return data_set


def convert(instance: Instance, transfer_syntax: str) -> Instance:
    """An instance of one uncompressed transfer syntax in another; raises NotConverted, OSError.

    The values stay what they are; the whole data set is in memory meanwhile.
    """
    assert instance.path is not None
    with instance.path.open("rb") as file:
        file.seek(instance.offset)
        data = file.read(instance.size)
    data_set = decode(data, instance.transfer_syntax_uid)
    was_big, is_big = (
        syntax == EXPLICIT_VR_BIG_ENDIAN
        for syntax in (instance.transfer_syntax_uid, transfer_syntax)
    )
    try:
        data_set = correct_ambiguous_vr(data_set, not was_big)
        if was_big != is_big:
            data_set.walk(_swap)
    except Exception as error:  # whatever pydicom raises for values that make no sense
        raise NotConverted(_brief(error)) from error
    encoded = encode(data_set, transfer_syntax)
    return Instance(
        instance.sop_class_uid,
        instance.sop_instance_uid,
        transfer_syntax,
        len(encoded),
        data=encoded,
    )


def _swap(_: Dataset, element: object) -> None:
    size = _WORDS.get(getattr(element, "VR", ""))
    value = getattr(element, "value", None)
    if size is None or not isinstance(value, bytes) or len(value) % size:
        return
    swapped = bytearray(len(value))
    for at in range(size):
        swapped[at::size] = value[size - 1 - at :: size]
    element.value = bytes(swapped)  # type: ignore[attr-defined]


def instance_of(data_set: Dataset, transfer_syntax: str) -> Instance:
    """A data set made in memory as an instance to send; raises NotConverted."""
    encoded = encode(data_set, transfer_syntax)
    uids = str(data_set.SOPClassUID), str(data_set.SOPInstanceUID)
    return Instance(*uids, transfer_syntax, len(encoded), data=encoded)


def _brief(error: Exception) -> str:
    """Pydicom puts whole tracebacks into the texts of its errors."""
    text = str(error).partition("\n")[0][:200]
    return f"{type(error).__name__}: {text}"
