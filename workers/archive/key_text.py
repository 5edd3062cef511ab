"""The texts of keys in an identifier, whatever VR they came in (PS3.4 C.2.2.2).

pydicom's conversion of a value raises errors for what is no value of the VR, and leaves escape
sequences in text. So a key is read from its bytes, as values are for the index. A key in another
VR than the dictionary's means the same value in other letters: a number, a date with a time, text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement

from gateway.datasets.character_sets import CharacterSets, decode
from gateway.datasets.lenient_values import GOVERNED, declared_sets
from workers.archive.matching import BadIdentifier
from workers.archive.other_vrs import NUMBER_VRS, number_text
from workers.archive.stored_text import is_text, unread

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

_WHOLE_NUMBER = re.compile(r"([+-]?\d+)\.0*")
_DATE_AND_TIME = re.compile(r"(\d{8})(\d[\d.]*)")


class KeyTexts:
    """The keys of an identifier as text."""

    def __init__(self, identifier: Dataset, outer: KeyTexts | None = None) -> None:
        """`outer`: the keys around those of a sequence's item, whose character sets hold there."""
        self._identifier = identifier
        self._outer = outer
        self._sets: CharacterSets | None = None

    def tags(self) -> list[int]:
        """Return the tags of all elements, in order."""
        return sorted(int(tag) for tag in self._identifier.keys())  # noqa: SIM118 - no mapping

    def get(self, tag: int) -> str:
        """Return a key as text, empty if it is absent; raises BadIdentifier for a sequence."""
        if tag not in self._identifier:
            return ""
        element = self._element(tag)
        if not isinstance(element, RawDataElement):
            return _text_of_value(tag, element)
        raw, own = element.value or b"", _own_vr(tag)
        vr = own if element.VR in (None, "UN") else str(element.VR)
        if vr == "SQ" and own != "SQ":
            if raw:
                raise BadIdentifier(tag, "is a sequence")
            return ""
        if vr in NUMBER_VRS:
            numbers = number_text(raw, vr, little=element.is_little_endian)
            if numbers is None:
                raise BadIdentifier(tag, "has a number of the wrong length")
            text = numbers
        else:
            is_governed = not GOVERNED.isdisjoint((vr, own))
            text = self._decoded(raw, is_name="PN" in (vr, own), is_governed=is_governed)
        return _in_words_of(own, vr, text)

    def _element(self, tag: int) -> Any:
        """Return an element, not converted; pydicom does that if it has no bytes of its own."""
        try:
            return self._identifier.get_item(tag)
        except Exception:  # whatever pydicom raises, as for an undefined length in another VR
            raise BadIdentifier(tag, "cannot be read") from None

    def _decoded(self, raw: bytes, *, is_name: bool, is_governed: bool) -> str:
        raw = raw.rstrip(b"\0")
        if not is_governed:
            return unread(raw)
        try:
            text = decode(raw, self._character_sets(), is_name=is_name)
        except UnicodeDecodeError:
            return unread(raw)
        return text if is_text(text) else unread(raw)

    def _character_sets(self) -> CharacterSets:
        if self._outer is not None and "SpecificCharacterSet" not in self._identifier:
            return self._outer._character_sets()
        if self._sets is None:
            self._sets = declared_sets(self._identifier)
        return self._sets


def _own_vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _in_words_of(own: str, vr: str, text: str) -> str:
    """Return the text of a key in VR `vr` as one of the attribute's own VR says the same."""
    if own in ("IS", "US"):
        return "\\".join(_WHOLE_NUMBER.sub(r"\1", part.strip()) for part in text.split("\\"))
    if own in ("DA", "TM") and vr == "DT":
        return _DATE_AND_TIME.sub(r"\1" if own == "DA" else r"\2", text)
    return text


def _text_of_value(tag: int, element: DataElement) -> str:
    """Return the value of an element that is converted already."""
    value = element.value
    if value is None or (element.VR == "SQ" and not value):
        return ""
    if element.VR == "SQ":
        raise BadIdentifier(tag, "is a sequence")
    if isinstance(value, bytes):
        return unread(value)
    if hasattr(value, "append"):
        return "\\".join("" if one is None else str(one) for one in value)
    return str(value)
