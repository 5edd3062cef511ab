"""The PROXY protocol, versions 1 and 2: the header in which a balancer names the peer.

Sans-I/O: `ProxyHeader.wanted` says how many bytes may be read next. That is never more than the
header still has, so that what follows (a TLS handshake or an A-ASSOCIATE-RQ) stays in the socket.
The specification is doc/proxy-protocol.txt of HAProxy:

- version 1: `PROXY TCP4 SOURCE DESTINATION PORT PORT` and CRLF, at most 107 bytes;
- version 2: a signature, version and command, family, a length, addresses, and TLVs, which are
  checked and skipped.
"""

from __future__ import annotations

import ipaddress
import struct

from gateway.errors import GatewayError

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED = struct.Struct("!12sBBH")
_TLV = struct.Struct("!BH")
_V1 = b"PROXY "
_MOST_V1 = 107
_MOST_V2 = 4096
"""Bytes of a header of version 2; the addresses and all TLVs that are in use take a few hundred."""
_SHORTEST = 12
"""Bytes that any header has; one of version 1 has 15 at least (`PROXY UNKNOWN`, CRLF)."""

_LOCAL, _PROXY = 0x20, 0x21
"""Version and command: a connection of the balancer itself, and one that it passes on."""
_ADDRESSES = {0x00: 0, 0x11: 12, 0x21: 36, 0x31: 216}
"""The size of the addresses by family and protocol: none, TCP over IPv4, over IPv6, Unix stream."""
_BY_NAME = {"TCP4": ipaddress.IPv4Address, "TCP6": ipaddress.IPv6Address}


class ProxyHeaderError(GatewayError):
    """What a balancer sent is not a header of the PROXY protocol."""


class ProxyHeader:
    """The header at the beginning of a connection, read piece by piece."""

    def __init__(self) -> None:
        self.wanted = _SHORTEST
        """The number of bytes that may be read next; 0: the header is complete."""
        self.source: tuple[str, int] | None = None
        """Address and port of the peer; None: the header names none, as in a health check."""
        self._data = bytearray()

    @property
    def has_begun(self) -> bool:
        return bool(self._data)

    def receive_data(self, data: bytes) -> None:
        """Take at most `wanted` bytes; raises ProxyHeaderError once they cannot be a header."""
        self._data += data
        begins = bytes(self._data[:_SHORTEST])
        if begins.startswith(_V1):
            self._take_v1()
        elif begins == _SIGNATURE:
            self._take_v2()
        elif _V1.startswith(begins) or _SIGNATURE.startswith(begins):
            self.wanted = _SHORTEST - len(begins)
        else:
            raise ProxyHeaderError("it does not begin with a PROXY protocol header")

    # version 1

    def _take_v1(self) -> None:
        data = self._data
        if data.endswith(b"\r\n"):
            self.wanted = 0
            self.source = _source_v1(bytes(data[:-2]))
            return
        # CRLF is to come: two bytes at least, unless its first one is there.
        self.wanted = max(_SHORTEST - len(data), 1 if data.endswith(b"\r") else 2)
        if b"\n" in data or len(data) + self.wanted > _MOST_V1:
            raise ProxyHeaderError("its PROXY protocol header has no CRLF where it should end")

    # version 2

    def _take_v2(self) -> None:
        have = len(self._data)
        if have < _FIXED.size:
            self.wanted = _FIXED.size - have
            return
        _, command, family, length = _FIXED.unpack_from(self._data)
        if command not in (_LOCAL, _PROXY):
            raise ProxyHeaderError(f"PROXY protocol version and command {command:02X}H are unknown")
        if _FIXED.size + length > _MOST_V2:
            raise ProxyHeaderError(f"its PROXY protocol header is longer than {_MOST_V2} bytes")
        self.wanted = _FIXED.size + length - have
        if not self.wanted and command == _PROXY:
            self.source = _source_v2(family, bytes(self._data[_FIXED.size :]))


def _source_v1(line: bytes) -> tuple[str, int] | None:
    """Return the source that a line without its CRLF names; None for `PROXY UNKNOWN`."""
    text = line.decode("latin-1")
    if text == "PROXY UNKNOWN" or text.startswith("PROXY UNKNOWN "):
        return None
    try:
        _, family, source, destination, *ports = text.split(" ")
        if "%" in text:  # the scope of an address means nothing at another host
            raise ValueError(text)
        address, _ = (_BY_NAME[family](one) for one in (source, destination))
        port, _ = (_port(number) for number in ports)
    except (KeyError, ValueError):
        raise ProxyHeaderError("its PROXY protocol header of version 1 is invalid") from None
    return str(address), port


def _port(text: str) -> int:
    """Return a port written in decimal, without signs and leading zeros; raises ValueError."""
    port = int(text)
    if str(port) != text or not 0 <= port <= 0xFFFF:
        raise ValueError(text)
    return port


def _source_v2(family: int, body: bytes) -> tuple[str, int] | None:
    """Return the source in the addresses; None if the family has none with a port."""
    size = _ADDRESSES.get(family)
    if size is None:
        raise ProxyHeaderError(f"PROXY protocol family {family:02X}H is not a stream")
    if len(body) < size:
        raise ProxyHeaderError("its PROXY protocol header is too short for its addresses")
    _check_tlvs(body[size:])
    if family == 0x11:
        return str(ipaddress.IPv4Address(body[:4])), int.from_bytes(body[8:10])
    if family == 0x21:
        return str(ipaddress.IPv6Address(body[:16])), int.from_bytes(body[32:34])
    return None


def _check_tlvs(data: bytes) -> None:
    """Raise ProxyHeaderError unless the TLVs fill their part of the header exactly."""
    position = 0
    while position < len(data):
        if position + _TLV.size > len(data):
            break
        position += _TLV.size + _TLV.unpack_from(data, position)[1]
    if position != len(data):
        raise ProxyHeaderError("a TLV of its PROXY protocol header is longer than the header")
