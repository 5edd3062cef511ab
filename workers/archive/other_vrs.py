"""Values in another VR than that of their attribute: the same value in other letters."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.archive.attributes import Attribute

_FORMATS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
"""The formats of binary numbers by VR."""
NUMBER_VRS = frozenset(_FORMATS)


def number_text(raw: bytes, vr: str, *, little: bool) -> str | None:
    """Return binary numbers as text, joined by backslashes; None if the length does not fit."""
    form = f"{'<' if little else '>'}{_FORMATS[vr]}"
    if len(raw) % struct.calcsize(form):
        return None
    return "\\".join(str(number) for (number,) in struct.iter_unpack(form, raw))


def is_other(attribute: Attribute, vr: str) -> bool:
    """Return whether bytes in this VR mean something else than in the attribute's own."""
    return vr != attribute.vr and vr not in ("", "UN") and (vr in _FORMATS or attribute.vr == "US")


def in_own_vr(attribute: Attribute, vr: str, raw: bytes, *, little: bool) -> bytes:
    """Return the bytes that say the same in the attribute's VR; `raw` if there are none."""
    if not is_other(attribute, vr):
        return raw
    text = number_text(raw, vr, little=little) if vr in _FORMATS else raw.decode("latin-1")
    if text is None:
        return raw
    if attribute.vr != "US":
        return text.encode("latin-1")
    try:
        numbers = [int(float(part)) for part in text.rstrip("\0 ").split("\\")] if text else []
        return b"".join(struct.pack("<H" if little else ">H", number) for number in numbers)
    except (ValueError, OverflowError, struct.error):
        return raw
