"""Write a recording as a pcap file, which Wireshark and tcpdump read.

What was below the PDUs is not recorded, so each connection gets a TCP handshake, segments in order
and a FIN of each side, over IPv4 (or made-up addresses, where the peers were not at such).
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.cli.recording import ACCEPTOR, REQUESTOR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from gateway.cli.recording import RecordedConnection, Recording

_RAW_IP = 101
"""The link type: packets begin with their IP header."""
_FILE = struct.Struct("<IHHiIII")
_PACKET = struct.Struct("<IIII")
_IP = struct.Struct(">BBHHHBBH4s4s")
_TCP = struct.Struct(">HHIIBBHHH")
_SEGMENT = 60_000
"""Bytes of a PDU in one packet, which an IPv4 packet has room for."""
_FIN, _SYN, _PSH, _ACK = 0x01, 0x02, 0x08, 0x10
DICOM_PORT = 104
"""The port by which Wireshark knows DICOM without being told."""


def write_pcap(recording: Recording, file: IO[bytes], *, port: int = DICOM_PORT) -> int:
    """Write all connections; return the number of packets. `port` 0: the acceptor's own."""
    file.write(_FILE.pack(0xA1B2C3D4, 2, 4, 0, 0, 0x40000, _RAW_IP))
    packets = [
        packet
        for connection in recording.connections
        for packet in _packets(connection, recording.began, port)
    ]
    for at, packet in sorted(packets, key=lambda one: one[0]):
        seconds, micros = divmod(round(at * 1e6), 1_000_000)
        file.write(_PACKET.pack(seconds, micros, len(packet), len(packet)) + packet)
    return len(packets)


@dataclass
class _PacketSide:
    address: bytes
    port: int
    seq: int


def _packets(
    connection: RecordedConnection, began: float, port: int
) -> Iterator[tuple[float, bytes]]:
    sides = {
        REQUESTOR: _side(connection.requestor, f"10.0.0.{connection.number % 250 + 2}", 1000),
        ACCEPTOR: _side(connection.acceptor, "10.0.0.1", 500_000),
    }
    requestor, acceptor = sides[REQUESTOR], sides[ACCEPTOR]
    if requestor.port == 0:
        requestor.port = 49_152 + connection.number % 16_000
    acceptor.port = port or acceptor.port or DICOM_PORT
    opened = began + connection.opened
    for source, sink, flags in (
        (requestor, acceptor, _SYN),
        (acceptor, requestor, _SYN | _ACK),
        (requestor, acceptor, _ACK),
    ):
        yield opened, _packet(source, sink, flags)
    for part in connection.parts:
        source = sides[part.sender]
        sink = acceptor if source is requestor else requestor
        if part.data is None:
            yield began + part.at, _packet(source, sink, _FIN | _ACK)
            continue
        for begin in range(0, len(part.data), _SEGMENT):
            some = part.data[begin : begin + _SEGMENT]
            yield began + part.at, _packet(source, sink, _PSH | _ACK, some)


def _side(place: str, instead: str, seq: int) -> _PacketSide:
    host, _, port = place.rpartition(":")
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        address = ipaddress.IPv4Address(instead)
    return _PacketSide(address.packed, int(port) if port.isdecimal() else 0, seq)


def _packet(source: _PacketSide, sink: _PacketSide, flags: int, data: bytes = b"") -> bytes:
    """Return an IPv4 packet with a TCP segment, and count its bytes as sent."""
    acknowledged = sink.seq if flags & _ACK else 0
    ports = source.port, sink.port
    window, size = 0xFFFF, _TCP.size + len(data)
    segment = _TCP.pack(*ports, source.seq, acknowledged, 5 << 4, flags, window, 0, 0) + data
    pseudo = source.address + sink.address + struct.pack(">BBH", 0, 6, size)
    checksum = _checksum(pseudo + segment)
    segment = _TCP.pack(*ports, source.seq, acknowledged, 5 << 4, flags, window, checksum, 0) + data
    source.seq = (source.seq + len(data) + bool(flags & (_SYN | _FIN))) & 0xFFFFFFFF
    values = (0x45, 0, _IP.size + size, 0, 0x4000, 64, 6)
    header = _IP.pack(*values, 0, source.address, sink.address)
    return _IP.pack(*values, _checksum(header), source.address, sink.address) + segment


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
