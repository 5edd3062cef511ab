"""Runs of elements that are read together, because the same ones were read before.

Instances of a series have the same elements, most of them with the same lengths. So consecutive
elements with a short length field are remembered as a run, by the header of the first. When that
header occurs again, two calls read all headers and all wanted values of the run, which is faster
than a loop over the elements. If a header differs, because its value has another length, the run is
cut there and the rest becomes a run of its own. After a few instances each element of varying
length begins a run.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from workers.archive.attributes import BY_TAG, SPECIFIC_CHARACTER_SET

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHORT_VRS = frozenset((b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO"))
SHORT_VRS |= frozenset((b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"))
"""The VRs with a length field of two bytes (PS3.5 7.1.2)."""
CHARACTER_SET = "SpecificCharacterSet"
WANTED = {tag: attribute.keyword for tag, attribute in BY_TAG.items()}
WANTED[SPECIFIC_CHARACTER_SET] = CHARACTER_SET
"""The keywords of the wanted elements, by tag."""

SHORT_HEADER = Struct("<HH2sH").unpack_from
"""Group, number, VR and length."""
MAX_RUN = 128
"""Elements of a run; a longer one continues as another run."""
_MOST = 1024
"""Runs that are kept: what a peer can fill memory with is bounded."""


class Run(NamedTuple):
    """Consecutive elements with short length fields, in explicit VR little endian."""

    expected: tuple[bytes, ...]
    """The header of each element: tag, VR and length in eight bytes."""
    heads: Callable[[bytes, int], tuple[bytes, ...]]
    """Reads the headers."""
    keywords: tuple[str, ...]
    """The keywords of the wanted elements."""
    values: Callable[[bytes, int], tuple[bytes, ...]]
    """Reads the values of the wanted elements."""
    length: int
    """The length of all elements in bytes."""

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
        """Return the part before the first header that differs; the first must be equal."""
        pairs = zip(self.expected, heads, strict=True)
        return Run.of(self.expected[: next(n for n, (a, b) in enumerate(pairs) if a != b)])


_runs: dict[bytes, Run] = {}
"""Runs by the header of their first element."""

known = _runs.get


def remember(run: Run) -> Run:
    """Store a run under its first header, for `known`, and return it."""
    if len(_runs) >= _MOST:
        _runs.clear()
    _runs[run.expected[0]] = run
    return run
