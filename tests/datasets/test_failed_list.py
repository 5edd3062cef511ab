"""The list of failed instances, as pydicom reads it."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from pydicom.filereader import read_dataset
from pydicom.tag import Tag

from gateway.datasets.failed_list import encode_failed_list
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def test_no_failure_has_no_list() -> None:
    assert encode_failed_list([], IMPLICIT_VR_LITTLE_ENDIAN) is None


def decode(data: bytes, syntax: str) -> Dataset:
    if syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        data = zlib.decompress(data, wbits=-zlib.MAX_WBITS)
    implicit = syntax == IMPLICIT_VR_LITTLE_ENDIAN
    return read_dataset(BytesIO(data), implicit, syntax != EXPLICIT_VR_BIG_ENDIAN)


SYNTAXES = [
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_list_as_pydicom_reads_it(syntax: str, count: int) -> None:
    uids = [f"1.2.{number}" for number in range(count)]
    encoded = encode_failed_list(uids, syntax)
    assert len(encoded) % 2 == 0
    (element,) = decode(encoded, syntax)
    assert element.tag == Tag("FailedSOPInstanceUIDList")
    assert ([element.value] if count == 1 else list(element.value)) == uids


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_list_longer_than_a_ui_can_be(syntax: str) -> None:
    uids = [f"1.2.840.10008.{10**40 + number}" for number in range(2000)]
    (element,) = decode(encode_failed_list(uids, syntax), syntax)
    value = element.value
    if isinstance(value, bytes):
        value = value.rstrip(b"\0").decode().split("\\")
    assert list(value) == uids


def test_text_that_is_no_uid_does_no_harm() -> None:
    encoded = encode_failed_list(["\u00e9\u20ac"], IMPLICIT_VR_LITTLE_ENDIAN)
    assert encoded.endswith(b"??")
