"""Whether a worklist item matches a query, and the responses that it becomes (PS3.4 K.2.2, K.6.1).

A scheduled procedure step is one item of the worklist. So an entry with several steps becomes a
response for each step that matches, with that step alone in its sequence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from workers.archive import comparison_keys
from workers.archive.attributes import attribute_of
from workers.archive.condition_test import fulfils
from workers.archive.key_text import KeyTexts
from workers.archive.matching import BadIdentifier, Between, conditions
from workers.worklist.worklist_keys import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workers.archive.attributes import Attribute

    Test = Callable[[Dataset, KeyTexts], bool]

CHARACTER_SET = 0x00080005
_NO_KEYS = frozenset({CHARACTER_SET, 0x00080201})
"""Attributes that say how others are to be read: Specific Character Set, Timezone Offset."""
_MOMENTS = ((0x00400002, 0x00400003), (0x00400004, 0x00400005))
"""Scheduled Procedure Step Start, and End, Date and Time: two ranges are one (Table K.6-1)."""
_FIRST, _LAST = "", "~"
"""Before and after every time."""


class WorklistQuery:
    """The keys of an identifier; raises BadIdentifier for one that cannot be matched."""

    def __init__(self, identifier: Dataset, outer: KeyTexts | None = None) -> None:
        self._texts = texts = KeyTexts(identifier, outer)
        self._keys: list[int] = []
        self._tests: list[Test] = []
        self._inner: dict[int, WorklistQuery | None] = {}
        """The queries of items of sequences; None: the whole sequence is returned."""
        values: dict[int, str] = {}
        for tag in texts.tags():
            if tag in _NO_KEYS or not tag & 0xFFFF:
                continue
            self._keys.append(tag)
            if _vr(tag) == "SQ":
                self._add_sequence(tag, identifier, texts)
            else:
                values[tag] = texts.get(tag)
        self._add_values(values)

    @property
    def step(self) -> WorklistQuery | None:
        """The keys of the scheduled procedure step; None if there are none."""
        return self._inner.get(STEPS)

    def single(self, tag: int) -> str:
        """Return the value of a key of single value matching; empty if it is none."""
        text = self._texts.get(tag).strip(" \0")
        return "" if any(one in text for one in "*?\\") else text

    def days(self, tag: int) -> tuple[str, str]:
        """Return the first and the last day of a date key, as YYYYMMDD; empty: no bound."""
        for one in conditions(_attribute(tag), self._texts.get(tag)):
            if isinstance(one, Between):
                return one.low or "", one.high or ""
        return "", ""

    def responses(self, entry: Dataset) -> Iterator[Dataset]:
        """Yield the responses for an entry; none if it does not match."""
        texts = KeyTexts(entry)
        if not self._matches(entry, texts):
            return
        if STEPS not in self._keys:
            yield self._response(entry, texts, None)
            return
        inner, steps = self._inner.get(STEPS), _items(entry, STEPS)
        found = [one for one in steps if inner is None or inner._matches(one, KeyTexts(one, texts))]
        for step in found:
            yield self._response(entry, texts, step)
        if not found:
            yield self._response(entry, texts, None)

    def _response(self, entry: Dataset, texts: KeyTexts, step: Dataset | None) -> Dataset:
        found = self._of(entry, texts, step)
        for tag in _NO_KEYS:
            if tag in entry:
                found[tag] = entry[tag]
        return found

    def _matches(self, entry: Dataset, texts: KeyTexts) -> bool:
        return all(test(entry, texts) for test in self._tests)

    def _of(self, entry: Dataset, texts: KeyTexts, step: Dataset | None = None) -> Dataset:
        """Return what was asked for of an item that matches, and of its steps this one."""
        found = Dataset()
        for tag in self._keys:
            vr = _vr(tag)
            inner = self._inner.get(tag)
            if tag not in entry:
                found.add(DataElement(tag, vr, [] if vr == "SQ" else None))
            elif tag != STEPS and inner is None:
                found[tag] = entry[tag]
            elif tag == STEPS:
                items = [] if step is None else [step]
                found.add(DataElement(tag, vr, _asked(items, inner, texts)))
            else:
                found.add(DataElement(tag, vr, _asked(_items(entry, tag), inner, texts)))
        return found

    def _add_values(self, values: dict[int, str]) -> None:
        for date, time in _MOMENTS:
            if _is_range(values.get(date, ""), comparison_keys.date_key) and _is_range(
                values.get(time, ""), comparison_keys.time_key
            ):
                self._tests.append(_within(date, values.pop(date), time, values.pop(time)))
        for tag, text in values.items():
            attribute = _attribute(tag)
            for condition in conditions(attribute, text):
                self._tests.append(
                    lambda _, texts, attribute=attribute, condition=condition: fulfils(  # type: ignore[misc]
                        attribute, texts.get(attribute.tag), condition
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
            self._tests.append(
                lambda entry, texts: any(
                    inner._matches(one, KeyTexts(one, texts)) for one in _items(entry, tag)
                )
            )


def _asked(items: Iterable[Dataset], query: WorklistQuery | None, outer: KeyTexts) -> list[Dataset]:
    """Return what was asked for of the items of a sequence that match."""
    if query is None:
        return list(items)
    with_texts = ((one, KeyTexts(one, outer)) for one in items)
    return [query._of(one, texts) for one, texts in with_texts if query._matches(one, texts)]


def _is_range(text: str, key: Callable[[str], str | None]) -> bool:
    text = text.strip(" \0")
    return "-" in text and key(text) is None


def _within(date: int, days: str, time: int, times: str) -> Test:
    """Return the test for a range of dates and one of times that are one range of moments.

    A step with a date but no time matches if every time of that day would.
    """
    (day,) = conditions(_attribute(date), days)
    (hour,) = conditions(_attribute(time), times)
    assert isinstance(day, Between)
    assert isinstance(hour, Between)
    low = (day.low or "", hour.low or _FIRST)
    high = (day.high or _LAST, hour.high or _LAST)

    def test(_: Dataset, texts: KeyTexts) -> bool:
        on = comparison_keys.date_key(texts.get(date).strip(" \0"))
        at = comparison_keys.time_key(texts.get(time).strip(" \0"))
        return on is not None and low <= (on, at or _FIRST) and (on, at or _LAST) <= high

    return test


def _attribute(tag: int) -> Attribute:
    return attribute_of(keyword_for_tag(tag) or f"{tag:08X}", tag, _vr(tag))


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
