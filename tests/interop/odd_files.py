"""200 instances with odd values, the same each time, for two archives to be asked about.

Twenty patients with two studies, of two series each; five instances a study. The attributes of an
entity are the same in all of its instances, because archives differ in which instance they believe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.datasets.element_writer import ElementWriter
from tests.archive.character_set_samples import EXTENDED, SINGLE, STAND_ALONE
from tests.peers import wire
from tests.peers.instances import Instance
from workers.archive.attributes import BY_KEYWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENTS, STUDIES = 20, 2
SERIES_OF = (0, 0, 0, 1, 1)
"""The series of each instance of a study."""
ROOT = "1.2.826.0.1.3680043.9.12"
NAMES = [(sets, value) for sets, value, _ in (*STAND_ALONE, *EXTENDED, *SINGLE)]
SYNTAXES = (wire.EXPLICIT, wire.IMPLICIT, wire.BIG_ENDIAN)

IDS = [b"ODD%02d", b"ODD%02d   ", b"odd %02d", b"ODD%02d/x", b"O-%02d\0", b"%02d", b"ODD_%02d%%"]
PATIENT: dict[str, list[bytes | None]] = {
    "PatientBirthDate": [
        b"19700131",
        None,
        b"",
        b"1970",
        b"unknown ",
        b"19701399",
        b"70/01/31",
        b"1970.01.31",
    ],
    "PatientSex": [b"F ", b"\xc4\xd0", None, b"female", b"O\0", b"", b"X "],
}
STUDY: dict[str, list[bytes | None]] = {
    "StudyDate": [
        b"20240131",
        b"20240201",
        None,
        b"2024",
        b"",
        b"\xff\xff",
        b"99999999",
        b"2024-1-1",
    ],
    "StudyTime": [b"120000", b"12", b"noon", None, b"120000.5", b"", b"25:61 ", b"\x80\x81"],
    "AccessionNumber": [b"A1", b"A1 ", b"a1", None, b"", b"X" * 40, b"1*2 ", b"\xe9\xe8"],
    "StudyID": [b"1 ", b"01", None, b"", b"tab\there", b"S" * 80],
    "ReferringPhysicianName": [b"Who^Doc ", b"who^doc^^^", None, b"", b"A=B=C=D ", b"N" * 90],
    "StudyDescription": [b"Head ", None, b"", b"D" * 100, b"a_b%c ", b"question?"],
}
SERIES: dict[str, list[bytes | None]] = {
    "Modality": [b"CT", b"MR", b"\xc4\xd0", None, b"ct", b"", b"CT\0\0", b"OTHER MODALITY"],
    "SeriesNumber": [b"1 ", b"01", b"abc ", None, b"1 2 ", b"", b"+1", b"99999999999999"],
    "SeriesDate": [b"20240131", None, b"never ", b"", b"20240131"],
    "SeriesDescription": [b"Axial ", None, b"ax*", b"", b"A" * 70],
    "BodyPartExamined": [b"HEAD", b"\xc4\xd0", None, b"left knee ", b""],
    "ProtocolName": [b"P1", None, b"", b"p1"],
    "StationName": [b"ST1 ", None, b"S" * 30, b""],
}
IMAGE: dict[str, list[bytes | None]] = {
    "InstanceNumber": [b"1 ", b"abc ", b"1 2 ", b"03", None, b"", b"-5", b"1.5 ", b"\xc4\xd0"],
    "ContentDate": [b"20240131", None, b"today ", b"", b"20241301"],
    "ContentTime": [b"1200", None, b"", b"\xc4\xd0", b"12:00 "],
    "NumberOfFrames": [b"1 ", None, b"many", b"", b"01"],
}


def odd_files() -> list[Instance]:
    """The instances, in the order in which they are stored."""
    return list(_all())


def _all() -> Iterator[Instance]:
    for patient in range(PATIENTS):
        for study in range(patient * STUDIES, (patient + 1) * STUDIES):
            for image, of_series in enumerate(SERIES_OF):
                number = study * len(SERIES_OF) + image
                yield _instance(patient, study, study * 2 + of_series, number)


def _instance(patient: int, study: int, series: int, image: int) -> Instance:
    sets, name = NAMES[patient * 3 % len(NAMES)]
    values: dict[int, bytes] = {0x00080005: sets, BY_KEYWORD["PatientName"].tag: name}
    identity = IDS[patient % len(IDS)]
    values[BY_KEYWORD["PatientID"].tag] = identity.replace(b"%02d", b"%02d" % patient)
    for table, number in ((PATIENT, patient), (STUDY, study), (SERIES, series), (IMAGE, image)):
        for keyword, odd in table.items():
            if (value := odd[number % len(odd)]) is not None:
                values[BY_KEYWORD[keyword].tag] = value
    syntax, uid = SYNTAXES[image % len(SYNTAXES)], f"{ROOT}.3.{image}"
    writer = ElementWriter(syntax)
    values |= {
        0x00080016: wire.CT.encode(),
        0x00080018: uid.encode(),
        0x0020000D: f"{ROOT}.1.{study}".encode(),
        0x0020000E: f"{ROOT}.2.{series}".encode(),
        0x00280010: writer.unsigned_shorts([study + 1]),
        0x00280011: writer.unsigned_shorts([image + 1]),
    }
    encoded = (writer.element(tag, _vr(tag), value) for tag, value in sorted(values.items()))
    return Instance(uid, wire.CT, syntax, writer.data_set(encoded))


_VRS = {attribute.tag: attribute.vr for attribute in BY_KEYWORD.values()}


def _vr(tag: int) -> str:
    return _VRS.get(tag, "CS")
