"""Runs of elements that are read together, because the same ones were read before.

Instances of a series have the same elements, most of them with the same lengths. So consecutive
elements whose header has eight bytes are remembered as a run, by the header of the first. When that
header occurs again, two calls read all headers and all wanted values of the run, which is faster
than a loop over the elements. If a header differs, because its value has another length, the run is
cut there and the rest becomes a run of its own. After a few instances each element of varying
length begins a run.
"""

from __future__ import annotations

import struct
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from gateway.datasets.element_steps import SHORT_VRS
from workers.archive.attributes import BY_TAG, SPECIFIC_CHARACTER_SET
from workers.archive.other_vrs import is_other

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHARACTER_SET = "SpecificCharacterSet"
WANTED = {tag: attribute.keyword for tag, attribute in BY_TAG.items()}
WANTED[SPECIFIC_CHARACTER_SET] = CHARACTER_SET
"""The keywords of the wanted elements, by tag."""

_EXPLICIT = Struct("<HH2sH").unpack_from
"""Group, number, VR and length."""
_IMPLICIT = Struct("<HHL").unpack_from
"""Group, number and length."""
MAX_RUN = 128
"""Elements of a run; a longer one continues as another run."""
MAX_LENGTH = 0xFFFF
"""Bytes of a value."""
_FIRST_GROUP, _PIXEL_GROUP = 0x0008, 0x7FE0
_PIXEL_GROUP_BYTES = _PIXEL_GROUP.to_bytes(2, "little")
_MOST = 1024
"""Runs that are kept: what a peer can fill memory with is bounded."""


class Run(NamedTuple):
    """Consecutive elements with headers of eight bytes, in little endian."""

    expected: tuple[bytes, ...]
    """The header of each element."""
    heads: Callable[[bytes, int], tuple[bytes, ...]]
    """Reads the headers."""
    keywords: tuple[str, ...]
    """The keywords of the wanted elements."""
    values: Callable[[bytes, int], tuple[bytes, ...]]
    """Reads the values of the wanted elements."""
    length: int
    """The length of all elements in bytes."""
    last: int
    """The tag of the last element."""


class ValuePlace(NamedTuple):
    """The place of a value."""

    tag: int
    begin: int
    end: int

    @property
    def place(self) -> slice:
        return slice(self.begin, self.end)


class Runs:
    """The runs of one encoding, by the header of their first element."""

    def __init__(self, *, explicit: bool) -> None:
        self.is_explicit = explicit
        self._runs: dict[bytes, Run] = {}

    def skim(self, found: dict[str, bytes], data: bytes, at: int, tag: int) -> tuple[int, int]:
        """Put the wanted values of ordinary elements into `found`; see `Skim` for the rest."""
        known = self._runs.get
        while (run := known(data[at : at + 8])) is not None:
            try:
                heads = run.heads(data, at)
                if heads != run.expected:
                    run = self._remember(_common(run.expected, heads))
                found.update(zip(run.keywords, run.values(data, at), strict=True))
            except struct.error:  # the run is longer than the rest of the data
                break
            at += run.length
            tag = run.last
        if data[at : at + 2] == _PIXEL_GROUP_BYTES:  # mostly: nothing to learn
            return at, tag
        return self._learn(found, data, at, tag)

    def elements(self, data: bytes, end: int) -> list[ValuePlace]:
        """Return the places of the values of ordinary elements that fill `data` up to `end`."""
        found, at = [], 0
        while at < end:
            group, number, length = self._header(data, at)
            found.append(ValuePlace(group << 16 | number, at + 8, at + 8 + length))
            at += 8 + length
        return found

    def _learn(self, found: dict[str, bytes], data: bytes, at: int, tag: int) -> tuple[int, int]:
        """Read elements one by one, and remember them as a run."""
        heads, end = [], len(data)
        while at + 8 <= end:
            group, number, length = self._header(data, at)
            after = at + 8 + length
            if length > MAX_LENGTH or after > end or not _FIRST_GROUP <= group < _PIXEL_GROUP:
                break
            heads.append(data[at : at + 8])
            tag = group << 16 | number
            if keyword := WANTED.get(tag):
                found[keyword] = data[at + 8 : after]
            at = after
        if heads:
            self._remember(heads[:MAX_RUN])
        return at, tag

    def _header(self, data: bytes, at: int) -> tuple[int, int, int]:
        """Return group, number and length, which is too long if the header is not ordinary."""
        if not self.is_explicit:
            return _IMPLICIT(data, at)
        group, number, vr, length = _EXPLICIT(data, at)
        attribute = BY_TAG.get(group << 16 | number)
        is_ordinary = vr in SHORT_VRS and not (attribute and is_other(attribute, vr.decode()))
        return group, number, length if is_ordinary else MAX_LENGTH + 1

    def _remember(self, heads: Sequence[bytes]) -> Run:
        """Store a run of elements with these headers, and return it."""
        if len(self._runs) >= _MOST:
            self._runs.clear()
        run = self._runs[heads[0]] = self._run_of(heads)
        return run

    def _run_of(self, heads: Sequence[bytes]) -> Run:
        keywords, reads_heads, reads_values, total, tag = [], "<", "<", 0, 0
        for head in heads:
            group, number, length = self._header(head, 0)
            tag = group << 16 | number
            reads_heads += f"8s{length}x"
            if keyword := WANTED.get(tag):
                keywords.append(keyword)
                reads_values += f"8x{length}s"
            else:
                reads_values += f"{8 + length}x"
            total += 8 + length
        unpack_heads, unpack_values = (Struct(f).unpack_from for f in (reads_heads, reads_values))
        return Run(tuple(heads), unpack_heads, tuple(keywords), unpack_values, total, tag)


def _common(expected: Sequence[bytes], heads: Sequence[bytes]) -> Sequence[bytes]:
    """Return the part before the first header that differs; the first must be equal."""
    pairs = zip(expected, heads, strict=True)
    return expected[: next(n for n, (a, b) in enumerate(pairs) if a != b)]


EXPLICIT, IMPLICIT = Runs(explicit=True), Runs(explicit=False)
