"""The texts of keys in an identifier, whatever VR they came in (PS3.4 C.2.2.2).

pydicom's conversion of a value raises errors for what is no value of the VR, and leaves escape
sequences in text. So a key is read from its bytes, as values are for the index. A key in another
VR than the dictionary's means the same value in other letters: a number, a date with a time, text.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement

from workers.archive.attributes import SPECIFIC_CHARACTER_SET
from workers.archive.character_sets import CharacterSets, character_sets_of, decode
from workers.archive.comparison_keys import TEXT_VRS
from workers.archive.matching import BadIdentifier
from workers.archive.stored_text import is_text, unread

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

_INTEGERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q"}
_NUMBERS = {**_INTEGERS, "FL": "f", "FD": "d"}
"""The formats of binary numbers by VR."""
_GOVERNED = TEXT_VRS | {"LT", "ST", "UC", "UT"}
"""Value representations that the Specific Character Set governs (PS3.5 6.1.2.2)."""
_WHOLE_NUMBER = re.compile(r"([+-]?\d+)\.0*")
_DATE_AND_TIME = re.compile(r"(\d{8})(\d[\d.]*)")


class KeyTexts:
    """The keys of an identifier as text."""

    def __init__(self, identifier: Dataset) -> None:
        self._identifier = identifier
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
        if vr in _NUMBERS:
            text = _numbers(tag, raw, _NUMBERS[vr], little=element.is_little_endian)
        else:
            is_governed = not _GOVERNED.isdisjoint((vr, own))
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
        if self._sets is None:
            value: Any = None
            if SPECIFIC_CHARACTER_SET in self._identifier:
                value = self._element(SPECIFIC_CHARACTER_SET).value
            if value is not None and not isinstance(value, bytes):
                value = (value if isinstance(value, str) else "\\".join(value)).encode()
            self._sets = character_sets_of(value)
        return self._sets


def _own_vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _numbers(tag: int, raw: bytes, letter: str, *, little: bool) -> str:
    form = f"{'<' if little else '>'}{letter}"
    if len(raw) % struct.calcsize(form):
        raise BadIdentifier(tag, "has a number of the wrong length")
    return "\\".join(str(number) for (number,) in struct.iter_unpack(form, raw))


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
