"""Small valid CT instances in any uncompressed transfer syntax, and as many as wanted.

One template a (transfer syntax, size) is encoded with pydicom; an instance is that template with
its UID put in, so that a thousand cost a few milliseconds.
"""

from __future__ import annotations

import itertools
import os
import struct
import zlib
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pydicom.filebase import DicomIO
from pydicom.filewriter import write_dataset

from gateway.spool.digest import digest_of
from tests.peers import wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRANSFER_SYNTAXES = {
    "implicit": wire.IMPLICIT,
    "explicit": wire.EXPLICIT,
    "big-endian": wire.BIG_ENDIAN,
    "deflated": wire.DEFLATED,
}


def _prefix() -> str:
    """Return the beginning of UIDs that nobody else has; each is as long as the others."""
    return f"2.25.{int.from_bytes(os.urandom(7), 'big') + 10**17}"


_PREFIX = _prefix()
STUDY, SERIES = f"{_PREFIX}.1", f"{_PREFIX}.2"
"""The one study and the one series of all instances that a process makes, but `of_new_study`."""
_counter = itertools.count(1_000_001)
_PLACEHOLDER = f"{_PREFIX}.{1_000_000}"


@dataclass(frozen=True)
class Instance:
    """One SOP instance as it goes over the wire."""

    uid: str
    sop_class: str
    transfer_syntax: str
    data_set: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.data_set).hex()

    def context(self, id_: int = 1) -> bytes:
        """The presentation context item under which it can be sent."""
        return wire.context(id_, self.sop_class, self.transfer_syntax)

    def part10(self) -> bytes:
        """The instance as a file (PS3.10 7.1)."""
        meta = b"".join(
            (
                b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01",
                _ui(0x0002, self.sop_class),
                _ui(0x0003, self.uid),
                _ui(0x0010, self.transfer_syntax),
                _ui(0x0012, wire.PEER_CLASS_UID),
            )
        )
        length = b"\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", len(meta))
        return bytes(128) + b"DICM" + length + meta + self.data_set


def _ui(tag: int, uid: str) -> bytes:
    value = wire.uid_value(uid)
    return struct.pack("<HH2sH", 2, tag, b"UI", len(value)) + value


def _data_set(size: int) -> Dataset:
    rows = max(1, size // 1024)
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = wire.CT
    ds.SOPInstanceUID = _PLACEHOLDER
    ds.StudyDate = "20240131"
    ds.StudyTime = "120000"
    ds.AccessionNumber = "A1"
    ds.Modality = "CT"
    ds.Manufacturer = "Generated"
    ds.ReferringPhysicianName = "Nobody^Known"
    ds.PatientName = "Test^Instance"
    ds.PatientID = "T1"
    ds.PatientBirthDate = "19700101"
    ds.PatientSex = "O"
    ds.KVP = "120"
    ds.StudyInstanceUID = STUDY
    ds.SeriesInstanceUID = SERIES
    ds.StudyID = "1"
    ds.SeriesNumber = 1
    ds.InstanceNumber = 1
    ds.ImagePositionPatient = [0, 0, 0]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.FrameOfReferenceUID = f"{_PREFIX}.3"
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows = rows
    ds.Columns = 512
    ds.PixelSpacing = [1, 1]
    ds.BitsAllocated = 16
    ds.BitsStored = 12
    ds.HighBit = 11
    ds.PixelRepresentation = 0
    ds.RescaleIntercept = "-1024"
    ds.RescaleSlope = "1"
    pixels = bytes(i & 0x0F if i & 1 else (i * 7) & 0xFF for i in range(1024))
    ds.add_new(0x7FE00010, "OW", pixels * rows)
    return ds


@cache
def _template(transfer_syntax: str, size: int) -> bytes:
    buffer = BytesIO()
    out = DicomIO(buffer)
    out.is_little_endian = transfer_syntax != wire.BIG_ENDIAN
    out.is_implicit_VR = transfer_syntax == wire.IMPLICIT
    write_dataset(out, _data_set(size))
    return buffer.getvalue()


def make(transfer_syntax: str = wire.EXPLICIT, *, size: int = 2048) -> Instance:
    """A new CT instance with some `size` bytes of pixels."""
    uid = f"{_PREFIX}.{next(_counter)}"
    encoded = _template(transfer_syntax, size).replace(_PLACEHOLDER.encode(), uid.encode())
    if transfer_syntax == wire.DEFLATED:
        deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        encoded = deflate.compress(encoded) + deflate.flush()
        encoded += b"\0" * (len(encoded) % 2)
    return Instance(uid, wire.CT, transfer_syntax, encoded)


def many(count: int, transfer_syntax: str = wire.EXPLICIT, *, size: int = 2048) -> list[Instance]:
    return [make(transfer_syntax, size=size) for _ in range(count)]


def of_new_study(instance: Instance) -> Instance:
    """The same in a study and a series that have no other."""
    prefix, encoded = _prefix(), instance.data_set
    for uid, new in ((STUDY, f"{prefix}.1"), (SERIES, f"{prefix}.2")):
        # With its padding: the UID of the instance begins with that of the study.
        encoded = encoded.replace(f"{uid}\0".encode(), f"{new}\0".encode())
    return replace(instance, data_set=encoded)


def series_of(study: str) -> str:
    """The one series of a study made here."""
    return f"{study.removesuffix('.1')}.2"


def write_folder(folder: Path, instances: list[Instance]) -> Path:
    """Each instance as a file below `folder`, a hundred to a sub-folder."""
    for number, instance in enumerate(instances):
        place = folder / f"series{number // 100}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"image{number:04}.dcm").write_bytes(instance.part10())
    return folder


def big_ct(size: int) -> tuple[str, Iterator[bytes], int]:
    """UID, data set in pieces of at most 1 MiB, and its length: never held as a whole."""
    instance = make(size=1024)
    at = instance.data_set.index(b"\xe0\x7f\x10\x00OW")
    head = instance.data_set[: at + 8] + struct.pack("<I", size)

    def pieces() -> Iterator[bytes]:
        yield head
        block = bytes(range(256)) * 4096
        left = size
        while left:
            piece = block[: min(left, len(block))]
            left -= len(piece)
            yield piece

    return instance.uid, pieces(), len(head) + size
