"""Original Attributes Sequence (0400,0561): what an instance had before (PS3.3 C.12.1.1.9).

Rules with the same source and reason, one after the other, make one item of it; the items that were
there stay. An attribute in an item of a sequence is noted by the whole sequence as it was. One that
was missing or empty is noted with a value of zero length, and one whose value cannot be read too:
its bytes are in Nonconforming Modified Attributes Sequence (0400,0551).
"""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from workers.coerce.coerced_dataset import can_be_read

if TYPE_CHECKING:
    from gateway.coercion_rules import CompiledRule

_PATIENT_ID, _ISSUER_OF_PATIENT_ID = 0x00100020, 0x00100021


class OriginalAttributes:
    """Notes in a data set what it had before it is changed."""

    def __init__(self, dataset: Dataset, titles: tuple[str, str], system: str) -> None:
        self._dataset = dataset
        self._calling, called = titles
        self._system = system or called or "dicom-gateway"
        self._group: tuple[str, str] | None = None
        self._item: Dataset | None = None
        """The item of the sequence for the rules at present, once one has changed something."""

    def begin(self, rule: CompiledRule) -> None:
        """Take note that what follows is changed by a rule."""
        group = rule.source or self._calling, rule.reason
        if group != self._group:
            self._group, self._item = group, None

    def note(self, tag: int, raw: RawDataElement | None) -> None:
        """Note an element before it changes, once; `raw` is the element as it was received."""
        if self._item is None:
            self._item = self._added()
        modified = self._item.ModifiedAttributesSequence[0]
        if tag in modified:
            return
        if tag not in self._dataset:
            if dictionary_has_tag(tag):
                vr = dictionary_VR(tag)
                modified[tag] = DataElement(tag, vr, [] if vr == "SQ" else None)
        elif can_be_read(self._dataset, tag):
            modified[tag] = deepcopy(self._dataset[tag])
        else:
            vr = dictionary_VR(tag) if dictionary_has_tag(tag) else "UN"
            modified[tag] = DataElement(tag, vr, None)
            self._add_nonconforming(tag, raw)
        if tag == _PATIENT_ID and _ISSUER_OF_PATIENT_ID in self._dataset:
            self.note(_ISSUER_OF_PATIENT_ID, None)
        if (creator := _creator_tag(tag)) in self._dataset:
            modified[creator] = deepcopy(self._dataset[creator])

    def _added(self) -> Dataset:
        """Return a new item at the end of the sequence; all that was there stays."""
        assert self._group is not None
        made = Dataset()
        made.ModifiedAttributesSequence = [Dataset()]
        made.AttributeModificationDateTime = datetime.now(UTC).strftime("%Y%m%d%H%M%S.%f+0000")
        made.ModifyingSystem = self._system
        made.SourceOfPreviousValues, made.ReasonForTheAttributeModification = self._group
        if not self._dataset.get("OriginalAttributesSequence"):
            self._dataset.OriginalAttributesSequence = []
        self._dataset.OriginalAttributesSequence.append(made)
        return made

    def _add_nonconforming(self, tag: int, raw: RawDataElement | None) -> None:
        assert self._item is not None
        value = raw.value if isinstance(raw, RawDataElement) else None
        if not isinstance(value, bytes):
            return
        made = Dataset()
        made.NonconformingDataElementValue = value
        made.SelectorAttribute = tag
        made.SelectorValueNumber = 1
        if (creator := _creator_tag(tag)) in self._dataset:
            made.SelectorAttributePrivateCreator = self._dataset[creator].value
        if "NonconformingModifiedAttributesSequence" not in self._item:
            self._item.NonconformingModifiedAttributesSequence = []
        self._item.NonconformingModifiedAttributesSequence.append(made)


def _creator_tag(tag: int) -> int:
    """Return the tag of the private creator of a private element; -1 for another one."""
    group, element = tag >> 16, tag & 0xFFFF
    return group << 16 | element >> 8 if group & 1 and element > 0xFF else -1
