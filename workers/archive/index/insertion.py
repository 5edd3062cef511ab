"""Rows for new instances with their lines in the journal, written many at a time.

This is how SQLite is fastest. For PostgreSQL see `array_insertion`.
"""

from __future__ import annotations

import time
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from workers.archive.attributes import Level
from workers.archive.comparison_keys import PresentColumns, names, row
from workers.archive.header import columns_of_image
from workers.archive.index.records import ENTRY, FILE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from workers.archive.index.records import IndexEntry, Texts

LINE = f"{ENTRY}, kind, at, study_instance_uid, series_instance_uid"
"""The columns of the journal but for the number."""
NOTE = f"INSERT INTO journal ({LINE}) VALUES ({', '.join('?' * len(LINE.split(', ')))})"

_NAMES = names(Level.IMAGE)
_INSTANCE, _CLASS = map(_NAMES.index, ("sop_instance_uid", "sop_class_uid"))
"""The columns for which the UIDs of the command override those of the data set."""
COLUMNS = ("header", *FILE.split(", "), *_NAMES)
_SAME = ("header", "sop_class_uid", "transfer_syntax", "start", "holder")
"""The columns that every instance has, and mostly with the values of others of its series."""
_OWN = ("sop_instance_uid", "path", "size", "digest", "received")
"""The other columns that every instance has."""
_AT_ONCE = (8, 4, 2, 1)
"""Rows of one statement: so few numbers because each statement is compiled once, and kept."""
_NOTE_ROWS = (
    f"INSERT INTO journal ({LINE}) SELECT {ENTRY}, ?1, ?2, ?3, ?4 FROM instance "
    "WHERE id > ?5 AND id <= ?6 ORDER BY id"
)
"""Adds the lines of instances that were just added, whose ids follow each other."""


_Execute: TypeAlias = "Callable[[str, Sequence[Any]], sqlite3.Cursor]"
_Common: TypeAlias = tuple[str, tuple[int, str, str, int, str], PresentColumns, tuple[str, ...]]
"""The kind of the line; the values of `_SAME`; columns at image level; names of the other ones."""


class NewInstance(NamedTuple):
    """An instance that is added to the index, below a row of the table header."""

    header: int
    entry: IndexEntry
    texts: Texts
    kind: str
    """Of the line in the journal."""


def insert_prepared(execute: _Execute, new: Sequence[NewInstance]) -> None:
    """Add rows, several with a statement, and their lines in the journal, which are made of these.

    To pass a value takes longer than to store it. So what rows have in common is passed once for
    all of a statement.
    """
    common: dict[_Common, list[tuple[Any, ...]]] = {}
    texts_of: dict[int, Texts] = {}
    rows: list[tuple[Any, ...]] = []
    before: tuple[Any, ...] = ()
    for header, entry, texts, kind in new:
        instance, sop_class, syntax, path, start, size, digest, holder, received = entry
        image, own = columns_of_image(texts)
        same = kind, (header, sop_class, syntax, start, holder), image, own.names
        if same != before:  # mostly equal, which is found without a hash of all these texts
            rows, before = common.setdefault(same, []), same
            texts_of[header] = texts
        # SQLite looks for an adapter of bytes, which takes long, but for none of a bytearray.
        rows.append((instance, path, size, bytearray(digest), received, *own.values))
    at = time.time()
    for (kind, values, image, own_names), together in common.items():
        columns = (*values, *image.values)
        last = _insert_rows(execute, together, columns, (image.names, own_names))
        uids = uids_of(texts_of[values[0]])
        execute(_NOTE_ROWS, (kind, at, *uids, last - len(together), last))


def _insert_rows(
    execute: _Execute,
    rows: Sequence[tuple[Any, ...]],
    common: tuple[Any, ...],
    names: tuple[tuple[str, ...], tuple[str, ...]],
) -> int:
    """Add rows with the values `common` and own ones; return the id of the last one."""
    begin = last = 0
    for number in _AT_ONCE:
        while len(rows) - begin >= number:
            own = chain.from_iterable(rows[begin : begin + number])
            last = execute(_insertion(*names, number), (*common, *own)).lastrowid or 0
            begin += number
    return last


def uids_of(texts: Texts) -> tuple[str, str]:
    """Return the UIDs of study and series, as the journal has them."""
    return texts.get("StudyInstanceUID") or "", texts.get("SeriesInstanceUID") or ""


def image_of(entry: IndexEntry, texts: Texts) -> list[str | None]:
    """Return the values of the columns of `Level.IMAGE`."""
    image = row(Level.IMAGE, texts)
    image[_INSTANCE], image[_CLASS] = entry.sop_instance_uid, entry.sop_class_uid
    return image


@lru_cache(256)
def _insertion(common: tuple[str, ...], own: tuple[str, ...], number: int) -> str:
    """Return the statement that inserts rows with these columns at image level.

    Columns of absent elements are left out: to pass a NULL takes much longer than to pass a value.
    """
    same, each = (*_SAME, *common), (*_OWN, *own)
    marks = "".join(f"?{place}, " for place in range(1, len(same) + 1))
    row = f"({marks}{', '.join('?' * len(each))})"
    return f"INSERT INTO instance ({', '.join((*same, *each))}) VALUES {', '.join([row] * number)}"
