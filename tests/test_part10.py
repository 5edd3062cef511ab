"""Files are begun as PS3.10 wants it, and the start of a data set is understood as pydicom does."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from gateway.part10 import (
    LIMIT,
    PREAMBLE,
    IdentityScan,
    Part10Error,
    file_meta,
    read_file_meta,
)
from gateway.uid import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG = "1.2.840.10008.1.2.2"
CT = "1.2.840.10008.5.1.4.1.1.2"

FILES = Path(pydicom.__file__).parent / "data/test_files"
NO_SYNTAX = "meta_missing_tsyntax.dcm"


@cache
def dicom_files() -> list[Path]:
    files = (p for p in sorted(FILES.rglob("*")) if p.is_file() and p.suffix not in (".gz", ".zip"))
    return [p for p in files if p.read_bytes()[128:132] == b"DICM"]


def scan(data: bytes, syntax: str, step: int = 0) -> IdentityScan:
    found = IdentityScan(syntax)
    view = memoryview(data)
    for start in range(0, len(data), step or len(data) or 1):
        found.feed(view[start : start + (step or len(data))])
    return found


def identity(found: IdentityScan) -> tuple[str | None, str | None]:
    return found.sop_class_uid, found.sop_instance_uid


def encode(data_set: Dataset, syntax: str) -> bytes:
    file = io.BytesIO()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = UID(syntax)
    data_set.preamble = bytes(128)
    data_set.save_as(file, enforce_file_format=False)
    whole = file.getvalue()
    return whole[read_file_meta(io.BytesIO(whole)).offset :]


def ct(**more: object) -> Dataset:
    data_set = Dataset()
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.SOPClassUID = CT
    data_set.SOPInstanceUID = "1.2.3.4"
    data_set.PatientName = "Nobody"
    for keyword, value in more.items():
        setattr(data_set, keyword, value)
    return data_set


class TestFileMeta:
    def test_pydicom_reads_what_was_written(self):
        meta = file_meta(CT, "1.2.3", EXPLICIT, "MODALITY")
        read = pydicom.dcmread(io.BytesIO(meta)).file_meta
        assert read.FileMetaInformationGroupLength == len(meta) - len(PREAMBLE) - 12
        assert read.FileMetaInformationVersion == b"\x00\x01"
        assert read.MediaStorageSOPClassUID == CT
        assert read.MediaStorageSOPInstanceUID == "1.2.3"
        assert read.TransferSyntaxUID == EXPLICIT
        assert read.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
        assert read.ImplementationVersionName == IMPLEMENTATION_VERSION_NAME
        assert read.SourceApplicationEntityTitle == "MODALITY"

    def test_no_source_no_element(self):
        assert (
            "SourceApplicationEntityTitle"
            not in pydicom.dcmread(io.BytesIO(file_meta(CT, "1.2.3", EXPLICIT))).file_meta
        )

    @pytest.mark.parametrize(
        ("title", "kept"),
        [
            ("  SCU  ", "SCU"),
            ("A\\B\n\x1b[0mC\x00é", "AB[0mC"),
            ("ABCDEFGHIJKLMNOP-too-long", "ABCDEFGHIJKLMNOP"),
            ("ABCDEFGHIJKLMNO P", "ABCDEFGHIJKLMNO"),
            ("../../etc/passwd", "../../etc/passwd"),
        ],
    )
    def test_an_ae_title_keeps_its_legal_characters(self, title, kept):
        assert (
            read_file_meta(io.BytesIO(file_meta(CT, "1.2", EXPLICIT, title))).source_ae_title
            == kept
        )

    @pytest.mark.parametrize("text", ["", "../x", "1.2.3\n", "1" * 65, "\ud800", "$(id)", "é"])
    def test_text_that_is_no_uid_becomes_one_of_its_own(self, text):
        meta = read_file_meta(io.BytesIO(file_meta(CT, text, EXPLICIT)))
        assert UID(meta.sop_instance_uid).is_valid
        assert meta.sop_instance_uid.startswith("2.25.")
        other = read_file_meta(io.BytesIO(file_meta(CT, text + "?", EXPLICIT)))
        assert other.sop_instance_uid != meta.sop_instance_uid

    def test_a_uid_of_any_length_that_is_legal_is_kept(self):
        for uid in ("1", "1.2", "1.02.3", "1." + "2" * 62):
            assert read_file_meta(io.BytesIO(file_meta(CT, uid, EXPLICIT))).sop_instance_uid == uid

    @pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
    @given(st.text(), st.text(), st.text(), st.text())
    def test_any_text_gives_a_file_that_both_readers_take(self, a, b, c, title):
        meta = file_meta(a, b, c, title)
        assert len(meta) % 2 == 0
        ours = read_file_meta(io.BytesIO(meta + encode(ct(), EXPLICIT)))
        assert ours.offset == len(meta)
        theirs = pydicom.dcmread(io.BytesIO(meta)).file_meta
        assert theirs.MediaStorageSOPInstanceUID == ours.sop_instance_uid
        assert theirs.FileMetaInformationGroupLength == len(meta) - len(PREAMBLE) - 12


class TestReadFileMeta:
    @pytest.mark.filterwarnings("ignore")
    def test_agrees_with_pydicom_on_every_file_it_ships(self):
        read = 0
        for path in dicom_files():
            theirs = pydicom.dcmread(path, stop_before_pixels=True).file_meta
            if path.name == NO_SYNTAX:
                continue
            ours = read_file_meta(path)
            assert (
                ours.sop_class_uid,
                ours.sop_instance_uid,
                ours.transfer_syntax_uid,
            ) == (
                theirs.get("MediaStorageSOPClassUID", ""),
                theirs.get("MediaStorageSOPInstanceUID", ""),
                theirs.TransferSyntaxUID,
            ), path.name
            read += 1
        assert read > 100

    def test_takes_a_path_as_text_or_a_stream(self, tmp_path):
        path = tmp_path / "a.dcm"
        path.write_bytes(file_meta(CT, "1.2", EXPLICIT))
        assert read_file_meta(str(path)) == read_file_meta(io.BytesIO(path.read_bytes()))

    def test_a_missing_transfer_syntax_is_named(self):
        with pytest.raises(Part10Error, match=r"\(0002,0010\)"):
            read_file_meta(FILES / NO_SYNTAX)

    @pytest.mark.parametrize("data", [b"", b"DICM", bytes(128), bytes(200), b"x" * 132])
    def test_what_is_no_dicom_file_is_said_to_be_none(self, data):
        with pytest.raises(Part10Error, match="no DICM prefix"):
            read_file_meta(io.BytesIO(data))

    def test_an_element_that_ends_past_the_file_is_named(self):
        whole = file_meta(CT, "1.2", EXPLICIT)
        with pytest.raises(Part10Error, match=r"\(0002,0013\)"):
            read_file_meta(io.BytesIO(whole[:-3]))

    def test_no_more_than_the_limit_is_read(self):
        bomb = PREAMBLE + struct.pack("<HH2sHL", 2, 0x102, b"OB", 0, 0xFFFFFFF0) + bytes(2 * LIMIT)
        stream = io.BytesIO(bomb)
        with pytest.raises(Part10Error, match="ends past"):
            read_file_meta(stream)
        assert stream.tell() == LIMIT

    def test_a_wrong_group_length_is_not_believed(self):
        whole = bytearray(file_meta(CT, "1.2", EXPLICIT))
        whole[140:144] = struct.pack("<L", 7)
        assert read_file_meta(io.BytesIO(whole)).offset == len(whole)

    @given(st.binary(max_size=400))
    def test_any_bytes_give_a_value_or_one_error(self, data):
        try:
            found = read_file_meta(io.BytesIO(PREAMBLE + data))
        except Part10Error:
            return
        assert len(PREAMBLE) <= found.offset <= len(PREAMBLE) + len(data)


class TestIdentityScan:
    @pytest.mark.filterwarnings("ignore")
    def test_agrees_with_pydicom_on_every_file_it_ships(self):
        scanned = 0
        for path in dicom_files():
            if path.name == NO_SYNTAX:
                continue
            meta = read_file_meta(path)
            head = path.read_bytes()[meta.offset :][: 2 * LIMIT]
            theirs = pydicom.dcmread(path, stop_before_pixels=True)
            expected = (theirs.get("SOPClassUID"), theirs.get("SOPInstanceUID"))
            for step in (7, 1024, 0):
                found = scan(head, meta.transfer_syntax_uid, step)
                assert identity(found) == expected, (path.name, step)
                assert not found.has_group_2
            scanned += expected[1] is not None
        assert scanned > 100

    @pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED, CT])
    def test_any_chunking_finds_the_same(self, syntax):
        encoding = syntax if syntax != CT else EXPLICIT
        data = encode(ct(), encoding)
        for step in (1, 2, 3, 5, 8, 13, 64, 0):
            found = scan(data, syntax, step)
            assert identity(found) == (CT, "1.2.3.4")
            assert found.done

    def test_sequences_before_the_uids_are_passed_over(self):
        language = Dataset()
        language.CodeValue = "de"
        for nested in (False, True):
            data_set = ct()
            data_set.LanguageCodeSequence = [language]
            data_set["LanguageCodeSequence"].is_undefined_length = nested
            language.is_undefined_length_sequence_item = nested
            for syntax in (IMPLICIT, EXPLICIT, BIG, DEFLATED):
                assert identity(scan(encode(data_set, syntax), syntax, 3)) == (CT, "1.2.3.4")

    def test_unknown_sequences_of_undefined_length_are_implicit_inside(self):
        inner = struct.pack("<HHL", 8, 0x100, 2) + b"de"
        item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + inner
        item += struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
        unknown = struct.pack("<HH2sHL", 8, 6, b"UN", 0, 0xFFFFFFFF) + item
        data = unknown + encode(ct(), EXPLICIT)[len(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100") :]
        for step in (1, 5, 0):
            assert identity(scan(data, EXPLICIT, step)) == (CT, "1.2.3.4")

    def test_a_big_value_before_the_uids_is_passed_over_without_being_held(self):
        big = struct.pack("<HHL", 8, 1, 10_000_000)
        found = IdentityScan(IMPLICIT)
        found.feed(big)
        for _ in range(100):
            found.feed(memoryview(bytes(100_000)))
            assert len(found._buffer) < 8192
        found.feed(encode(ct(), IMPLICIT)[18:])
        assert identity(found) == (CT, "1.2.3.4")

    def test_elements_in_implicit_vr_within_explicit_vr_are_understood(self):
        first = struct.pack("<HHL", 8, 5, 10) + b"ISO_IR 100"
        data = first + encode(ct(), EXPLICIT)[18:]
        assert identity(scan(data, EXPLICIT)) == (CT, "1.2.3.4")

    def test_uids_that_are_missing_end_the_scan_with_nothing(self):
        data_set = ct()
        del data_set.SOPInstanceUID
        found = scan(encode(data_set, EXPLICIT), EXPLICIT)
        assert found.done
        assert identity(found) == (CT, None)

    @pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
    @pytest.mark.parametrize("skip", [0, len(PREAMBLE)])
    def test_group_2_is_noticed(self, syntax, skip):
        data = file_meta(CT, "1.2.3", EXPLICIT)[skip:] + encode(ct(), EXPLICIT)
        for step in (1, 0):
            found = scan(data, syntax, step)
            assert found.done
            assert found.has_group_2

    def test_a_uid_that_is_too_long_is_cut_and_matches_nothing(self):
        data = struct.pack("<HHL", 8, 0x18, 5000) + b"1" * 5000
        found = scan(data, IMPLICIT, 100)
        assert found.sop_instance_uid == "1" * 128


class TestIdentityScanIsBounded:
    def test_a_hundred_thousand_nested_sequences(self):
        nested = struct.pack("<HHL", 8, 6, 0xFFFFFFFF)
        nested += struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
        found = scan(nested * 100_000, IMPLICIT, 65536)
        assert found.done
        assert identity(found) == (None, None)

    def test_elements_without_end(self):
        found = scan(struct.pack("<HHL", 8, 1, 0) * 100_000, IMPLICIT, 65536)
        assert found.done

    def test_a_deflate_bomb(self):
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        bomb = packer.compress(struct.pack("<HH2sHL", 8, 1, b"OB", 0, 100_000_000))
        bomb += b"".join(packer.compress(bytes(1_000_000)) for _ in range(50)) + packer.flush()
        found = scan(bomb, DEFLATED)
        assert found.done
        assert len(found._buffer) == 0

    def test_what_is_not_deflated(self):
        found = scan(b"\xff" * 100, DEFLATED)
        assert found.done
        assert identity(found) == (None, None)

    @given(st.binary(max_size=600), st.sampled_from([IMPLICIT, EXPLICIT, BIG, DEFLATED, ""]))
    @settings(max_examples=300)
    def test_any_bytes_in_any_chunking(self, data, syntax):
        whole, pieces = scan(data, syntax), scan(data, syntax, 1)
        assert identity(whole) == identity(pieces)
        assert whole.done == pieces.done
        assert whole.has_group_2 == pieces.has_group_2

    @given(st.data())
    def test_damaged_data_sets(self, data):
        syntax = data.draw(st.sampled_from([IMPLICIT, EXPLICIT, BIG, DEFLATED]))
        encoded = bytearray(encode(ct(), syntax))
        for _ in range(data.draw(st.integers(1, 4))):
            encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
        step = data.draw(st.integers(1, 40))
        assert identity(scan(bytes(encoded), syntax)) == identity(
            scan(bytes(encoded), syntax, step)
        )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", False, id="nothing"),
        pytest.param(b"\x10\x00\x20\x00LO\x02", False, id="half a header"),
        pytest.param(b"\x10\x00\x20\x00LO\x02\x00AB", True, id="one element"),
        pytest.param(b"\x10\x00\x20\x00LO\x04\x00AB", False, id="an element beyond the end"),
        pytest.param(b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff", True, id="an undefined length"),
        pytest.param(b"\xff" * 64, False, id="no tag"),
        pytest.param(b"\xfe\xff\x00\xe0\0\0\0\0", False, id="an item"),
    ],
)
def test_what_may_be_a_data_set(data: bytes, expected: bool) -> None:
    scan = IdentityScan("1.2.840.10008.1.2.1")
    scan.feed(data)
    assert scan.may_be_data_set(len(data)) is expected
