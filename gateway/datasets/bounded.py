"""Data sets of requests, decoded within bounds: what a peer sends costs a bounded time and memory.

A megabyte may inflate to a gigabyte, or have a hundred thousand elements, each of which is an
object once it is decoded. So a data set is walked over before, header by header, without decoding
(needs pydicom).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

from pydicom.datadict import dictionary_has_tag, dictionary_VR

from gateway.datasets.byte_sources import BytesSource
from gateway.datasets.coding import decode
from gateway.datasets.deflation import inflate
from gateway.datasets.element_steps import ElementWalk, Token
from gateway.datasets.encoded import encoding_of
from gateway.datasets.errors import DatasetError
from gateway.datasets.reencoding import with_known_vrs
from gateway.uid import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from gateway.datasets.element_steps import ElementStep

_COUNTED = (Token.VALUE, Token.SEQUENCE, Token.ITEM)
_DEEPER = {Token.SEQUENCE: 1, Token.SEQUENCE_END: -1}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the data set of a request may be."""

    inflated: int
    """Bytes, after inflating a deflated one."""
    elements: int
    """Elements and items, those of sequences included."""
    depth: int
    """Sequences in each other."""


IDENTIFIER = Bounds(4 << 20, 4096, 16)
"""For a C-FIND, C-GET or C-MOVE."""
DATA_SET = Bounds(64 << 20, 200_000, 64)
"""For an N-service: a commitment names all instances of a study, with two elements each."""


def decode_bounded(data: bytes, transfer_syntax: str, bounds: Bounds) -> Dataset:
    """Return the data set of a request as `decode` does; raise DatasetError if it is out of bounds.

    It is an UnreadableDataSet if it cannot be read to its end: what is left of a cut identifier
    could ask for something else. A deflated one is inflated up to the bound only.
    """
    if transfer_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        data = inflate(BytesIO(data), bounds.inflated)
        transfer_syntax = EXPLICIT_VR_LITTLE_ENDIAN
    encoding = encoding_of(transfer_syntax)
    for _ in range(bounds.depth + 2):
        source = BytesSource(data)
        walk = ElementWalk(source, encoding, _is_sequence)
        _check(walk, bounds, is_explicit=encoding.is_explicit)
        if not walk.has_unknown_vrs:
            return decode(data, transfer_syntax)
        # pydicom loses what follows; what becomes UN here may be a sequence by its tag, which
        # pydicom reads, so its items are looked at as well
        data = b"".join(with_known_vrs(source, encoding))
    raise DatasetError("the data set has too many sequences without a valid VR")


def _check(steps: ElementWalk, bounds: Bounds, *, is_explicit: bool) -> None:
    count = depth = 0
    is_first = not is_explicit
    for step in steps:
        if is_first and not step.vr and _reads_as_vr(step.length):
            raise DatasetError("the length of its first element would be taken for a VR")
        is_first = is_explicit and step.token is Token.ITEM
        count += step.token in _COUNTED
        depth += _DEEPER.get(step.token, 0)
        if count > bounds.elements:
            raise DatasetError(f"the data set has more than {bounds.elements} elements")
        if depth > bounds.depth:
            raise DatasetError(f"the data set has more than {bounds.depth} nested sequences")


def _reads_as_vr(length: int) -> bool:
    """Return whether pydicom takes the bytes of a length in implicit VR for a VR.

    It looks at the first element of a data set in implicit VR, and of an item in a sequence that is
    UN in explicit VR. What it then reads are other elements than those that were counted.
    """
    return all(ord("A") <= one <= ord("Z") for one in (length & 0xFF, length >> 8 & 0xFF))


def _is_sequence(step: ElementStep) -> bool:
    return _is_sequence_tag(step.tag)


@lru_cache(maxsize=4096)
def _is_sequence_tag(tag: int) -> bool:
    return dictionary_has_tag(tag) and dictionary_VR(tag) == "SQ"
