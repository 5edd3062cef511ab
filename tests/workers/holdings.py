"""An archive with something in it, for the workers that read it."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pydicom.filebase import DicomIO
from pydicom.filewriter import write_dataset

from gateway.spool.digest import digest_of
from tests.archive.conftest import kept
from tests.peers import wire
from tests.peers.instances import Instance
from workers.archive.index import IndexEntry, SqliteIndex
from workers.archive.layout import FOLDER, INDEX

if TYPE_CHECKING:
    from pathlib import Path

BUCKET = "20260101/000000000-0"
SAID = {
    "StudyInstanceUID": "1.3",
    "SeriesInstanceUID": "1.2",
    "PatientID": "P1",
    "PatientName": "Doe^Jane",
    "Modality": "CT",
    "StudyDate": "20240131",
    "StudyTime": "120000",
}


@dataclass
class Holdings:
    """Puts instances below a data directory, with their rows."""

    data: Path

    def __post_init__(self) -> None:
        (self.data / FOLDER / BUCKET).mkdir(parents=True)
        SqliteIndex(self.data / FOLDER / INDEX).close()

    def put(self, *texts: dict[str, object], syntax: str = wire.EXPLICIT) -> list[Path]:
        """Instances with these attributes; gives their files."""
        with SqliteIndex(self.data / FOLDER / INDEX) as index:
            return [self._put(index, one, syntax) for one in texts]

    def _put(self, index: SqliteIndex, texts: dict[str, object], syntax: str) -> Path:
        one = instance(syntax, **texts)
        whole, body = one.part10(), one.data_set
        name = f"{BUCKET}/{one.uid}.dcm"
        path = self.data / FOLDER / name
        path.write_bytes(whole)
        digest = digest_of(body)
        start = len(whole) - len(body)
        entry = IndexEntry(one.uid, one.sop_class, syntax, name, start, len(body), digest)
        index.add(entry, kept(one.uid, **{**SAID, **texts}))
        return path


def instance(syntax: str = wire.EXPLICIT, **texts: object) -> Instance:
    """A small CT instance; its values are not those of the syntax if that is a compressed one."""
    data = Dataset()
    data.SOPClassUID = wire.CT
    data.SOPInstanceUID = "1.1"
    for keyword, value in {**SAID, **texts}.items():
        setattr(data, keyword, value)
    out = DicomIO(buffer := BytesIO())
    out.is_little_endian, out.is_implicit_VR = True, syntax == wire.IMPLICIT
    write_dataset(out, data)
    return Instance(str(data.SOPInstanceUID), wire.CT, syntax, buffer.getvalue())
