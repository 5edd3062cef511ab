"""Whether a worklist item matches a query, and the response that it becomes (PS3.4 K.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from workers.archive.attributes import attribute_of
from workers.archive.condition_test import fulfils
from workers.archive.key_text import KeyTexts
from workers.archive.matching import BadIdentifier, conditions

if TYPE_CHECKING:
    from collections.abc import Callable

CHARACTER_SET = 0x00080005
_NO_KEYS = frozenset({CHARACTER_SET, 0x00080201})
"""Attributes that say how others are to be read: Specific Character Set, Timezone Offset."""


class WorklistQuery:
    """The keys of an identifier; raises BadIdentifier for one that cannot be matched."""

    def __init__(self, identifier: Dataset, outer: KeyTexts | None = None) -> None:
        texts = KeyTexts(identifier, outer)
        self._keys: list[int] = []
        self._tests: list[Callable[[Dataset], bool]] = []
        self._inner: dict[int, WorklistQuery | None] = {}
        """The queries of items of sequences; None: the whole sequence is returned."""
        for tag in texts.tags():
            if tag in _NO_KEYS or not tag & 0xFFFF:
                continue
            self._keys.append(tag)
            if _vr(tag) == "SQ":
                self._add_sequence(tag, identifier, texts)
            else:
                self._add_value(tag, texts.get(tag))

    def response(self, entry: Dataset) -> Dataset | None:
        """Return the response for a worklist item; None if it does not match."""
        if not self._matches(entry):
            return None
        found = self._of(entry)
        if CHARACTER_SET in entry:
            found[CHARACTER_SET] = entry[CHARACTER_SET]
        return found

    def _matches(self, entry: Dataset) -> bool:
        return all(test(entry) for test in self._tests)

    def _of(self, entry: Dataset) -> Dataset:
        """Return what was asked for of an item that matches."""
        found = Dataset()
        for tag in self._keys:
            vr = _vr(tag)
            if tag not in entry:
                found.add(DataElement(tag, vr, [] if vr == "SQ" else None))
            elif (inner := self._inner.get(tag)) is None:
                found[tag] = entry[tag]
            else:
                items = _items(entry, tag)
                found.add(DataElement(tag, vr, [inner._of(o) for o in items if inner._matches(o)]))
        return found

    def _add_value(self, tag: int, text: str) -> None:
        attribute = attribute_of(keyword_for_tag(tag) or f"{tag:08X}", tag, _vr(tag))
        for condition in conditions(attribute, text):
            self._tests.append(
                lambda entry, condition=condition: fulfils(  # type: ignore[misc]
                    attribute, KeyTexts(entry).get(tag), condition
                )
            )

    def _add_sequence(self, tag: int, identifier: Dataset, texts: KeyTexts) -> None:
        items = _items(identifier, tag)
        if len(items) > 1:
            raise BadIdentifier(tag, "has more than one item")
        if not items or not len(items[0]):
            return
        inner = self._inner[tag] = WorklistQuery(items[0], texts)
        if inner._tests:
            self._tests.append(lambda entry: any(inner._matches(one) for one in _items(entry, tag)))


def _vr(tag: int) -> str:
    try:
        return dictionary_VR(tag).split(" ")[0]
    except KeyError:
        return "UN"


def _items(data_set: Dataset, tag: int) -> list[Dataset]:
    """Return the items of a sequence; raises BadIdentifier for what is none."""
    if tag not in data_set:
        return []
    try:
        value: Any = data_set[tag].value
    except Exception:  # whatever pydicom raises for bytes that are no sequence
        raise BadIdentifier(tag, "is no sequence") from None
    if value is None or value == b"":
        return []
    if not all(isinstance(one, Dataset) for one in value):
        raise BadIdentifier(tag, "is no sequence")
    return list(value)
