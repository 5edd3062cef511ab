"""Headers that are like an earlier one, of which only the values that vary are read.

Instances of a series have the same elements, of the same lengths, and most of their values are the
same. So the bytes in front of the pixel data are remembered as a template, by the length of the
data set, with the places of the values that have varied so far. Where all that is between them is
the same again, only these values are new. If something else differs, the header is read as any
other, and what differed is one more value that varies. After a few instances the template fits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.archive.element_runs import WANTED

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    same: tuple[tuple[slice, bytes], ...]
    """What is between the values that vary."""
    places: frozenset[tuple[int, int]]
    """Begin and end of the values that vary."""
    varying: tuple[tuple[str, slice], ...]
    """The keywords and places of those of them that are wanted."""
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

    def find(self, data: bytes | memoryview) -> tuple[HeaderTemplate, bytes] | None:
        """Return the template that the header of a data set is like, and that header."""
        template = self._known.get(len(data))
        if template is None:
            return None
        head = bytes(data[: len(template.head)])
        for place, expected in template.same:
            if head[place] != expected:
                return None
        return template, head

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
        same, at = [], 0
        for element in varying:
            same.append(slice(at, element.begin))
            at = element.end
        same.append(slice(at, len(head)))
        if len(self._known) >= _MOST and before is None:
            self._known.clear()
        wanted = tuple((WANTED[e.tag], e.place) for e in varying if e.tag in WANTED)
        self._known[size] = HeaderTemplate(
            head,
            tuple((place, head[place]) for place in same),
            frozenset(places),
            wanted,
            OWN.issuperset(keyword for keyword, _ in wanted),
            raw,
            texts,
            lessons,
        )
