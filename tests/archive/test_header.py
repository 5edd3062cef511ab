"""The scanner agrees with pydicom, on what it ships and on variations; and it is bounded."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from gateway.datasets import encoded, inflated_source
from gateway.datasets.element_steps import UnreadableDataSet
from gateway.errors import GatewayError
from gateway.part10 import read_file_meta
from gateway.uid import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN as DEFLATED
from tests.peers import instances
from workers.archive import header
from workers.archive.attributes import ATTRIBUTES
from workers.archive.header import HeaderValues, read, scan
from workers.archive.stored_text import clean, readable

EXPLICIT = str(ExplicitVRLittleEndian)
BIG = str(ExplicitVRBigEndian)
IMPLICIT = str(ImplicitVRLittleEndian)
DATA = Path(pydicom.__file__).parent / "data"


def pydicom_text(found: Dataset, tag: int) -> str:
    """The text that pydicom reads, as the index has it."""
    value = found[tag].value if tag in found else None
    if value is None:
        return ""
    return clean(str(value) if not hasattr(value, "append") else "\\".join(map(str, value)))


CUT = {"MR_truncated.dcm": "(7FE0,0010)", "rtplan_truncated.dcm": "(300A,00B0)"}
"""Files of pydicom that end inside an element."""


def shipped() -> list[Path]:
    found = []
    for path in sorted(p for p in DATA.rglob("*") if p.is_file()):
        try:
            read_file_meta(path)
        except GatewayError:
            continue
        found.append(path)
    return found


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.name)
def test_agrees_with_pydicom_on_what_it_ships(path):
    meta = read_file_meta(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = dcmread(path)
        found = read(path, meta.offset, meta.transfer_syntax_uid)
        for attribute in ATTRIBUTES:
            text = pydicom_text(expected, attribute.tag)
            assert readable(found[attribute.keyword]).rstrip("=") == text.rstrip("="), attribute
    if path.name in CUT:
        assert CUT[path.name] in str(found.fault)
    else:
        is_no_instance = "DICOMDIR" in path.name or not any(
            v for k, v in found.items() if k != "SpecificCharacterSet"
        )
        assert isinstance(found.fault, UnreadableDataSet) == is_no_instance


def test_there_are_many_of_them():
    assert len(shipped()) > 150


def encode(dataset: Dataset, syntax: str) -> bytes:
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = syntax == IMPLICIT, syntax != BIG
    write_dataset(out, dataset)
    return out.getvalue()


_TEXT = st.text(st.characters(codec="latin-1", exclude_characters="\\^=", min_codepoint=0x20))
_NAME = st.lists(_TEXT.map(lambda t: t[:12]), max_size=5).map("^".join)


def datasets() -> st.SearchStrategy[Dataset]:
    def make(values: dict, nested: list, undefined: bool) -> Dataset:
        made = Dataset()
        made.SpecificCharacterSet = "ISO_IR 100"
        for keyword, value in values.items():
            setattr(made, keyword, value)
        if nested:
            made.ReferencedStudySequence = Sequence(nested)
            made["ReferencedStudySequence"].is_undefined_length = undefined
            for item in nested:
                item.is_undefined_length_sequence_item = undefined
        return made

    uid = st.from_regex(r"1\.[1-9][0-9]{0,20}", fullmatch=True)
    values = st.fixed_dictionaries(
        {"SOPInstanceUID": uid},
        optional={
            "PatientName": _NAME,
            "PatientID": _TEXT.map(lambda t: t[:64]),
            "StudyInstanceUID": uid,
            "StudyDate": st.dates().map(lambda d: f"{d.year:04d}{d:%m%d}"),
            "StudyDescription": _TEXT.map(lambda t: t[:64]),
            "SeriesNumber": st.integers(-(2**31), 2**31 - 1),
            "Rows": st.integers(0, 65535),
            "Modality": st.sampled_from(["CT", "MR"]),
        },
    )
    return st.recursive(
        st.builds(make, values, st.just([]), st.booleans()),
        lambda inner: st.builds(make, values, st.lists(inner, max_size=3), st.booleans()),
        max_leaves=6,
    )


@settings(max_examples=150)
@given(datasets(), st.sampled_from([EXPLICIT, IMPLICIT, BIG]))
def test_agrees_with_pydicom_on_variations(dataset, syntax):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = encode(dataset, syntax)
        expected = read_dataset(BytesIO(data), syntax == IMPLICIT, syntax != BIG)
        found = scan(data, syntax)
        assert found.fault is None
        for attribute in ATTRIBUTES:
            text = pydicom_text(expected, attribute.tag)
            assert found[attribute.keyword] == text, attribute.keyword


@settings(max_examples=300)
@example(b"\x00\x00\x00\x00UN\x00\x00", EXPLICIT)  # half of a long header: pydicom's struct.error
@given(st.binary(max_size=400), st.sampled_from([EXPLICIT, IMPLICIT, BIG, DEFLATED, "1.2.3"]))
def test_any_bytes_are_a_header_or_an_error(data, syntax):
    found = scan(data, syntax)
    assert found.fault is not None or any(found.values())


def test_values_of_other_lengths_than_those_before():
    dataset = Dataset()
    for number, name in enumerate(("Doe", "Doe^Jane", "D", "Doe^Jane", "", "Doe")):
        dataset.update(sample())
        dataset.PatientName, dataset.InstanceNumber = name, 10**number
        dataset.add_new(0x00111010, "LO", "private" * number)
        found = scan(encode(dataset, EXPLICIT), EXPLICIT)
        assert (found["PatientName"], found["InstanceNumber"]) == (name, str(10**number))
        assert (found["PatientID"], found["Rows"]) == ("P1", "3")


def sample(size: int = 0) -> Dataset:
    dataset = Dataset()
    dataset.SOPInstanceUID = "1.2"
    dataset.PatientID = "P1"
    dataset.Rows = 3
    if size:
        dataset.add_new(0x7FE00010, "OW", b"\0" * size)
    return dataset


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize("before", [0, 10_000, 200_000])
def test_far_from_the_beginning(tmp_path, syntax, before):
    dataset = sample(300_000)
    dataset.add_new(0x00091010, "OB", b"x" * before)
    path = tmp_path / "file"
    path.write_bytes(b"m" * 300 + encode(dataset, syntax))
    found = read(path, 300, syntax)
    assert (found["PatientID"], found["SOPInstanceUID"]) == ("P1", "1.2")


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def test_deflated(tmp_path):
    data = deflated(encode(sample(100_000), EXPLICIT))
    assert scan(data, DEFLATED)["PatientID"] == "P1"
    path = tmp_path / "file"
    path.write_bytes(b"m" * 10 + data)
    assert read(path, 10, DEFLATED)["Rows"] == "3"


def test_a_deflate_bomb(monkeypatch):
    monkeypatch.setattr(inflated_source, "MAX_INFLATED", 8 << 20)
    bomb = deflated(encode(sample(9 << 20), EXPLICIT))
    assert "inflates to more than" in fault_of(scan(bomb, DEFLATED))


def test_what_cannot_be_inflated():
    assert "inflated" in fault_of(scan(b"\xfe" * 100, DEFLATED))


def fault_of(found: HeaderValues) -> str:
    return str(found.fault or "")


DEPTH = 100_000


def nested(explicit: bool) -> bytes:
    """Sequences of undefined length in each other, none of them closed."""
    start = b"\x08\x00\x10\x11" + (b"SQ\0\0" if explicit else b"") + b"\xff\xff\xff\xff"
    return (start + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * DEPTH


def nested_with_lengths(explicit: bool) -> bytes:
    pieces = []
    length = 0
    for _ in range(DEPTH // 10):
        item = b"\xfe\xff\x00\xe0" + struct.pack("<I", length)
        tag = b"\x08\x00\x10\x11" + (b"SQ\0\0" if explicit else b"")
        pieces.append(tag + struct.pack("<I", length + 8) + item)
        length += len(pieces[-1])
    return b"".join(reversed(pieces))


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_sequences_100000_deep(syntax, tmp_path):
    data = encode(sample(), syntax) + nested(syntax == EXPLICIT)
    assert "too deep" in fault_of(scan(data, syntax))
    path = tmp_path / "file"
    path.write_bytes(data)
    assert "too deep" in fault_of(read(path, 0, syntax))


def test_deep_sequences_with_lengths():
    data = encode(sample(), EXPLICIT) + nested_with_lengths(True)
    assert "too deep" in fault_of(scan(data, EXPLICIT))


def test_deep_sequences_in_an_unknown_element():
    data = b"\x09\x00\x10\x10UN\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    assert fault_of(scan(data + nested(False), EXPLICIT))


def test_a_million_elements(monkeypatch):
    monkeypatch.setattr(header, "MAX_STEPS", 1000)
    assert "too many" in fault_of(scan(b"\x09\x00\x10\x10UN\0\0\0\0\0\0" * 2000, EXPLICIT))


def test_character_sets_of_pydicom():
    for name, start in {
        "chrH31.dcm": "Yamada^Tarou=山田^太郎",
        "chrI2.dcm": "Hong^Gildong=洪^吉洞",
        "chrX1.dcm": "Wang^XiaoDong=王^小東",
        "chrGerm.dcm": "Äneas^Rüdiger",
    }.items():
        path = DATA / "charset_files" / name
        meta = read_file_meta(path)
        assert read(path, meta.offset, meta.transfer_syntax_uid)["PatientName"].startswith(start)


class TestTheUsualDataSet:
    """What is read in one step has the values, and the faults, of the walk over its elements."""

    @staticmethod
    def walked(data: bytes, syntax: str) -> HeaderValues:
        return header.values_of(encoded.in_memory(data, syntax))

    @pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
    @pytest.mark.parametrize("size", [50, 3000, 40_000])
    def test_is_read_in_one_step(self, syntax: str, size: int) -> None:
        one = instances.make(syntax, size=size)
        scan(one.data_set, syntax)  # its runs are known from now on
        usual = header._USUAL[syntax]
        found = header._usual_values(one.data_set, len(one.data_set), *usual)
        assert found == self.walked(one.data_set, syntax)
        assert found is not None
        assert found["SOPInstanceUID"] == one.uid

    @given(
        st.sampled_from([IMPLICIT, EXPLICIT]),
        st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=3),
        st.integers(-60, 60),
    )
    def test_no_other_one_is(self, syntax: str, flips: list[tuple[int, int]], longer: int) -> None:
        one = instances.make(syntax, size=1000)
        data = bytearray(one.data_set)
        for at, value in flips:
            data[at % len(data)] = value
        data = data[:longer] if longer < 0 else data + bytes(longer)
        found, walked = (
            scan(bytes(data), one.transfer_syntax),
            self.walked(bytes(data), one.transfer_syntax),
        )
        assert (found, str(found.fault), found.notes) == (
            walked,
            str(walked.fault),
            walked.notes,
        )
