"""The status of a response in words, and text of a peer that is safe to print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.dimse.services import service_of
from gateway.dimse.status import category

if TYPE_CHECKING:
    from gateway.dimse.message import Response


def describe_status(sop_class_uid: str, response: Response) -> str:
    """Return the status of a response in the words of its service (PS3.7 annex C, PS3.4)."""
    status = response.status
    known = service_of(sop_class_uid).status(status)
    kind = known[0] if known else category(status)
    words = kind.value.lower()
    if known and known[1].lower() != words:
        words += f": {known[1]}"
    comment = response.error_comment
    told = f', the peer says "{printable(comment)}"' if comment else ""
    return f"{words} (status 0x{status:04X}{told})"


def printable(text: str) -> str:
    """Return a peer's text with control characters escaped: none may forge a line of output."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
