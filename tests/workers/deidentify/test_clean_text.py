"""Clean Descriptors: which words identify somebody."""

from __future__ import annotations

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from workers.deidentify.clean_text import cleaned, identifying_words

WORDS = frozenset({"head", "marrow", "stone"})


def test_words_of_names_and_identifiers_stay_in_no_text() -> None:
    item, dataset = Dataset(), Dataset()
    item.PatientName = "Stone^Rosetta"
    dataset.PatientID, dataset.OtherPatientIDsSequence = "MARROW 7", [item]
    found = identifying_words(dataset)
    assert found >= {"stone", "rosetta", "marrow"}
    assert cleaned("head of Stone, marrow", WORDS, found) == "head"


def test_an_identifier_that_cannot_be_read_counts_by_its_bytes() -> None:
    dataset = Dataset()
    for tag, vr in ((0x00100020, "US"), (0x00401101, "SQ")):
        raw = RawDataElement(Tag(tag), vr, 5, b"Stone", 0, False, True)
        dataset._dict[Tag(tag)] = raw
    assert "stone" in identifying_words(dataset)
    assert cleaned("head Stone", WORDS, identifying_words(dataset)) == "head"
