"""Encoded elements written exactly so, whatever pydicom would say of them."""

from __future__ import annotations

import struct

from gateway.datasets.element_steps import SHORT_VRS

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = (
    struct.pack("<HHL", 0xFFFE, number, 0) for number in (0xE000, 0xE00D, 0xE0DD)
)


def el(tag: int, vr: bytes, value: bytes = b"", length: int | None = None) -> bytes:
    """An element in explicit VR; VRs that PS3.5 does not define have a 32-bit length."""
    size = len(value) if length is None else length
    if vr in SHORT_VRS:
        return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, size) + value
    return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, size) + value


def implicit(tag: int, value: bytes = b"", length: int | None = None) -> bytes:
    """An element in implicit VR."""
    size = len(value) if length is None else length
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, size) + value


def uid(tag: int, text: str) -> bytes:
    """A UID, padded with a NUL (PS3.5 9.1)."""
    value = text.encode()
    return el(tag, b"UI", value + b"\0" * (len(value) % 2))
