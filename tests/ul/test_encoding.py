"""The octets everything is made of."""

from __future__ import annotations

import pytest

from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.ul import encoding


def test_numbers_are_big_endian():
    reader = encoding.Reader(bytes.fromhex("01 0203 04050607 ff"), "x")
    assert (reader.uint8(), reader.uint16(), reader.uint32()) == (1, 0x0203, 0x04050607)
    assert reader.left == 1
    assert encoding.uint16(0x0203) + encoding.uint32(0x04050607) == bytes.fromhex("020304050607")


@pytest.mark.parametrize("read", ["uint8", "uint16", "uint32", "field", "uid"])
def test_reading_past_the_end_is_the_peers_error(read):
    with pytest.raises(RemoteProtocolError, match="x: ") as info:
        getattr(encoding.Reader(b"", "x"), read)()
    assert (info.value.source, info.value.reason) == (2, 6)


def test_a_field_may_not_be_longer_than_what_is_left():
    with pytest.raises(RemoteProtocolError, match="5 bytes are needed, 4 are left"):
        encoding.Reader(b"\0\x05abcd", "x").field()


def test_items():
    reader = encoding.Reader(encoding.item(0x10, b"ab", b"c") + encoding.item(0x51), "A > 50H")
    assert [(kind, item.name, item.rest()) for kind, item in reader.items()] == [
        (0x10, "A > 50H > 10H", b"abc"),
        (0x51, "A > 50H > 51H", b""),
    ]


@pytest.mark.parametrize("data", [b"\x10", b"\x10\0\0", b"\x10\0\0\x02a"])
def test_an_item_beyond_the_end(data):
    with pytest.raises(RemoteProtocolError):
        list(encoding.Reader(data, "x").items())


def test_bytes_too_many():
    reader = encoding.Reader(b"ab", "x")
    with pytest.raises(RemoteProtocolError, match="2 bytes too many"):
        reader.end()
    reader.rest()
    reader.end()


@pytest.mark.parametrize(
    "data",
    [
        b"STORE           ",
        b"      STORE     ",
        b"  STORE \0\0\0\0\0\0\0\0",
        b"STORE\0\0\0\0\0\0\0\0\0\0\0",
    ],
)
def test_ae_title_padding_is_not_significant(data):
    assert len(data) == 16
    assert encoding.decode_ae_title(data) == "STORE"


def test_spaces_within_an_ae_title_are_significant():
    assert encoding.decode_ae_title(b"MY  STORE       ") == "MY  STORE"


@pytest.mark.parametrize("data", [b" " * 16, bytes(16), b" \0" * 8])
def test_a_blank_ae_title(data):
    assert encoding.decode_ae_title(data) == ""


def test_any_octet_can_be_read():
    every = bytes(range(1, 256))
    assert encoding.decode_text(every).encode("latin-1") == every


def test_encoding_an_ae_title():
    assert encoding.encode_ae_title("STORE") == b"STORE           "
    with pytest.raises(LocalProtocolError, match="longer than 16"):
        encoding.encode_ae_title("X" * 17)


def test_what_cannot_be_encoded_is_a_local_error():
    with pytest.raises(LocalProtocolError):
        encoding.encode_text("\u6f22")
    with pytest.raises(LocalProtocolError):
        encoding.uint16(65536)
    with pytest.raises(LocalProtocolError):
        encoding.uint32(-1)
    with pytest.raises(LocalProtocolError):
        encoding.item(0x50, bytes(65536))
