"""What is in the archive, for the page: patients' studies, their series, and conflicts.

The index is opened when somebody first looks, and is only read; what an operator decides about a
conflict is written by another connection, which is closed at once.
"""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from gateway.sdk import GatewayError
from workers.archive.attributes import BY_KEYWORD, Level
from workers.archive.conflicts import accept, conflict_named, differences, drop, label
from workers.archive.index.search import COMPUTED, Query
from workers.archive.matching import BadIdentifier, conditions
from workers.archive.stored_text import readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workers.archive.index import Index
    from workers.archive.matching import Condition
    from workers.archive.stored_files import StoredFiles

PAGE = 50
"""Rows of one answer."""
FURTHEST = 1000
"""Rows that can be paged through; a narrower search finds the others."""
MOST_CONFLICTS = 100
MOST_DIFFERENCES = 200
SHOWN = {
    Level.STUDY: (
        *("PatientName", "PatientID", "StudyDate", "StudyDescription", "AccessionNumber"),
        "StudyInstanceUID",
    ),
    Level.SERIES: ("Modality", "SeriesNumber", "SeriesDescription", "SeriesInstanceUID"),
    Level.IMAGE: ("InstanceNumber", "SOPClassUID", "SOPInstanceUID"),
}
COUNTED = {
    Level.STUDY: (
        *("ModalitiesInStudy", "NumberOfStudyRelatedSeries"),
        "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: ("NumberOfSeriesRelatedInstances",),
    Level.IMAGE: (),
}
SEARCHED = ("PatientName", "PatientID", "StudyDate", "AccessionNumber")
_STARTS = frozenset({"PatientName", "PatientID", "AccessionNumber"})
"""Attributes of which the beginning is enough."""


class OpenIndex(Protocol):
    """Opens the index; raises GatewayError. `durable`: to write something."""

    def __call__(self, *, durable: bool = False) -> Index: ...


class ArchiveView:
    """Searches an index; `files` are those of the archive, `holder` whose they are."""

    def __init__(self, open_index: OpenIndex, files: StoredFiles, holder: str) -> None:
        self._open_index = open_index
        self._files = files
        self._holder = holder
        self._index: Index | None = None
        self._lock = threading.Lock()

    @property
    def index(self) -> Index:
        """The open index; raises GatewayError."""
        with self._lock:
            if self._index is None:
                self._index = self._open_index()
            return self._index

    def close(self) -> None:
        """Close the index."""
        with self._lock:
            if self._index is not None:
                self._index.close()
                self._index = None

    def to_change(self) -> Index:
        """Return an index of its own, to write something; raises GatewayError."""
        return self._open_index(durable=True)

    def studies(self, wanted: Mapping[str, str], skip: int = 0) -> dict[str, Any]:
        """Return a page of the studies that match; `wanted` is by the keywords of `SEARCHED`."""
        try:
            found = tuple(_conditions(wanted))
        except BadIdentifier as error:
            return {"rows": [], "more": False, "error": str(error)}
        return self._page(Level.STUDY, found, skip)

    def series(self, study: str, skip: int = 0) -> dict[str, Any]:
        """Return a page of the series of a study."""
        return self._page(Level.SERIES, _named(Level.STUDY, "StudyInstanceUID", study), skip)

    def instances(self, series: str, skip: int = 0) -> dict[str, Any]:
        """Return a page of the instances of a series."""
        return self._page(Level.IMAGE, _named(Level.SERIES, "SeriesInstanceUID", series), skip)

    def conflicts(self) -> dict[str, Any]:
        """Return the files that were set aside, and their number."""
        try:
            found = self.index.conflicts()
        except GatewayError as error:
            return {"rows": [], "total": 0, "error": str(error)}
        rows = [
            {
                "SOPInstanceUID": readable(one.sop_instance_uid),
                "size": one.size,
                "received": one.received,
                "path": one.path,
                "name": label(one),
                "holder": "" if one.holder == self._holder else one.holder,
            }
            for one in found[:MOST_CONFLICTS]
        ]
        return {"rows": rows, "total": len(found)}

    def differences(self, path: str) -> dict[str, Any]:
        """Return the elements in which a file that was set aside differs from what is stored."""
        try:
            aside = conflict_named(self.index, self._holder, path)
            stored = self.index.find(aside.sop_instance_uid)
            if stored is None:
                return {"rows": [], "error": "nothing is stored under its UID any more"}
            readable_path = self._files.readable
            with readable_path(stored.path) as one, readable_path(aside.path) as other:
                found = islice(differences(one, other), MOST_DIFFERENCES + 1)
                rows = [difference._asdict() for difference in found]
        except (GatewayError, OSError) as error:
            return {"rows": [], "error": str(error)}
        return {"rows": rows[:MOST_DIFFERENCES], "more": len(rows) > MOST_DIFFERENCES}

    def settle(self, path: str, *, is_accepted: bool) -> None:
        """Accept or drop a file that was set aside, as `archive conflicts` does; GatewayError."""
        try:
            with self._open_index(durable=True) as index:
                conflict = conflict_named(index, self._holder, path)
                (accept if is_accepted else drop)(self._files, index, conflict)
        except OSError as error:
            raise GatewayError(f"{path}: {error.strerror}") from None

    def _page(
        self, level: Level, found: tuple[tuple[Level, Condition], ...], skip: int
    ) -> dict[str, Any]:
        names = (*SHOWN[level], *COUNTED[level])
        query = Query(
            level,
            tuple(BY_KEYWORD[name] for name in SHOWN[level]),
            tuple(COMPUTED[name] for name in COUNTED[level]),
            found,
        )
        skip = min(max(skip, 0), FURTHEST)
        try:
            rows = list(islice(self.index.search(query), skip, skip + PAGE + 1))
        except GatewayError as error:
            return {"rows": [], "more": False, "error": str(error)}
        told = [dict(zip(names, map(_plain, row), strict=True)) for row in rows[:PAGE]]
        return {"rows": told, "more": len(rows) > PAGE and skip + PAGE <= FURTHEST}


def _conditions(wanted: Mapping[str, str]) -> Iterator[tuple[Level, Condition]]:
    for keyword in SEARCHED:
        attribute, text = BY_KEYWORD[keyword], wanted.get(keyword, "").strip()
        if text and keyword in _STARTS and "*" not in text:
            text += "*"
        for condition in conditions(attribute, text):
            yield attribute.level, condition


def _named(level: Level, keyword: str, uid: str) -> tuple[tuple[Level, Condition], ...]:
    return tuple((level, condition) for condition in conditions(BY_KEYWORD[keyword], uid or "0"))


def _plain(value: Any) -> Any:
    return readable(value) if isinstance(value, str) else value
