"""UIDs, dates and patient identifiers by a keyed function: HMAC-SHA-256.

The same key gives the same values on every host and at any time, so that the instances of a study
stay together, and so do the studies of a patient. Without the key nobody can tell whether a value
belongs to a patient that they have in mind.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import date, timedelta

LONGEST_SHIFT = 3650
"""Days by which dates of a patient are earlier, at most."""
_STANDARD = "1.2.840.10008."
"""The UIDs that the standard defines, which identify nobody (PS3.6 annex A)."""
_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
"""With dots: ACR-NEMA (PS3.5 6.2, DA)."""


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """What stands in place of UIDs, patients and dates under one key."""

    key: bytes

    def uid(self, uid: str) -> str:
        """Return the UID in place of another (PS3.5 B.2); one of the standard stays."""
        text = uid.strip(" \0")
        if not text or text.startswith(_STANDARD):
            return text
        number = int.from_bytes(self._digest("uid", text)[:16], "big")
        number = number & ~(0xF << 76) | (
            8 << 76
        )  # version 8 of RFC 9562: made in a way of its own
        number = number & ~(0x3 << 62) | (0x2 << 62)
        return f"2.25.{number}"

    def patient(self, patient_id: str) -> str:
        """Return the identifier in place of a Patient ID: 16 hexadecimal digits."""
        return self._digest("patient", patient_id)[:8].hex().upper()

    def days(self, patient_id: str) -> int:
        """Return by how many days the dates of a patient are earlier: 1 to LONGEST_SHIFT."""
        number = int.from_bytes(self._digest("dates", patient_id)[:8], "big")
        return 1 + number % LONGEST_SHIFT

    def _digest(self, purpose: str, text: str) -> bytes:
        return hmac.digest(self.key, f"{purpose}\0{text}".encode(), "sha256")


def earlier(text: str, days: int) -> str:
    """Return a DA or DT value so many days earlier; its time of day and offset stay.

    A value without a day, or without sense, is empty: what it says cannot be moved.
    """
    found = _DATE.match(text.strip(" \0"))
    if found is None:
        return ""
    try:
        moved = date(*map(int, found.groups())) - timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    rest = text.strip(" \0")[found.end() :]
    if not re.fullmatch(r"(\d{2,6}(\.\d{1,6})?)?([+-]\d{4})?", rest):
        return ""
    return f"{moved:%Y%m%d}".rjust(8, "0") + rest
