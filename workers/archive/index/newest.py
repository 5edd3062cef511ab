"""The attributes of studies and series: each has the value of the newest instance that has one.

Instances are ranked by time of receipt, then by SOP Instance UID. An empty value never replaces
another one. So the attributes depend on the set of instances, not on the order of the changes.

With each row `sources` are stored: the rank of the instance that each value is from. An instance
that is added is compared with these alone. Only when an instance is removed that a value is from
are all headers of its study read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from workers.archive.attributes import Level, of_level
from workers.archive.comparison_keys import names, row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.archive.index.grouping import Execute

LEVELS = {"study": (Level.PATIENT, Level.STUDY), "series": (Level.SERIES,)}
"""The levels whose attributes are in a table."""
KEYWORDS = {
    table: tuple(attribute.keyword for level in levels for attribute in of_level(level))
    for table, levels in LEVELS.items()
}
VALUES = {
    table: ", ".join(
        f"{table}.{attribute.column}" for level in levels for attribute in of_level(level)
    )
    for table, levels in LEVELS.items()
}
"""The columns that the values are read from."""
_SET = {
    table: "".join(f", {name} = ?" for level in levels for name in names(level))
    for table, levels in LEVELS.items()
}
PATIENT = tuple(attribute.keyword for attribute in of_level(Level.PATIENT))


def rank_of(received: str, sop_instance_uid: str) -> str:
    """Return the rank of an instance; of two instances the greater one is newer."""
    return f"{received} {sop_instance_uid}"


class Newest:
    """The attributes of a row of the table study or series, and where they are from."""

    def __init__(
        self, table: str, number: int, values: Sequence[str | None] = (), sources: str = "{}"
    ) -> None:
        self.table = table
        self.number = number
        """The id of the row."""
        self.values = dict(zip(KEYWORDS[table], values, strict=False))
        self._sources = _unpacked(sources)
        self.is_changed = False
        """Whether a value has changed since the row was written."""
        self._is_moved = False
        """Whether a value is from another instance than before, if perhaps the same value."""

    def merge(self, texts: Mapping[str, str], rank: str) -> None:
        """Take the values of an instance where it is the newest that has one."""
        values, sources = self.values, self._sources
        for keyword in KEYWORDS[self.table]:
            text = texts.get(keyword)
            if text and rank > sources.get(keyword, ""):
                sources[keyword] = rank
                self._is_moved = True
                if values.get(keyword) != text:
                    values[keyword] = text
                    self.is_changed = True

    def is_from(self, rank: str) -> bool:
        """Return whether a value is from the instance of this rank."""
        return rank in self._sources.values()

    def write(self, execute: Execute) -> bool:
        """Update the row if it is necessary; return whether a value has changed."""
        is_changed = self.is_changed
        if is_changed:
            self.write_all(execute)
        elif self._is_moved:
            text = f"UPDATE {self.table} SET sources = ? WHERE id = ?"
            execute(text, (_packed(self._sources), self.number))
        self.is_changed = self._is_moved = False
        return is_changed

    def write_all(self, execute: Execute) -> None:
        """Update all columns of the row."""
        columns = [one for level in LEVELS[self.table] for one in row(level, self.values)]
        text = f"UPDATE {self.table} SET sources = ?{_SET[self.table]} WHERE id = ?"
        execute(text, (_packed(self._sources), *columns, self.number))


def _packed(sources: Mapping[str, str]) -> str:
    """Return sources as text: mostly one instance is the source of all values."""
    keywords: dict[str, list[str]] = {}
    for keyword in sorted(sources):
        keywords.setdefault(sources[keyword], []).append(keyword)
    return json.dumps(keywords, separators=(",", ":"), sort_keys=True)


def _unpacked(text: str) -> dict[str, str]:
    found: dict[str, list[str]] = json.loads(text)
    return {keyword: rank for rank, keywords in found.items() for keyword in keywords}


def overlaid(texts: Mapping[str, str], assigned: str | None) -> Mapping[str, str]:
    """Return texts with the patient attributes that their study was assigned, if any."""
    return texts if assigned is None else {**texts, **json.loads(assigned)}


_HEADERS = (
    "SELECT series.id, header.texts, (SELECT received || ' ' || sop_instance_uid FROM instance "
    "WHERE instance.header = header.id ORDER BY received DESC, sop_instance_uid DESC LIMIT 1) "
    "FROM series JOIN header ON header.series = series.id WHERE series.study = ?"
)


def computed(execute: Execute, study: int) -> tuple[Newest, list[Newest]]:
    """Return the attributes of a study and of its series, computed from all instances."""
    (assigned,) = execute("SELECT assigned FROM study WHERE id = ?", (study,)).fetchone()
    whole = Newest("study", study)
    series: dict[int, Newest] = {}
    for number, text, rank in execute(_HEADERS, (study,)).fetchall():
        texts = overlaid(json.loads(text), assigned)
        whole.merge(texts, rank)
        series.setdefault(number, Newest("series", number)).merge(texts, rank)
    return whole, list(series.values())


def stored(execute: Execute, table: str, number: int) -> Newest:
    """Return the attributes of a row as they are stored."""
    text = f"SELECT sources, {VALUES[table]} FROM {table} WHERE id = ?"
    sources, *values = execute(text, (number,)).fetchone()
    return Newest(table, number, values, sources)


def differences(execute: Execute, study: int) -> list[str]:
    """Return the keywords of a study and its series whose values are not those of the instances."""
    whole, series = computed(execute, study)
    found: dict[str, None] = {}
    for one in (whole, *series):
        have = stored(execute, one.table, one.number).values
        for keyword in KEYWORDS[one.table]:
            if (have.get(keyword) or "") != (one.values.get(keyword) or ""):
                found[keyword] = None
    return list(found)
