"""Lines of a journal, and an index that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.archive.index import IndexEntry
from workers.archive.index.records import JournalEntry
from workers.archive.index.sqlite import SqliteIndex

if TYPE_CHECKING:
    from pathlib import Path

CT = "1.2.840.10008.5.1.4.1.1.2"


def entry(uid: str, holder: str = "") -> IndexEntry:
    return IndexEntry(uid, CT, "1.2.840.10008.1.2", f"{uid}.dcm", 0, 10, b"d" * 32, holder)


def line(seq: int, study: str, series: str = "1", kind: str = "stored", at: float = 100.0):
    return JournalEntry(seq, kind, at, entry(f"{study}.{seq}"), study, series)


def opened(tmp_path: Path) -> SqliteIndex:
    (tmp_path / "archive").mkdir(exist_ok=True)
    return SqliteIndex(tmp_path / "archive/index.sqlite", durable=False, create=True)


def store(index, uid: str, study: str = "1.2", series: str = "1.2.1", holder: str = "") -> None:
    texts = {
        "SOPInstanceUID": uid,
        "SOPClassUID": CT,
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
        "PatientID": "P1",
    }
    index.add(entry(uid, holder), texts)


def completions(index) -> list[tuple[str, str, str]]:
    return [
        (one.study_instance_uid, one.series_instance_uid, one.entry.path)
        for one in index.journal()
        if one.kind == "complete"
    ]
