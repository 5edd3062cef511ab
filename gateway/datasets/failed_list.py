"""The identifier in the final response to a C-GET or C-MOVE (PS3.4 C.4.2.1.6, C.4.3.1.6)."""

from __future__ import annotations

import struct

from gateway.datasets.deflation import deflate
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

_TAG = (0x0008, 0x0058)
_LONGEST = 0xFFFE


def encode_failed_list(uids: list[str], transfer_syntax: str) -> bytes | None:
    """Return a data set of Failed SOP Instance UID List alone (PS3.5 7.1); None without UIDs."""
    if not uids:
        return None
    value = "\\".join(uids).encode("ascii", "replace")
    value += b"\0" * (len(value) % 2)
    if transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN:
        return struct.pack("<HHI", *_TAG, len(value)) + value
    order = ">" if transfer_syntax == EXPLICIT_VR_BIG_ENDIAN else "<"
    if len(value) <= _LONGEST:
        header = struct.pack(f"{order}HH2sH", *_TAG, b"UI", len(value))
    else:
        # UI has a length of 16 bits: what does not fit is sent as UN (PS3.5 6.2.2, note).
        header = struct.pack(f"{order}HH2sHI", *_TAG, b"UN", 0, len(value))
    encoded = header + value
    return deflate(encoded) if transfer_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN else encoded
