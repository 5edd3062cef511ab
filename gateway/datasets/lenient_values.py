"""Convert the values of a data set, whatever they are, to what can be shown (needs pydicom).

pydicom raises errors for a number that is none, and leaves escape sequences of some character sets
in text. Here such a value becomes the text of its bytes, and the others are converted as ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement

from gateway.datasets.character_sets import CharacterSets, character_sets_of, decode

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SPECIFIC_CHARACTER_SET = 0x00080005
GOVERNED = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""Value representations that the Specific Character Set governs (PS3.5 6.1.2.2)."""
_ONE_VALUE = frozenset({"LT", "ST", "UT"})


def convert_values(dataset: Dataset, inherited: CharacterSets | None = None) -> None:
    """Convert each value of a decoded data set, those of its sequences included."""
    sets = inherited
    if sets is None or SPECIFIC_CHARACTER_SET in dataset:
        sets = declared_sets(dataset)
    for tag in list(dataset.keys()):
        element: Any = dataset.get_item(tag)
        if isinstance(element, RawDataElement):
            vr = element.VR if element.VR not in (None, "UN") else _own_vr(int(tag))
            if vr in GOVERNED:
                dataset[tag] = DataElement(tag, vr, _split(vr, text_of(element.value, sets, vr)))
                continue
        try:
            converted = dataset[tag]
            value = converted.value
        except Exception:  # whatever pydicom raises for a value that makes no sense
            dataset[tag] = DataElement(tag, "UT", text_of(element.value, sets, ""))
            continue
        if converted.VR == "SQ":
            for item in value:
                convert_values(item, sets)


def declared_sets(dataset: Dataset) -> CharacterSets:
    """Return the character sets that a data set declares, without converting the element."""
    if SPECIFIC_CHARACTER_SET not in dataset:
        return character_sets_of(None)
    element: Any = dataset.get_item(SPECIFIC_CHARACTER_SET)
    value = element.value
    if isinstance(value, bytes) or value is None:
        return character_sets_of(value)
    texts = [str(one) for one in value] if hasattr(value, "append") else [str(value)]
    return character_sets_of("\\".join(texts).encode("ascii", "replace"))


def text_of(raw: bytes | None, sets: CharacterSets, vr: str) -> str:
    """Return a value as text: bytes that its character set does not explain as ISO 8859-1."""
    raw = (raw or b"").rstrip(b"\0 ")
    try:
        return decode(raw, sets, is_name=vr == "PN")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _own_vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


def _split(vr: str, text: str) -> str | list[str]:
    return text.split("\\") if "\\" in text and vr not in _ONE_VALUE else text
