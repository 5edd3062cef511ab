"""Which data sets the storage worker refuses, and which it keeps though PS3.5 forbids them."""

from __future__ import annotations

import logging
import struct
import zlib
from typing import TYPE_CHECKING

import pytest

from gateway.part10 import file_meta
from gateway.uid import KEYWORDS
from tests.peers.elements import ITEM, SEQUENCE_END, UNDEFINED, el, implicit, uid
from tests.workers import conftest
from tests.workers.conftest import stored
from tests.workers.test_storage import CT, EXPLICIT, Offer, Running
from workers.archive.index import SqliteIndex

if TYPE_CHECKING:
    from pathlib import Path

IMPLICIT, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
HANGING_PROTOCOL = KEYWORDS["HangingProtocolStorage"]
PATIENT_ID, STUDY, SERIES = 0x00100020, 0x0020000D, 0x0020000E
PIXELS = el(0x7FE00010, b"OW", bytes(64))
STUDY_UID = "1.2.3.4"


def head(instance: str, sop_class: str = CT) -> bytes:
    return uid(0x00080016, sop_class) + uid(0x00080018, instance)


NAMES = el(0x00100010, b"PN", b"Doe^Jane") + el(PATIENT_ID, b"LO", b"P1")
ABOVE = uid(STUDY, STUDY_UID) + uid(SERIES, "1.2.3.5")
WHOLE = head("1.9") + NAMES + ABOVE + PIXELS
FRAGMENTS = el(0x7FE00010, b"OB", ITEM + implicit(0xFFFEE000, b"abcd"), UNDEFINED)


def offer(
    ready: Path | None, body: bytes, sop_class: str = CT, syntax: str = EXPLICIT, name: str = "1.9"
) -> Offer:
    meta = file_meta(sop_class, name, syntax, "SCU")
    return Offer(*conftest.offer(ready, body, meta=meta), name, sop_class, syntax)


@pytest.fixture(params=["inline", "spooled"])
def ready(request, tmp_path) -> Path | None:
    return None if request.param == "inline" else tmp_path / "spool/ready"


@pytest.fixture
def running(tmp_path):
    with Running(tmp_path) as one:
        yield one


def studies(folder: Path) -> list[tuple[str, str]]:
    with SqliteIndex(folder / "archive/index.sqlite") as index:
        return [(one.study_instance_uid, one.patient_id) for one in index.studies()]


START = head("1.9")
NO_KEYS = ["1.2\\3", "1.*", "1.2.?", "1." + "2" * 2000]
"""UIDs that a retrieve cannot name."""
UNREADABLE = {
    "cut in front of group 0010": (START + b"\x10\0\x10\0", "(0008,0018)"),
    "cut inside PatientID": (START + el(PATIENT_ID, b"LO", b"P1", 12), "(0010,0020)"),
    "cut inside StudyInstanceUID": (START + el(STUDY, b"UI", b"1.2.3", 20), "(0020,000D)"),
    "cut inside pixel data": (WHOLE[:-1], "(7FE0,0010)"),
    "cut inside a long header": (START + ABOVE + PIXELS[:9], "(7FE0,0010)"),
    "a longer element": (START + ABOVE + el(0x00204000, b"LT", b"x", 400), "(0020,4000)"),
    "a longer sequence": (START + el(0x00081140, b"SQ", ITEM, 90) + ABOVE, "(0008,1140)"),
    "a longer item": (
        START + el(0x00081140, b"SQ", implicit(0xFFFEE000, b"", 80)) + ABOVE,
        "(0008,1140)",
    ),
    "an open sequence": (START + el(0x00081140, b"SQ", ITEM, UNDEFINED), "(0008,1140)"),
    "a longer fragment": (
        START + ABOVE + el(0x7FE00010, b"OB", implicit(0xFFFEE000, b"ab", 4), UNDEFINED),
        "(7FE0,0010)",
    ),
    "nothing but a group length": (el(0x00080000, b"UL", b"\0\0\0\0"), "(0008,0018)"),
    "an unknown VR that fits no length": (
        START + struct.pack("<HH2sHL", 0x0010, 0x21B0, b"??", 0xFFFF, 0xFFFF) + b"x",
        "(0010,21B0) has the unknown VR 3F3FH, and no length that fits",
    ),
    "file meta information": (START + uid(0x00020010, EXPLICIT) + ABOVE, "(0002,0010)"),
}


class TestUnreadable:
    @pytest.mark.parametrize("name", UNREADABLE)
    def test_it_is_c000_with_the_tag(self, running, ready, name):
        body, tag = UNREADABLE[name]
        answer = running.answer(offer(ready, body))
        assert answer.Status == 0xC000
        assert answer.ErrorComment.startswith(tag)
        offending = answer.OffendingElement
        assert f"({offending.group:04X},{offending.element:04X})" == tag[:11]
        assert not stored(running.folder)
        assert not studies(running.folder)

    def test_every_cut_is_refused(self, running):
        without_pixels = len(WHOLE) - len(PIXELS)  # nobody can tell that some are missing
        for end in set(range(1, len(WHOLE))) - {without_pixels}:
            answer = running.answer(offer(None, WHOLE[:end]))
            assert answer.Status in (0xC000, 0xA900)  # between two elements: without its study
        assert not studies(running.folder)

    def test_nothing_at_all(self, running):
        assert running.answer(offer(None, b"")).Status == 0xC000

    def test_deflated(self, running, ready):
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        deflated = packer.compress(WHOLE) + packer.flush()
        for body in (deflated[:-2], deflated[:20]):
            assert running.answer(offer(ready, body, syntax=DEFLATED)).Status == 0xC000
        assert not studies(running.folder)


class TestUnknownVRs:
    @pytest.mark.parametrize("vr", [b"--", b"  ", b"??", b"\0\0", b"lo", b"OX", b"\xff\xff"])
    @pytest.mark.parametrize("length", [32, 16])
    def test_what_follows_is_found(self, running, ready, vr, length):
        if length == 32:
            odd = el(0x001021B0, vr, b"history ")
        else:
            odd = struct.pack("<HH2sH", 0x0010, 0x21B0, vr, 8) + b"history "
        assert running.ask(offer(ready, head("1.9") + NAMES + odd + ABOVE + PIXELS)) == 0x0000
        assert studies(running.folder) == [(STUDY_UID, "P1")]


class TestHabits:
    @pytest.mark.parametrize(
        ("body", "note"),
        [
            (WHOLE + bytes(7), "zero bytes"),
            (WHOLE + bytes(128), "zero bytes"),
            (WHOLE + el(0xFFFCFFFC, b"OB", bytes(10)), ""),
            (head("1.9") + NAMES + ABOVE + FRAGMENTS, "no sequence delimiter"),
            (head("1.9") + NAMES + ABOVE + FRAGMENTS + bytes(7), "no sequence delimiter"),
            (head("1.9") + NAMES + ABOVE + FRAGMENTS + bytes(128), "no sequence delimiter"),
            (
                head("1.9") + NAMES + ABOVE + FRAGMENTS + el(0xFFFCFFFC, b"OB", bytes(10)),
                "no sequence delimiter",
            ),
            (head("1.9") + NAMES + ABOVE + FRAGMENTS + SEQUENCE_END, ""),
        ],
    )
    def test_they_are_kept_with_one_line(self, running, ready, caplog, body, note):
        with caplog.at_level(logging.INFO, "workers.archive"):
            assert running.ask(offer(ready, body)) == 0x0000
        told = [line for line in caplog.messages if "kept although" in line]
        assert [note in line for line in told] == [True] * bool(note)
        assert studies(running.folder) == [(STUDY_UID, "P1")]
        (whole,) = stored(running.folder).values()
        assert whole.endswith(body)


LACKING = {
    "no study": (uid(SERIES, "1.2.3.5"), "(0020,000D)"),
    "an empty study": (uid(STUDY, "") + uid(SERIES, "1.2.3.5"), "(0020,000D)"),
    "a study of spaces": (el(STUDY, b"UI", b"  ") + uid(SERIES, "1.2.3.5"), "(0020,000D)"),
    "no series": (uid(STUDY, STUDY_UID), "(0020,000E)"),
    "neither": (b"", "(0020,000D)"),
}


class TestIncomplete:
    @pytest.mark.parametrize("name", LACKING)
    def test_it_is_a900_with_the_tag(self, running, ready, name):
        uids, tag = LACKING[name]
        answer = running.answer(offer(ready, head("1.9") + NAMES + uids + PIXELS))
        assert answer.Status == 0xA900
        assert answer.ErrorComment.startswith(tag)
        assert not stored(running.folder)

    @pytest.mark.parametrize("odd", NO_KEYS)
    @pytest.mark.parametrize("policy", ["refuse", "keep"])
    def test_uids_that_no_key_can_name_are_a900_in_any_case(self, tmp_path, policy, odd):
        with Running(tmp_path, incomplete=policy) as running:
            for tag, uids in (
                (STUDY, uid(STUDY, odd) + uid(SERIES, "1.2.3.5")),
                (SERIES, uid(STUDY, STUDY_UID) + uid(SERIES, odd)),
            ):
                answer = running.answer(offer(None, head("1.9") + NAMES + uids + PIXELS))
                assert (answer.Status, answer.OffendingElement) == (0xA900, tag)
        assert not stored(tmp_path)

    @pytest.mark.parametrize("name", LACKING)
    def test_or_kept_and_listed(self, tmp_path, ready, name):
        body = head("1.9") + NAMES + LACKING[name][0] + PIXELS
        with Running(tmp_path, incomplete="keep") as running:
            assert running.ask(offer(ready, body)) == 0x0000
            assert incomplete(tmp_path) == ["1.9"]
        with Running(tmp_path):  # what the archive has, it keeps
            assert incomplete(tmp_path) == ["1.9"]
            (whole,) = stored(tmp_path).values()
        assert whole.endswith(body)

    def test_objects_of_no_patient_have_no_study(self, running, ready):
        body = head("1.9", HANGING_PROTOCOL) + el(0x00720002, b"SH", b"MAMMO ")
        one = offer(ready, body, HANGING_PROTOCOL)
        assert running.ask(one) == 0x0000
        assert incomplete(running.folder) == ["1.9"]


def incomplete(folder: Path) -> list[str]:
    with SqliteIndex(folder / "archive/index.sqlite") as index:
        return [one.entry.sop_instance_uid for one in index.incomplete()]
