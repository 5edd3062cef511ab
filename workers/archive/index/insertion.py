"""Rows for new instances with their lines in the journal, written many at a time.

SQLite is fastest with prepared rows. For PostgreSQL see `array_insertion`.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.archive.attributes import Level
from workers.archive.comparison_keys import names, row
from workers.archive.header import columns_of_image
from workers.archive.index.records import ENTRY, FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from workers.archive.index.records import IndexEntry, Texts

LINE = f"{ENTRY}, kind, at, study_instance_uid, series_instance_uid"
"""The columns of the journal but for the number."""
NOTE = f"INSERT INTO journal ({LINE}) VALUES ({', '.join('?' * len(LINE.split(', ')))})"

_NAMES = names(Level.IMAGE)
_INSTANCE, _CLASS = map(_NAMES.index, ("sop_instance_uid", "sop_class_uid"))
"""The columns for which the UIDs of the command override those of the data set."""
COLUMNS = ("header", *FILE.split(", "), *_NAMES)
_ALWAYS = ("header", *FILE.split(", "), "sop_instance_uid", "sop_class_uid")
"""The columns that every instance has."""


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
        shared, own = columns_of_image(texts)
        row = (header, *file, instance, sop_class, *shared.values, *own.values)
        rows.setdefault(_insertion(shared.names, own.names), []).append(row)
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
def _insertion(shared: tuple[str, ...], own: tuple[str, ...]) -> str:
    """Return the statement that inserts an instance with values in these columns.

    Columns of absent elements are left out: to pass a NULL takes much longer than to pass a value.
    """
    columns = (*_ALWAYS, *shared, *own)
    return f"INSERT INTO instance ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
