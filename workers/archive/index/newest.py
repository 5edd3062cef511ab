"""The attributes of studies and series: each has the value of the newest instance that has one.

Instances are ranked by time of receipt, then by SOP Instance UID. An empty value never replaces
another one. So the attributes depend on the set of instances, not on the order of the changes.

All instances of a header have the same values, so the rank of a header is that of its newest
instance. With each row `sources` are stored: the header that each value is from. An instance that
is added changes nothing if its header is the source already, and is compared with the sources
otherwise. Only when the newest instance of a source is removed are all headers of its study read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from workers.archive.attributes import Level, of_level
from workers.archive.comparison_keys import names, row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


_NONE: Mapping[str, str | None] = {}
_NEWEST = (
    "(SELECT received || ' ' || sop_instance_uid FROM instance WHERE instance.header = ? "
    "ORDER BY received DESC, sop_instance_uid DESC LIMIT 1)"
)


def rank_of(received: str, sop_instance_uid: str) -> str:
    """Return the rank of an instance; of two instances the greater one is newer."""
    return f"{received} {sop_instance_uid}"


def is_all_from(table: str) -> str:
    """Return the condition that a header is the only source of a row of the table above it.

    Then an instance of this header that is added, and so is newer, changes no attribute of the row.
    """
    sources = f"{table}.sources"
    begins = f"""starts_with({sources}, '{{"' || header.id || '":')"""
    return f"{begins} AND strpos({sources}, '],') = 0"


class Ranks:
    """The ranks of headers, each read once."""

    def __init__(self, execute: Execute, known: Mapping[int, str] | None = None) -> None:
        self._execute = execute
        self._known = dict(known or {})

    def of(self, header: int) -> str:
        """Return the rank of the newest instance of a header; empty if it has none."""
        rank = self._known.get(header)
        if rank is None:
            rank = self._known[header] = newest_of(self._execute, header)
        return rank


def newest_of(execute: Execute, header: int) -> str:
    """Return the rank of the newest instance of a header; empty if it has none."""
    found = execute(f"SELECT {_NEWEST}", (header,)).fetchone()
    return found[0] or ""


class Newest:
    """The attributes of a row of the table study or series, and the headers they are from."""

    def __init__(self, table: str, number: int, sources: str = "{}") -> None:
        self.table = table
        self.number = number
        """The id of the row."""
        self.values: dict[str, str | None] = {}
        """Empty until a value has to be changed."""
        self._text = sources
        self._unpacked: dict[str, int] | None = None
        self.is_changed = False
        """Whether a value has changed since the row was written."""
        self._is_moved = False
        """Whether a value is from another header than before, if perhaps the same value."""

    def merge(self, header: int, texts: Mapping[str, str], ranks: Ranks) -> list[str]:
        """Take the values of a header where it is the newest that has one; return which."""
        taken = []
        sources = self._sources
        for keyword in KEYWORDS[self.table]:
            if texts.get(keyword):
                source = sources.get(keyword)
                if source != header and (source is None or ranks.of(header) > ranks.of(source)):
                    sources[keyword] = header
                    taken.append(keyword)
        self._is_moved = self._is_moved or bool(taken)
        return taken

    @property
    def _sources(self) -> dict[str, int]:
        if self._unpacked is None:
            self._unpacked = _unpacked(self._text)
        return self._unpacked

    def is_all_from(self, header: int) -> bool:
        """Return whether a header is the only source, as it mostly is: seen without decoding.

        Then there is nothing to merge.
        """
        text = self._text
        return self._unpacked is None and text.startswith(f'{{"{header}":') and "]," not in text

    def set(self, keywords: Iterable[str], texts: Mapping[str, str]) -> None:
        """Set values; those of the row must have been read."""
        for keyword in keywords:
            if self.values.get(keyword) != texts[keyword]:
                self.values[keyword] = texts[keyword]
                self.is_changed = True

    def begin(self, values: Mapping[str, str | None] = _NONE) -> None:
        """Set the values of a row that was just made, which need not be read then."""
        self.values = {**dict.fromkeys(KEYWORDS[self.table]), **values}

    def read(self, execute: Execute) -> None:
        """Read the values, unless they have been read."""
        if not self.values:
            text = f"SELECT {VALUES[self.table]} FROM {self.table} WHERE id = ?"
            found = execute(text, (self.number,)).fetchone()
            self.values = dict(zip(KEYWORDS[self.table], found, strict=True))

    def is_from(self, header: int) -> bool:
        """Return whether a value is from this header."""
        return header in self._sources.values()

    def write(self, execute: Execute) -> bool:
        """Update the row if it is necessary; return whether a value has changed."""
        is_changed = self.is_changed
        if is_changed:
            self.read(execute)
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


def _packed(sources: Mapping[str, int]) -> str:
    """Return sources as text: mostly one header is the source of all values."""
    keywords: dict[int, list[str]] = {}
    for keyword in sorted(sources):
        keywords.setdefault(sources[keyword], []).append(keyword)
    return json.dumps(keywords, separators=(",", ":"))


def _unpacked(text: str) -> dict[str, int]:
    found: dict[str, list[str]] = json.loads(text)
    return {keyword: int(header) for header, keywords in found.items() for keyword in keywords}


def overlaid(texts: Mapping[str, str], assigned: str | None) -> Mapping[str, str]:
    """Return texts with the patient attributes that their study was assigned, if any."""
    return texts if assigned is None else {**texts, **json.loads(assigned)}


_HEADERS = (
    f"SELECT series.id, header.id, header.texts, {_NEWEST.replace('?', 'header.id')} "
    "FROM series JOIN header ON header.series = series.id WHERE series.study = ?"
)


def computed(execute: Execute, study: int) -> tuple[Newest, list[Newest]]:
    """Return the attributes of a study and of its series, computed from all headers."""
    (assigned,) = execute("SELECT assigned FROM study WHERE id = ?", (study,)).fetchone()
    rows = execute(_HEADERS, (study,)).fetchall()
    ranks = Ranks(execute, {header: rank or "" for _, header, _, rank in rows})
    whole = Newest("study", study)
    series: dict[int, Newest] = {}
    for number, header, text, _ in rows:
        texts = overlaid(json.loads(text), assigned)
        for one in (whole, series.setdefault(number, Newest("series", number))):
            one.set(one.merge(header, texts, ranks), texts)
    return whole, list(series.values())


def stored(execute: Execute, table: str, number: int) -> Newest:
    """Return the attributes of a row as they are stored, without its values."""
    found = execute(f"SELECT sources FROM {table} WHERE id = ?", (number,)).fetchone()
    return Newest(table, number, found[0])


def differences(execute: Execute, study: int) -> list[str]:
    """Return the keywords of a study and its series whose values are not those of the instances."""
    whole, series = computed(execute, study)
    found: dict[str, None] = {}
    for one in (whole, *series):
        have = stored(execute, one.table, one.number)
        have.read(execute)
        for keyword in KEYWORDS[one.table]:
            if (have.values.get(keyword) or "") != (one.values.get(keyword) or ""):
                found[keyword] = None
    return list(found)
