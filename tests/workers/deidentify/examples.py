"""Data sets and values for the tests of the worker `deidentify`."""

from __future__ import annotations

from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from workers.deidentify.clean_text import standard_words
from workers.deidentify.profile import Profile

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
SR = "1.2.840.10008.5.1.4.1.1.88.33"
KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "ROTHSCHILD"
"""What must be nowhere afterwards."""
NUMBERS = ("DS", "IS", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV", "AT")


def profile(*options: str, **how: Any) -> Profile:
    """A profile with these options, and the standard vocabulary."""
    return Profile(KEY, frozenset(options), words=standard_words(), **how)


def value_of(vr: str) -> Any:
    """A value that identifies, as far as the representation allows."""
    if vr == "SQ":
        item = Dataset()
        item.CodeMeaning = SECRET
        return Sequence([item])
    if vr in NUMBERS:
        return 4711
    if vr in ("OB", "OW", "OD", "OF", "OL", "OV", "UN"):
        return SECRET.encode()
    texts = {"DA": "20210314", "TM": "151617", "DT": "20210314151617", "AS": "047Y"}
    return texts.get(vr, "1.2.3.4711" if vr == "UI" else SECRET)


def instance(sop_class: str = CT, **values: Any) -> Dataset:
    """A data set as it was read from Explicit VR Little Endian."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = sop_class, "1.2.3.1"
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3.2", "1.2.3.3"
    made.PatientName, made.PatientID = f"{SECRET}^Anna", "4711"
    for keyword, value in values.items():
        setattr(made, keyword, value)
    made.set_original_encoding(False, True)
    return made


def with_element(tag: int, vr: str, value: Any, sop_class: str = CT) -> Dataset:
    """A data set with one element more."""
    made = instance(sop_class)
    made[tag] = DataElement(tag, vr, value)
    return made


def texts_in(dataset: Dataset) -> str:
    """All values of a data set as one text."""
    return " ".join(str(element.value) for element in dataset.iterall())
