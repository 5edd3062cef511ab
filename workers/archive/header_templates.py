"""Headers that are like an earlier one, of which only the values that vary are read.

Instances of a series have the same elements, of the same lengths, and most of their values are the
same. So the bytes in front of the pixel data are remembered as a template, by the length of the
data set, with the places of the values that have varied so far. Where all that is between them is
the same again, only these values are new. If something else differs, the header is read as any
other, and what differed is one more value that varies. After a few instances the template fits.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from workers.archive.element_runs import WANTED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workers.archive.element_runs import ValuePlace
    from workers.archive.header import HeaderValues

OWN = frozenset({"SOPInstanceUID", "InstanceNumber"})
"""What each instance has for itself."""
_MOST = 64
"""HeaderTemplates that are kept: what a peer can fill memory with is bounded."""
_LESSONS = 32
"""Times that a template is made anew; where headers differ in other ways, that leads nowhere."""


class HeaderTemplate(NamedTuple):
    """The bytes of a header, and where it varies."""

    head: bytes
    """The last header that was read element by element."""
    cut: Callable[[bytes | memoryview, int], tuple[bytes, ...]]
    """Cuts a header into pieces: between the values that vary, and these, in turn."""
    same: tuple[bytes, ...]
    """What is between the values that vary: the first, third, ... of the pieces."""
    places: frozenset[tuple[int, int]]
    """Begin and end of the values that vary."""
    varying: tuple[tuple[str, int], ...]
    """The keywords of those of them that are wanted, and the numbers of their pieces."""
    is_shared: bool
    """Whether all but `OWN` have the texts of `head`."""
    raw: dict[str, bytes]
    """The wanted values of `head`."""
    texts: HeaderValues
    """Their texts."""
    lessons: int


class HeaderTemplates:
    """The templates of one encoding, by the length of the data set."""

    def __init__(self) -> None:
        self._known: dict[int, HeaderTemplate] = {}

    def find(
        self, data: bytes | memoryview, size: int
    ) -> tuple[HeaderTemplate, tuple[bytes, ...]] | None:
        """Return the template that the header of a data set is like, and the header's pieces.

        `data`: the first bytes of the data set, as many as of an earlier one of this `size`.
        """
        template = self._known.get(size)
        if template is None:
            return None
        pieces = template.cut(data, 0)
        return (template, pieces) if pieces[::2] == template.same else None

    def can_learn(self, size: int) -> bool:
        """Return whether a data set of this length, which is like no template, makes one."""
        template = self._known.get(size)
        return template is None or template.lessons < _LESSONS

    def learn(
        self,
        size: int,
        head: bytes,
        elements: Sequence[ValuePlace],
        raw: dict[str, bytes],
        texts: HeaderValues,
    ) -> None:
        """Make a template of a header that was read element by element."""
        before = self._known.get(size)
        places: set[tuple[int, int]] = set()
        lessons = 0 if before is None else before.lessons + 1
        if before is not None and len(before.head) == len(head):
            old = before.head
            places.update(before.places)
            places.update((e.begin, e.end) for e in elements if old[e.place] != head[e.place])
        places.update((e.begin, e.end) for e in elements if WANTED.get(e.tag) in OWN)
        if not places <= {(e.begin, e.end) for e in elements}:  # the elements are others
            places = {(e.begin, e.end) for e in elements if WANTED.get(e.tag) in OWN}
        varying = [e for e in elements if (e.begin, e.end) in places]
        reads, at = "", 0
        for element in varying:
            reads += f"{element.begin - at}s{element.end - element.begin}s"
            at = element.end
        cut = Struct(f"{reads}{len(head) - at}s").unpack_from
        if len(self._known) >= _MOST and before is None:
            self._known.clear()
        wanted = tuple(
            (WANTED[e.tag], 2 * number + 1) for number, e in enumerate(varying) if e.tag in WANTED
        )
        self._known[size] = HeaderTemplate(
            head,
            cut,
            cut(head, 0)[::2],
            frozenset(places),
            wanted,
            OWN.issuperset(keyword for keyword, _ in wanted),
            raw,
            texts,
            lessons,
        )
