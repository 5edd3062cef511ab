"""Copies of instances, or links to them, below folders that a person can read.

    PATIENT/STUDY/SERIES/NUMBER.dcm

The names are made of what the index says, and end in a digest of the UID, so that they are unique.
Of the text of peers only letters, digits and hyphens go into them.
"""

from __future__ import annotations

import filecmp
import os
import secrets
import shutil
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.sdk import GatewayError, Unavailable
from workers.archive import layout
from workers.archive.attributes import BY_KEYWORD, UNIQUE, Level
from workers.archive.index.interface import one_of
from workers.archive.index.search import Query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workers.archive.index import Index, IndexEntry
    from workers.archive.stored_files import StoredFiles

_KEYWORDS = (
    *("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "StudyDescription"),
    *("SeriesInstanceUID", "SeriesNumber", "Modality", "SeriesDescription"),
    *("SOPInstanceUID", "InstanceNumber"),
)
_LONGEST = 40
"""Characters of a text in a name, so that no name has more than 255 bytes."""
_PAGE = 500


class ExportError(GatewayError):
    """An instance cannot be exported; says why."""


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """An instance, and where it goes."""

    entry: IndexEntry
    name: str
    """Relative to the folder of the export."""
    study: str = ""
    """Its Study Instance UID."""


def plan(index: Index, uids: list[str]) -> Iterator[ExportPlan]:
    """Yield the instances of these studies, series and instances, each once."""
    done: set[str] = set()
    attributes = tuple(BY_KEYWORD[keyword] for keyword in _KEYWORDS)
    for level in (Level.STUDY, Level.SERIES, Level.IMAGE):
        condition = one_of(level, UNIQUE[level].column, uids)
        rows = index.search(Query(Level.IMAGE, attributes, conditions=(condition,)))
        for page in _pages(rows):
            texts = [dict(zip(_KEYWORDS, (v or "" for v in row), strict=True)) for row in page]
            new = {t["SOPInstanceUID"]: t for t in texts if t["SOPInstanceUID"] not in done}
            done.update(new)
            entries = index.find_all(list(new))
            for uid, entry in entries.items():
                texts_of = new[uid]
                yield ExportPlan(entry, name_of(texts_of), texts_of["StudyInstanceUID"])


def _pages(rows: Iterator[tuple[str | None, ...]]) -> Iterator[tuple[tuple[str | None, ...], ...]]:
    while page := tuple(islice(rows, _PAGE)):
        yield page


def name_of(texts: Mapping[str, str]) -> str:
    """Return the path of an instance with these values, relative to the folder of the export."""
    study, series, instance = (
        _mark(texts[f"{level}InstanceUID"]) for level in ("Study", "Series", "SOP")
    )
    folders = (
        _joined(texts["PatientID"], texts["PatientName"]) or "no-patient",
        _joined(texts["StudyDate"], texts["StudyDescription"], study),
        _joined(
            texts["SeriesNumber"].zfill(3), texts["Modality"], texts["SeriesDescription"], series
        ),
    )
    return "/".join((*folders, f"{_joined(texts['InstanceNumber'].zfill(5), instance)}.dcm"))


def _joined(*parts: str) -> str:
    return "_".join(safe for part in parts if (safe := _safe(part)))


def _safe(text: str) -> str:
    """Return text with nothing that a file system, a shell or a terminal could take amiss."""
    kept = "".join(
        c if c.isalnum() or c == "-" else " " for c in unicodedata.normalize("NFC", text)
    )
    return "-".join(kept.split())[:_LONGEST].strip("-")


def _mark(uid: str) -> str:
    return blake2b(uid.encode("utf-8", "replace"), digest_size=5).hexdigest()


def export(files: StoredFiles, folder: Path, planned: ExportPlan, *, link: bool) -> bool:
    """Write an instance; return False if it is there already.

    Raises ExportError if its file is not as it was stored, or another file has its name.
    """
    entry, target = planned.entry, folder / planned.name
    try:
        if why := files.defect(entry):
            raise ExportError(f"{entry.sop_instance_uid}: {why}")
        if link and layout.is_object(entry.path):
            raise ExportError(
                f"{entry.sop_instance_uid}: it is an object: export it without --link"
            )
        with files.readable(entry.path) as source:
            return _written(Path(source), target, link=link)
    except Unavailable as error:
        raise ExportError(f"{entry.sop_instance_uid}: {error}") from error


def _written(source: Path, target: Path, *, link: bool) -> bool:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(target):
            return _compare(source, target)
        draft = target.with_name(f".{secrets.token_hex(8)}.part")
        try:
            if link:
                draft.symlink_to(source)
            else:
                shutil.copyfile(source, draft)
            draft.rename(target)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()
    except OSError as error:
        raise ExportError(f"{target}: {error.strerror or error}") from error
    return True


def _compare(source: Path, target: Path) -> bool:
    """Return False if a file that is there has the same content; else raise ExportError."""
    if target.is_file() and filecmp.cmp(source, target, shallow=False):
        return False
    raise ExportError(f"{target} is there and is not this instance: remove it, or export elsewhere")
