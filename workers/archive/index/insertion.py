"""Rows for new instances with their lines in the journal, written many at a time.

SQLite is fastest with prepared rows. For PostgreSQL see `array_insertion`.
"""

from __future__ import annotations

import time
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.archive.attributes import Level, MatchingKind, of_level
from workers.archive.comparison_keys import names, row
from workers.archive.index.records import ENTRY, FILE, IndexEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from workers.archive.index.records import Texts

LINE = f"{ENTRY}, kind, at, study_instance_uid, series_instance_uid"
"""The columns of the journal but for the number."""
NOTE = f"INSERT INTO journal ({LINE}) VALUES ({', '.join('?' * len(LINE.split(', ')))})"

_DIGEST = IndexEntry._fields.index("digest")
_NAMES = names(Level.IMAGE)
_INSTANCE, _CLASS = map(_NAMES.index, ("sop_instance_uid", "sop_class_uid"))
"""The columns for which the UIDs of the command override those of the data set."""
COLUMNS = ("header", *FILE.split(", "), *_NAMES)


class NewInstance(NamedTuple):
    """An instance that is added to the index, below a row of the table header."""

    header: int
    entry: IndexEntry
    texts: Texts
    kind: str
    """Of the line in the journal."""


def insert_prepared(
    execute_many: Callable[[str, Iterable[Sequence[Any]]], object], new: Iterable[NewInstance]
) -> None:
    """Add rows and lines by statements that are prepared once and executed for each."""
    rows: dict[str, list[tuple[Any, ...]]] = {}
    lines, at = [], time.time()
    for header, entry, texts, kind in new:
        instance, sop_class, syntax, path, start, size, digest, holder, received = entry
        # SQLite looks for an adapter of bytes, which takes long, but for none of a bytearray.
        file = syntax, path, start, size, bytearray(digest), holder, received
        text, present = _insertion(tuple(texts))
        rows.setdefault(text, []).append(present((header, *file, *image_of(entry, texts))))
        lines.append((instance, sop_class, *file, kind, at, *uids_of(texts)))
    for text, some in rows.items():
        execute_many(text, some)
    execute_many(NOTE, lines)


def uids_of(texts: Texts) -> tuple[str, str]:
    """Return the UIDs of study and series, as the journal has them."""
    return texts.get("StudyInstanceUID") or "", texts.get("SeriesInstanceUID") or ""


def image_of(entry: IndexEntry, texts: Texts) -> list[str | None]:
    """Return the values of the columns of `Level.IMAGE`."""
    image = row(Level.IMAGE, texts)
    image[_INSTANCE], image[_CLASS] = entry.sop_instance_uid, entry.sop_class_uid
    return image


@lru_cache(256)
def _insertion(keywords: tuple[str, ...]) -> tuple[str, itemgetter[Any]]:
    """Return the statement that inserts an instance with values of these elements.

    And what selects its parameters from the values of `COLUMNS`. Columns of absent elements are
    left out: to pass a NULL takes much longer than to pass a value.
    """
    absent = {
        name
        for attribute in of_level(Level.IMAGE)
        if attribute.keyword not in keywords and attribute.kind is not MatchingKind.NAME
        for name in (attribute.column, *attribute.keys)
    }
    absent -= {_NAMES[_INSTANCE], _NAMES[_CLASS]}
    places = [n for n, name in enumerate(COLUMNS) if name not in absent]
    columns, marks = ", ".join(COLUMNS[n] for n in places), ", ".join("?" * len(places))
    return f"INSERT INTO instance ({columns}) VALUES ({marks})", itemgetter(*places)
