"""Where the pixel data of an encoded data set is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.datasets.element_steps import PIXEL_DATA, ElementWalk, Encoding, Token

if TYPE_CHECKING:
    from gateway.datasets.byte_sources import Source
    from gateway.datasets.element_steps import ElementStep

_EXPLICIT = Encoding(is_explicit=True, is_little=True)
_HEADER = 12
"""Bytes of the header of an element with a VR of OB, OW, OF, OD or UN (PS3.5 7.1.2)."""
_FLOAT = (0x7FE00008, 0x7FE00009)
_DEEPER = {
    Token.SEQUENCE: 1,
    Token.ITEM: 1,
    Token.FRAGMENTS: 1,
    Token.SEQUENCE_END: -1,
    Token.ITEM_END: -1,
    Token.FRAGMENTS_END: -1,
}


@dataclass(slots=True)
class PixelElement:
    """Pixel Data, Float Pixel Data or Double Float Pixel Data, and where it is."""

    begin: int
    """Of its header."""
    at: int
    """Of its value, or of its first item."""
    end: int
    length: int
    is_encapsulated: bool
    is_float: bool
    has_nested: bool = False
    """Whether a sequence has encapsulated pixel data as well, as that of an icon."""


def find_pixel_element(source: Source) -> PixelElement | None:
    """Return the pixel data of a data set in explicit VR little endian; None if it has none.

    Raises UnreadableDataSet for one that cannot be read to its end, and OSError.
    """
    found: PixelElement | None = None
    depth, has_nested = 0, False
    for step in ElementWalk(source, _EXPLICIT):
        depth += _DEEPER.get(step.token, 0)
        if step.token is Token.FRAGMENTS and depth > 1:
            has_nested = True
        elif found is not None and step.token is Token.FRAGMENTS_END and not depth:
            found.end = step.at
        elif (element := _element(step)) is not None and depth <= 1 and found is None:
            if step.token is Token.VALUE and depth:
                continue
            found = element
    if found is not None:
        found.has_nested = has_nested
    return found


def _element(step: ElementStep) -> PixelElement | None:
    is_float = step.tag in _FLOAT
    if not is_float and step.tag != PIXEL_DATA:
        return None
    if step.token is Token.VALUE:
        end = step.at + step.length
        return PixelElement(step.at - _HEADER, step.at, end, step.length, False, is_float)
    if step.token is Token.FRAGMENTS:
        return PixelElement(step.at - _HEADER, step.at, 0, 0, True, is_float)
    return None
