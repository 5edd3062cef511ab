"""The walk over the elements of a data set, in which each one gets its action."""

from __future__ import annotations

from copy import copy
from numbers import Number
from typing import TYPE_CHECKING, Any

from pydicom.datadict import dictionary_has_tag, dictionary_VR, repeater_has_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from workers.deidentify import action_table as table
from workers.deidentify import clean_content
from workers.deidentify.action_table import AttributeAction as Action
from workers.deidentify.action_table import action_rows
from workers.deidentify.clean_text import cleaned, identifying_words
from workers.deidentify.declaration import OWN
from workers.deidentify.iod_types import decide
from workers.deidentify.keyed import earlier
from workers.deidentify.pixel_areas import NotCleaned
from workers.deidentify.private_elements import safe_tags
from workers.deidentify.replacements import TEXT, dummy, mapped

if TYPE_CHECKING:
    from workers.deidentify.action_table import ActionRow
    from workers.deidentify.profile import Profile

_PATIENT_NAME, _PATIENT_ID, _STUDY = 0x00100010, 0x00100020, 0x0020000D
_TEXTS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
_NUMBERS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
_ALIKE = (
    _TEXTS,
    _NUMBERS,
    frozenset({"OB", "OD", "OF", "OL", "OV", "OW"}),
)
"""Representations that may stand for each other."""
_DATES = frozenset({"DA", "DT", "TM"})
_DEEPEST = 100
"""Sequences within each other."""
_KINDS = (
    *("ClassUID", "SyntaxUID", "SchemeUID", "ContextUID", "ResourceUID", "CreatorUID"),
    *("SOPClassesInStudy", "SOPClassesInSeries", "SOPClassesSupported"),
)
"""Ends of the keywords of UIDs that name kinds of things, and no instance."""
_LEFT_OUT = OWN | {0x00080300, 0x04000500, 0x04000550}
"""Made anew, or left out: Private Data Element Characteristics, Encrypted and Modified Attributes.
"""
_CURVES, _OVERLAYS = range(0x5000, 0x5100), range(0x6000, 0x6100)


class AttributeWalk:
    """What is the same for all elements of one data set."""

    def __init__(self, dataset: Dataset, profile: Profile) -> None:
        self._profile = profile
        self._options = profile.options
        self._sop_class = str(dataset.get("SOPClassUID", ""))
        self._encoding = dataset.original_encoding
        patient, self._issuer = _patient_of(dataset), _issuer_of(dataset)
        self._pseudonym = profile.pseudonyms.patient(patient)
        self._days = profile.pseudonyms.days(patient)
        self._identifying = identifying_words(dataset) if profile.words else frozenset[str]()

    def walk(self, source: Dataset, depth: int = 0) -> Dataset:
        """Return what stays of a data set, or of an item; raises NotCleaned."""
        if depth > _DEEPEST:
            raise NotCleaned(f"its sequences are nested more than {_DEEPEST} deep")
        made, kept = Dataset(), self._kept_besides(source)
        for tag in sorted(map(int, source.keys())):
            if tag in kept or _is_public(tag):
                found = self._element(source, tag, depth)
                if found is not None:
                    made[tag] = found
        clean_content.remove_birth_date(source, made)
        return made

    def _kept_besides(self, source: Dataset) -> frozenset[int]:
        """Return the tags of safe private elements, and of overlays that stay."""
        kept: frozenset[int] = frozenset()
        if table.SAFE_PRIVATE in self._options:
            kept |= safe_tags(source, self._profile.safe_private)
        if table.CLEAN_GRAPHICS in self._options:
            groups = clean_content.overlays_to_keep(source)
            overlays = (tag for tag in map(int, source.keys()) if tag >> 16 in groups)
            kept |= {
                tag
                for tag in overlays
                if repeater_has_tag(tag) and not clean_content.is_overlay_text(tag)
            }
        return kept

    def _element(self, source: Dataset, tag: int, depth: int) -> Any:
        """Return what stands in place of an element; None: nothing."""
        raw: Any = source.get_item(tag)
        element = None if tag in self._profile.remove else _readable(source, tag)
        if element is None:
            return None
        if tag in (_PATIENT_NAME, _PATIENT_ID):
            return self._patient(source, element, depth)
        row = action_rows().get(tag)
        action = self._action(row, element, depth)
        if action is Action.CLEAN:
            changed = self._clean(element, depth)
            if changed is not None or row is None:
                return changed
            action = self._basic(row, depth)
        if action is Action.KEEP and element.VR != "SQ":
            return raw if self._stays_raw(raw) else copy(element)
        return self._changed(element, action, depth)

    def _stays_raw(self, raw: Any) -> bool:
        """Return whether an element keeps its bytes: it is encoded as the data set will be."""
        if not isinstance(raw, RawDataElement):
            return False
        return (raw.is_implicit_VR, raw.is_little_endian) == self._encoding

    def _action(self, row: ActionRow | None, element: DataElement, depth: int) -> Action:
        if row is None:
            return self._unlisted(element)
        actions = row.action(self._options)
        return decide(actions, row.keyword, self._sop_class, is_nested=depth > 0)

    def _basic(self, row: ActionRow, depth: int) -> Action:
        return decide(row.basic, row.keyword, self._sop_class, is_nested=depth > 0)

    def _unlisted(self, element: DataElement) -> Action:
        """Return the action for an attribute that the table does not have."""
        if int(element.tag) in clean_content.CONTENT_TEXTS:
            return Action.CLEAN
        if element.VR == "PN":
            return Action.DUMMY
        if element.VR in _DATES:
            if table.FULL_DATES in self._options:
                return Action.KEEP
            return Action.CLEAN if table.MODIFIED_DATES in self._options else Action.DUMMY
        if element.VR == "UI" and not element.keyword.endswith(_KINDS):
            return Action.KEEP if table.RETAIN_UIDS in self._options else Action.UID
        return Action.KEEP

    def _changed(self, element: DataElement, action: Action, depth: int) -> DataElement | None:
        tag, vr = element.tag, element.VR
        if action is Action.KEEP:
            return DataElement(tag, vr, self._items(element, depth))
        if action is Action.EMPTY:
            return DataElement(tag, vr, Sequence() if vr == "SQ" else None)
        if action is Action.UID and vr == "UI":
            return mapped(element, self._profile.pseudonyms.uid)
        if action is Action.DUMMY:
            return dummy(element, self._uid)
        return None

    def _uid(self, uid: str) -> str:
        if table.RETAIN_UIDS in self._options:
            return uid
        return self._profile.pseudonyms.uid(uid)

    def _items(self, element: DataElement, depth: int) -> Sequence:
        return Sequence([self.walk(item, depth + 1) for item in element.value])

    def _clean(self, element: DataElement, depth: int) -> DataElement | None:
        """Return an element without what identifies; None: nothing stays of it."""
        tag, vr = element.tag, element.VR
        if vr == "SQ":
            return DataElement(tag, vr, self._items(element, depth))
        if vr in _DATES and table.MODIFIED_DATES in self._options:
            return self._moved(element)
        if vr not in _TEXTS:
            return None
        texts = [cleaned(one, self._profile.words, self._identifying) for one in _values(element)]
        kept = [text for text in texts if text]
        if not kept and int(tag) in clean_content.CONTENT_TEXTS:
            kept = [TEXT]
        if not kept:
            return None
        return DataElement(tag, vr, kept[0] if len(kept) == 1 else kept)

    def _moved(self, element: DataElement) -> DataElement | None:
        """Return dates that are earlier by the days of the patient; times of day stay."""
        given = _values(element)
        if element.VR == "TM" or not any(given):
            return element
        moved = [earlier(one, self._days) for one in given]
        if not all(moved):
            return None
        return DataElement(element.tag, element.VR, moved[0] if len(moved) == 1 else moved)

    def _patient(self, source: Dataset, element: DataElement, depth: int) -> DataElement | None:
        """Return Patient's Name or Patient ID with a pseudonym.

        A Patient ID in an item is of the issuer that the item names, or else the data set does.
        """
        if depth == 0:
            return DataElement(element.tag, element.VR, self._pseudonym)
        if int(element.tag) == _PATIENT_NAME:
            return DataElement(element.tag, element.VR, None)
        known = _known_by(str(element.value or "").strip(), _issuer_of(source) or self._issuer)
        return DataElement(element.tag, element.VR, self._profile.pseudonyms.patient(known))


def _readable(source: Dataset, tag: int) -> DataElement | None:
    """Return an element; None: its value makes no sense."""
    try:
        element = source[tag]
        return element if is_of_its_kind(element) else None
    except Exception:  # whatever pydicom raises for a value that it cannot convert
        return None


def is_of_its_kind(element: DataElement) -> bool:
    """Return whether an element has a representation like that of the dictionary (PS3.6).

    Other ones come from wrong files, and a text may be where a number belongs. Private elements
    have no kind.
    """
    tag, vr = int(element.tag), element.VR
    if tag >> 16 & 1:
        return True
    known = dictionary_VR(tag).split(" or ")
    if vr in _NUMBERS and not all(isinstance(one, Number | None) for one in _listed(element)):
        return False  # pydicom takes it for a text
    return vr in known or any(vr in kind and one in kind for kind in _ALIKE for one in known)


def _is_public(tag: int) -> bool:
    """Return whether an element is looked at: not what is private, unknown or left out anyway."""
    group = tag >> 16
    if group < 8 or group & 1 or not tag & 0xFFFF or tag in _LEFT_OUT:
        return False
    return group not in _CURVES and group not in _OVERLAYS and dictionary_has_tag(tag)


def _listed(element: DataElement) -> list[Any]:
    """Return the values; one that is empty is None."""
    value = element.value
    several = value if hasattr(value, "append") else [value]
    return [None if one == "" else one for one in several]


def _values(element: DataElement) -> list[str]:
    return ["" if one is None else str(one) for one in _listed(element)]


def _patient_of(dataset: Dataset) -> str:
    """Return what a patient is known by: Patient ID and its issuer, or else name, or study."""
    for tag in (_PATIENT_ID, _PATIENT_NAME, _STUDY):
        if tag in dataset and (text := str(dataset[tag].value or "").strip()):
            return _known_by(text, _issuer_of(dataset)) if tag == _PATIENT_ID else text
    return ""


def _issuer_of(dataset: Dataset) -> str:
    return str(dataset.get("IssuerOfPatientID") or "").strip()


def _known_by(patient_id: str, issuer: str) -> str:
    return f"{patient_id}\0{issuer}" if issuer else patient_id
