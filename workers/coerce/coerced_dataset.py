"""A data set whose attributes are set and removed, also in items of its sequences.

A text that the character set of the data set does not have turns all of it into UTF-8. Before an
element of the data set itself changes, `note` is called with its tag and what was received of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from gateway.datasets.lenient_values import GOVERNED
from gateway.sdk import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydicom.dataelem import RawDataElement

    from gateway.attribute_paths import AttributePath, PathStep
    from gateway.coercion_rules import CoercedElement

UTF_8 = "ISO_IR 192"
_NUMBER = re.compile(r" *([+-]?\d*\.?\d*([eE][+-]?\d+)?)? *")
_PART_OF_A_CODEC = frozenset({"ISO_IR 6", "ISO_IR 13"})
"""Character sets of which Python's codec has more than they have."""
_UNKNOWN = "\ufffd"
_UNDECODED = frozenset({_UNKNOWN, "\x1b"})
"""What is in a text whose bytes are none in the character set of its data set."""


class _CoercedLevel(NamedTuple):
    """The data set, or an item in it, and the character set of its texts."""

    dataset: Dataset
    character_set: Any


class CoercedDataset:
    """A data set while rules are applied to it."""

    def __init__(
        self, dataset: Dataset, note: Callable[[int, RawDataElement | None], None]
    ) -> None:
        self.dataset = dataset
        self.is_changed = False
        self._note = note
        self._is_utf_8 = False
        self._received: dict[int, Any] = {}
        """Elements before their values were converted, by tag."""

    def remove(self, path: AttributePath) -> None:
        """Remove an attribute, in all items that the path names."""
        for level in self._levels(path):
            if path.tag in level.dataset:
                self._begin_change(path)
                del level.dataset[path.tag]

    def assign(self, element: CoercedElement, *, if_empty: bool = False) -> None:
        """Give an attribute a value; an item that is named by its number is made if it is missing.

        `if_empty`: only where the attribute is missing or empty. Raises DatasetError for a text
        that is in no character set together with the others.
        """
        path, wanted = element.path, _texts(element.value)
        levels = self._levels(path)
        for level in levels:
            current = _current(level.dataset, path.tag)
            if current != wanted and not (if_empty and any(current)):
                self._begin_change(path)
                self._put(level, element)
        if not levels and all(step.item is not None for step in path.steps):
            self._begin_change(path)
            self._put(self._made(path.steps), element)

    def _begin_change(self, path: AttributePath) -> None:
        self.is_changed = True
        self._note(path.outermost, self._received.get(path.outermost))

    def _put(self, level: _CoercedLevel, element: CoercedElement) -> None:
        self._make_encodable(level.character_set, "".join(_texts(element.value)))
        tag = element.path.tag
        level.dataset[tag] = DataElement(tag, element.vr, element.value)

    # items

    def _levels(self, path: AttributePath) -> list[_CoercedLevel]:
        """Return where a path leads to: the data set itself, or items that are there."""
        tag = path.outermost
        if tag in self.dataset and tag not in self._received:
            self._received[tag] = self.dataset.get_item(tag)
        levels = [self._root]
        for step in path.steps:
            levels = [item for level in levels for item in _items(level, step)]
        return levels

    @property
    def _root(self) -> _CoercedLevel:
        return _CoercedLevel(self.dataset, self.dataset.get("SpecificCharacterSet") or "")

    def _made(self, steps: tuple[PathStep, ...]) -> _CoercedLevel:
        """Return the item that these steps lead to, made with all before it."""
        level = self._root
        for step in steps:
            if not level.dataset.get(step.tag):
                level.dataset[step.tag] = DataElement(step.tag, "SQ", [])
            sequence = _sequence(level.dataset, step.tag)
            number = step.item or 0
            while len(sequence) <= number:
                sequence.append(Dataset())
            level = _inner(level, sequence[number])
        return level

    # character sets

    def _make_encodable(self, named: Any, text: str) -> None:
        """Give the data set the character set UTF-8 if that of a level does not have a text.

        Raises DatasetError if it has texts that their own does not have either.
        """
        if self._is_utf_8 or text.isascii() or named == UTF_8 or _has(named, text):
            return
        self.dataset.decode()
        for element in self.dataset.iterall():
            if element.VR in GOVERNED and not _UNDECODED.isdisjoint("".join(_texts(element.value))):
                raise DatasetError("a text is not in the Specific Character Set (0008,0005)")
        for dataset in _all_levels(self.dataset):
            if dataset is self.dataset or "SpecificCharacterSet" in dataset:
                dataset.SpecificCharacterSet = UTF_8
        self._is_utf_8 = True


def _sequence(place: Dataset, tag: int) -> Any:
    """Return the items of a sequence; raises DatasetError if it cannot be read."""
    text = f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is not a sequence"
    try:
        value = place[tag].value
    except Exception as error:  # whatever pydicom raises for bytes that are no sequence
        raise DatasetError(text) from error
    if value and not all(isinstance(item, Dataset) for item in value):
        raise DatasetError(text)
    return value


def _items(level: _CoercedLevel, step: PathStep) -> list[_CoercedLevel]:
    if step.tag not in level.dataset:
        return []
    found = list(_sequence(level.dataset, step.tag) or ())
    chosen = found if step.item is None else found[step.item : step.item + 1]
    return [_inner(level, item) for item in chosen]


def _inner(level: _CoercedLevel, item: Dataset) -> _CoercedLevel:
    return _CoercedLevel(item, item.get("SpecificCharacterSet") or level.character_set)


def _all_levels(dataset: Dataset) -> Iterator[Dataset]:
    yield dataset
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _all_levels(item)


def can_be_read(dataset: Dataset, tag: int) -> bool:
    """Return whether an element is a number or a text, if its VR says so."""
    values = _current(dataset, tag)
    if _UNKNOWN in values:
        return False
    vr = dataset[tag].VR
    if vr in ("DS", "IS"):
        return all(_NUMBER.fullmatch(one) for one in values)
    return vr not in GOVERNED or _UNDECODED.isdisjoint("".join(values))


def _current(dataset: Dataset, tag: int) -> list[str]:
    """Return the values of an element as texts; empty if it is missing, or cannot be read."""
    if tag not in dataset:
        return []
    try:
        value = dataset[tag].value
    except Exception:  # whatever pydicom raises for a value that makes no sense
        return [_UNKNOWN]
    return [] if value is None else _texts(value)


def _texts(value: Any) -> list[str]:
    return [str(one) for one in (value if isinstance(value, list | MultiValue) else [value])]


def _has(named: Any, text: str) -> bool:
    """Return whether a text is in a character set without code extensions."""
    if not named or isinstance(named, MultiValue) or named in _PART_OF_A_CODEC:
        return False
    try:
        text.encode(convert_encodings(named)[0])
    except (LookupError, UnicodeError):
        return False
    return True
