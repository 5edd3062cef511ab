"""Elements that are read together, because the same ones were met before.

Instances of a series have the same elements, and most of them the same lengths. So elements of
short VRs that follow each other are remembered as a run, by the header of the first; where that
header is met again, two calls read all headers and all wanted values of the run, in place of a turn
of a loop for each element. If a header differs, since a value has another length, the run is cut
there: what follows becomes a run of its own, and after a few instances each element that varies
begins one.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from workers.archive.attributes import BY_TAG, SPECIFIC_CHARACTER_SET

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHORT_VRS = frozenset((b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO"))
SHORT_VRS |= frozenset((b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"))
"""Those whose length has two bytes (PS3.5 7.1.2)."""
CHARACTER_SET = "SpecificCharacterSet"
WANTED = {tag: attribute.keyword for tag, attribute in BY_TAG.items()}
WANTED[SPECIFIC_CHARACTER_SET] = CHARACTER_SET
"""The keywords of the elements to be found, by tag."""

SHORT_HEADER = Struct("<HH2sH").unpack_from
"""Group, number, VR and length."""
_MOST = 4096
"""Runs that are remembered."""


class Run(NamedTuple):
    """Elements that follow each other: short VRs, explicit little endian."""

    expected: tuple[bytes, ...]
    """The first eight bytes of each: tag, VR and length."""
    heads: Callable[[bytes, int], tuple[bytes, ...]]
    """Reads those."""
    keywords: tuple[str, ...]
    """Of the wanted ones."""
    values: Callable[[bytes, int], tuple[bytes, ...]]
    """Reads theirs."""
    length: int
    """Bytes of all."""

    @classmethod
    def of(cls, heads: Sequence[bytes]) -> Run:
        keywords, reads_heads, reads_values, total = [], "<", "<", 0
        for head in heads:
            group, number, _, length = SHORT_HEADER(head)
            reads_heads += f"8s{length}x"
            if keyword := WANTED.get(group << 16 | number):
                keywords.append(keyword)
                reads_values += f"8x{length}s"
            else:
                reads_values += f"{8 + length}x"
            total += 8 + length
        unpack_heads, unpack_values = (Struct(f).unpack_from for f in (reads_heads, reads_values))
        return cls(tuple(heads), unpack_heads, tuple(keywords), unpack_values, total)

    def common(self, heads: Sequence[bytes]) -> Run:
        """The part of it that begins like these, of which the first is the same."""
        pairs = zip(self.expected, heads, strict=True)
        return Run.of(self.expected[: next(n for n, (a, b) in enumerate(pairs) if a != b)])


_runs: dict[bytes, Run] = {}
"""By the header of the first element."""

known = _runs.get


def remember(run: Run) -> Run:
    """Have `known` return this run for its first header."""
    if len(_runs) >= _MOST:
        _runs.clear()
    _runs[run.expected[0]] = run
    return run
