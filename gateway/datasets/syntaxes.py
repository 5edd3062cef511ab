"""The transfer syntaxes that differ only in the encoding of the data set (PS3.5 annex A)."""

from __future__ import annotations

from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

UNCOMPRESSED = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)
"""Transfer syntaxes that an instance is converted between, best first. Identifiers and the data
sets of the DIMSE-N services are encoded in one of these too."""

BASIC_SYNTAXES = UNCOMPRESSED[:2]
"""Transfer syntaxes that are proposed unless others are named: every peer accepts one of them."""


def usable_syntaxes(transfer_syntax: str) -> tuple[str, ...]:
    """Return the transfer syntaxes that an instance can be sent in, best first.

    Its own comes first; the others follow if it is one of UNCOMPRESSED.
    """
    others = UNCOMPRESSED if transfer_syntax in UNCOMPRESSED else ()
    return tuple(dict.fromkeys((transfer_syntax, *others)))
