"""Headers of the PROXY protocol, byte by byte, and as another implementation writes them."""

from __future__ import annotations

import struct
from socket import SOCK_STREAM

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxyprotocol.result import ProxyResultIPv4, ProxyResultIPv6, ProxyResultUnknown
from proxyprotocol.tlv import ProxyProtocolTLV
from proxyprotocol.v1 import ProxyProtocolV1
from proxyprotocol.v2 import ProxyProtocolV2

from gateway.listening.proxy_header import ProxyHeader, ProxyHeaderError

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FOLLOWS = b"\1\0\0\0\0\x44"
"""The beginning of an A-ASSOCIATE-RQ, of which nothing may be read."""


def v2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


TCP4 = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + struct.pack("!HH", 50_000, 104)
TCP6 = bytes.fromhex("20010db8000000000000000000000007" * 2) + struct.pack("!HH", 50_000, 104)


def read(stream: bytes, most: int = 1 << 16) -> tuple[tuple[str, int] | None, int]:
    """Return what a header names, and its length; raises EOFError where it is not complete."""
    header, position = ProxyHeader(), 0
    while header.wanted:
        piece = stream[position : position + min(header.wanted, most)]
        if not piece:
            raise EOFError
        header.receive_data(piece)
        position += len(piece)
    return header.source, position


GOOD = [
    (b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 104\r\n", ("192.0.2.7", 50_000)),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 50000 104\r\n", ("2001:db8::7", 50_000)),
    (b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", ("0.0.0.0", 0)),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None),
    (b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", None),  # 107 bytes: the longest
    (v2(0x21, 0x11, TCP4), ("192.0.2.7", 50_000)),
    (v2(0x21, 0x21, TCP6), ("2001:db8::7", 50_000)),
    (v2(0x21, 0x11, TCP4 + b"\4\0\3abc" + b"\x20\0\0"), ("192.0.2.7", 50_000)),
    (v2(0x21, 0x31, bytes(216)), None),
    (v2(0x21, 0x00, b""), None),
    (v2(0x20, 0x00, b""), None),
    (v2(0x20, 0x11, TCP4), None),
    (v2(0x20, 0x00, b"what a LOCAL header has is not looked at"), None),
]


@pytest.mark.parametrize(("sent", "source"), GOOD)
@pytest.mark.parametrize("most", [1, 2, 3, 13, 1000])
def test_a_header_names_the_peer_and_nothing_behind_it_is_read(sent, source, most) -> None:
    assert read(sent + FOLLOWS, most) == (source, len(sent))


@pytest.mark.parametrize("sent", [sent for sent, _ in GOOD])
def test_a_header_that_is_cut_is_not_complete(sent) -> None:
    for size in range(len(sent)):
        with pytest.raises(EOFError):
            read(sent[:size])


BAD = [
    FOLLOWS,
    b"GET / HTTP/1.1\r\n",
    b"proxy TCP4 192.0.2.7 198.51.100.1 50000 104\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 50000\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 104 1\r\n",
    b"PROXY TCP4  192.0.2.7 198.51.100.1 50000 104\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 65536\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 050 104\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 104\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 +1 1_4\r\n",
    b"PROXY TCP4 192.0.2.256 198.51.100.1 50000 104\r\n",
    b"PROXY TCP4 2001:db8::7 2001:db8::1 50000 104\r\n",
    b"PROXY TCP6 fe80::1%eth0 fe80::2 50000 104\r\n",
    b"PROXY UDP4 192.0.2.7 198.51.100.1 50000 104\r\n",
    b"PROXY UNKNOWNS\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 104\n" + FOLLOWS,
    b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    v2(0x11, 0x11, TCP4),
    v2(0x22, 0x11, TCP4),
    v2(0x21, 0x12, TCP4),
    v2(0x21, 0xFF, TCP4),
    v2(0x21, 0x11, TCP4[:-1]),
    v2(0x21, 0x21, TCP4),
    v2(0x21, 0x11, TCP4 + b"\4\0"),
    v2(0x21, 0x11, TCP4 + b"\4\0\4abc"),
    v2(0x21, 0x11, TCP4 + b"\4\xff\xff"),
    v2(0x21, 0x11, bytes(4097)),
]


@pytest.mark.parametrize("sent", BAD)
@pytest.mark.parametrize("most", [1, 1000])
def test_what_is_no_header_is_refused(sent, most) -> None:
    with pytest.raises(ProxyHeaderError):
        read(sent + bytes(200), most)


@given(
    st.binary(max_size=64), st.sampled_from([b"", b"PROXY ", SIGNATURE, SIGNATURE + b"\x21\x11"])
)
def test_anything_is_a_header_or_refused_or_cut_and_never_read_too_far(rest, begins) -> None:
    header, stream = ProxyHeader(), begins + rest
    while header.wanted and stream:
        wanted = header.wanted
        try:
            header.receive_data(stream[:wanted])
        except ProxyHeaderError:
            return
        stream = stream[wanted:]


@pytest.mark.parametrize("version", [1, 2])
@given(
    source=st.tuples(st.ip_addresses(v=4), st.integers(0, 65_535)),
    wide=st.tuples(st.ip_addresses(v=6), st.integers(0, 65_535)),
    host=st.text("abcxyz.-", max_size=100),
)
def test_headers_that_another_implementation_writes_are_read(version, source, wide, host) -> None:
    """The package `proxy-protocol` is the oracle."""
    written = (ProxyProtocolV1 if version == 1 else ProxyProtocolV2)()
    tlv = ProxyProtocolTLV(authority=host)
    for result in (
        ProxyResultIPv4(source, source, protocol=SOCK_STREAM, tlv=tlv),
        ProxyResultIPv6(wide, wide, protocol=SOCK_STREAM, tlv=tlv),
        ProxyResultUnknown(),
    ):
        header = written.pack(result)
        expected = None
        if not isinstance(result, ProxyResultUnknown):
            address, port = result.source
            expected = (str(address), port)
        assert read(header + FOLLOWS, 7) == (expected, len(header))
