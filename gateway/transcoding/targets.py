"""The transfer syntaxes that pixel data is transcoded from and to, and the order of choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.datasets import UNCOMPRESSED
from gateway.datasets.syntaxes import usable_syntaxes
from gateway.uid import KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

_JPEG_2000 = ("JPEG2000Lossless", "JPEG2000", "HTJ2KLossless", "HTJ2KLosslessRPCL", "HTJ2K")
BY_JPEG_2000 = tuple(KEYWORDS[name] for name in _JPEG_2000)
_BY_JPEG = ("JPEGBaseline8Bit", "JPEGExtended12Bit", "JPEGLossless", "JPEGLosslessSV1")
RLE_LOSSLESS = KEYWORDS["RLELossless"]
JPEG_LS_LOSSLESS = KEYWORDS["JPEGLSLossless"]
JPEG_LS_NEAR_LOSSLESS = KEYWORDS["JPEGLSNearLossless"]
JPEG_2000_LOSSLESS = KEYWORDS["JPEG2000Lossless"]
JPEG_2000 = KEYWORDS["JPEG2000"]
JPEG_LOSSY = KEYWORDS["JPEGBaseline8Bit"], KEYWORDS["JPEGExtended12Bit"]

DECODED = frozenset(
    KEYWORDS[name]
    for name in (*_BY_JPEG, *_JPEG_2000, "JPEGLSLossless", "JPEGLSNearLossless", "RLELossless")
)
"""Compressed transfer syntaxes that are decompressed."""
LOSSLESS = (JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS, RLE_LOSSLESS)
"""What is compressed to without loss, best first."""
LOSSY = (JPEG_2000, JPEG_LS_NEAR_LOSSLESS)
"""What is compressed to with loss, and only where the configuration says so."""


@dataclass(frozen=True, slots=True)
class Target:
    """What becomes of an instance."""

    transfer_syntax: str
    ratio: float = 0.0
    """Of JPEG 2000 with loss: by how much it is compressed, as 10.0."""
    error: int = 0
    """Of JPEG-LS near-lossless: by how much a sample may differ."""

    @property
    def is_lossy(self) -> bool:
        """Whether samples may differ from those of the source."""
        return self.transfer_syntax in LOSSY


def is_decoded(transfer_syntax: str) -> bool:
    """Return whether instances in a transfer syntax can be transcoded at all."""
    return transfer_syntax in DECODED or transfer_syntax in UNCOMPRESSED


def candidates(own: str, wanted: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the transfer syntaxes that an instance can be sent in, best first.

    Those that are wanted come first, then its own, then those that are uncompressed, and last what
    it is compressed to without loss. One that cannot be decoded is only sent as it is.
    """
    if not is_decoded(own):
        return usable_syntaxes(own)
    possible = {own, *UNCOMPRESSED, *LOSSLESS, *LOSSY}
    first = [syntax for syntax in wanted if syntax in possible]
    return tuple(dict.fromkeys((*first, own, *UNCOMPRESSED, *LOSSLESS)))
