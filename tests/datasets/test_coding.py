import io
import struct
import zlib

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from gateway.datasets.coding import decode, decode_file_meta, encode
from gateway.datasets.deflation import inflate
from gateway.sdk import DatasetError
from tests.sdk.conftest import part10

SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    "1.2.3.4.private",
]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_there_and_back(instance, syntax):
    encoded = encode(instance, syntax)
    assert len(encoded) % 2 == 0
    assert decode(encoded, syntax) == instance
    assert decode(memoryview(encoded), syntax) == instance
    assert decode(io.BytesIO(encoded), syntax) == instance


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_command_and_file_meta_elements_are_left_out(instance, syntax):
    expected = encode(instance, syntax)
    instance.AffectedSOPInstanceUID = "1.2.3"
    instance.add_new(0x00020010, "UI", "1.2.840.10008.1.2")
    assert encode(instance, syntax) == expected
    assert instance.AffectedSOPInstanceUID == "1.2.3"


@pytest.mark.parametrize("syntax", SYNTAXES[:4])
def test_what_was_decoded_can_be_saved(instance, syntax):
    decoded = decode(encode(instance, syntax), syntax)
    assert encode(decoded, syntax) == encode(instance, syntax)
    assert decoded.original_encoding[0] == (syntax == ImplicitVRLittleEndian)


def test_nothing_is_an_empty_data_set():
    assert decode(b"", ImplicitVRLittleEndian) == Dataset()


def test_sequences_nested_too_deep():
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + b"\x08\x00\x40\x11" + b"\xff\xff\xff\xff"
    with pytest.raises(DatasetError, match="nested too deep"):
        decode(item[8:] + item * 100_000, ImplicitVRLittleEndian)


def test_a_deflate_bomb_ends_at_the_limit():
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = squeezer.compress(bytes(1 << 20)) + squeezer.flush()
    assert len(inflate(io.BytesIO(bomb), 1 << 20)) == 1 << 20
    with pytest.raises(DatasetError, match="inflates to more than 1048575 bytes"):
        inflate(io.BytesIO(bomb), (1 << 20) - 1)


def test_a_deflated_data_set_that_was_cut(instance):
    encoded = encode(instance, DeflatedExplicitVRLittleEndian)
    with pytest.raises(DatasetError, match="ends before its last block"):
        decode(encoded[:-8], DeflatedExplicitVRLittleEndian)


def test_more_than_one_read_is_inflated():
    values = struct.pack("<4096Q", *(hash((i, "x")) & (1 << 63) - 1 for i in range(4096))) * 40
    squeezer = zlib.compressobj(level=0, wbits=-zlib.MAX_WBITS)
    assert inflate(io.BytesIO(squeezer.compress(values) + squeezer.flush())) == values


def test_values_that_cannot_be_written():
    ds = Dataset()
    ds.Rows = 1
    ds["Rows"]._value = "many"
    with pytest.raises(Exception, match=r"\(0028,0010\)"):
        encode(ds, ExplicitVRLittleEndian)


def test_file_meta(instance):
    whole, offset = part10(instance, DeflatedExplicitVRLittleEndian)
    meta = decode_file_meta(whole[:offset])
    assert meta.MediaStorageSOPInstanceUID == "1.2.3.4.5"
    assert meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
