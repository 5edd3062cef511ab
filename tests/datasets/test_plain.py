"""The quick encoder gives pydicom's bytes, or leaves the data set to it."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from gateway.datasets.plain import encode_plain
from tests.data_sets import data_set

FILES = sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm"))

CODE = st.from_regex(r"[A-Z0-9_]{0,16}", fullmatch=True)
LONG = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="\\"))
UID = st.from_regex(r"[1-2](\.[1-9][0-9]{0,6}){1,6}", fullmatch=True)
VALUES = {
    "QueryRetrieveLevel": CODE,
    "ModalitiesInStudy": st.lists(CODE, max_size=4),
    "StudyDate": st.sampled_from(["", "20260101", "20260101-20261231"]),
    "StudyTime": st.sampled_from(["", "1200", "120000.123456"]),
    "PatientName": LONG.filter(lambda text: text.count("=") < 3 and len(text) < 60),
    "PatientID": LONG.map(lambda text: text[:64]),
    "PatientAge": st.sampled_from(["", "034Y"]),
    "RetrieveAETitle": st.lists(CODE, max_size=3),
    "StudyInstanceUID": st.one_of(UID, st.lists(UID, max_size=3), st.none()),
}


def by_pydicom(ds: Dataset, *, implicit: bool) -> bytes:
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = implicit, True
    write_dataset(stream, ds)
    return stream.getvalue()


@given(values=st.fixed_dictionaries({}, optional=VALUES), implicit=st.booleans())
def test_plain_text_has_pydicoms_bytes(values: dict[str, object], implicit: bool) -> None:
    ds = data_set(**values)
    assert encode_plain(ds, implicit=implicit) == by_pydicom(ds, implicit=implicit)


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, about the values it ships
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "explicit"])
def test_what_real_files_have_is_pydicoms_or_left_to_it(path: Path, implicit: bool) -> None:
    whole = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    for element in whole:
        ds = Dataset()
        ds.add(element)
        plain = encode_plain(ds, implicit=implicit)
        if plain is not None:
            assert plain == by_pydicom(ds, implicit=implicit), element.tag


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_not_plain_is_left_to_pydicom() -> None:
    for keyword, value in {
        "PatientWeight": "70.5",
        "NumberOfStudyRelatedInstances": 7,
        "Rows": 512,
        "PatientName": "Müller",
        "ReferencedStudySequence": [Dataset()],
        "PatientComments": "long text",
        "PatientID": "x" * 0xFFFF,
    }.items():
        ds = Dataset()
        setattr(ds, keyword, value)
        assert encode_plain(ds, implicit=True) is None, keyword


def test_an_empty_data_set_is_plain() -> None:
    assert encode_plain(Dataset(), implicit=True) == b""
