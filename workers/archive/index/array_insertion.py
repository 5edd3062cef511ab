"""Rows of many new instances, with their lines in the journal, in one statement of PostgreSQL.

What takes time there is each message to the server and back, and each value of a statement. So a
column of all rows is one value: an array as text, which the server takes apart.

`insert_at_once` writes rows below headers whose ids are known. `insert_below_known` looks the
headers up in the same statement, and writes nothing at all unless each is there and is already the
source of all attributes of its series and its study (see `newest`): then the row above need not be
read, and an instance that is new changes none of them.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from workers.archive.index.insertion import COLUMNS, LINE, image_of, uids_of
from workers.archive.index.newest import is_all_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workers.archive.index.grouping import Cursor, Execute
    from workers.archive.index.insertion import NewInstance
    from workers.archive.index.records import IndexEntry, Texts

_FILE = COLUMNS[1:8]
_IMAGE = COLUMNS[8:]
_OTHERS = ("kind", "study_instance_uid", "series_instance_uid")
_TYPES = {"above": "bigint", "start": "bigint", "size": "bigint", "digest": "bytea"}


def text_array(values: Sequence[str | None]) -> str:
    """Return an array of texts as PostgreSQL reads it."""
    if None in values:
        quoted = ["NULL" if one is None else f'"{_escaped(one)}"' for one in values]
        return f"{{{','.join(quoted)}}}"
    text = '","'.join(values)  # type: ignore[arg-type]
    if "\\" in text or text.count('"') != 2 * (len(values) - 1):
        text = '","'.join([_escaped(one) for one in values if one is not None])
    return f'{{"{text}"}}' if values else "{}"


def bytes_array(values: Sequence[bytes]) -> str:
    """Return an array of bytes as PostgreSQL reads it."""
    return "{" + ",".join([rf'"\\x{one.hex()}"' for one in values]) + "}"


def number_array(values: Iterable[int]) -> str:
    """Return an array of numbers as PostgreSQL reads it."""
    return f"{{{','.join(map(str, values))}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"")


def insert_at_once(execute: Execute, new: Sequence[NewInstance]) -> None:
    """Add rows and lines."""
    columns, present = _columns([(one.entry, one.texts, one.kind) for one in new])
    headers = number_array(one.header for one in new)
    execute(_statement(present), (time.time(), headers, *columns))


def insert_below_known(
    execute: Execute, new: Sequence[tuple[IndexEntry, Texts]], keys: Sequence[bytes]
) -> Cursor:
    """Add rows and lines below the headers with these keys, or none; `rowcount` says which.

    `keys` has the key of each instance's header.
    """
    columns, present = _columns([(entry, texts, "stored") for entry, texts in new])
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys), 1)}
    known = len(numbers), bytes_array(list(numbers))
    above = number_array(numbers[key] for key in keys)
    return execute(_statement(present, by_key=True), (*known, time.time(), above, *columns))


def _columns(
    new: Sequence[tuple[IndexEntry, Texts, str]],
) -> tuple[list[str], tuple[str, ...]]:
    """Return the values of all columns but that of the header, and which image columns these are.

    Columns of elements that no instance has are left out.
    """
    files = zip(*[entry[2:] for entry, _, _ in new], strict=True)
    syntaxes, paths, starts, sizes, digests, holders, times = files
    columns = [
        *(text_array(syntaxes), text_array(paths), number_array(starts), number_array(sizes)),
        *(bytes_array(digests), text_array(holders), text_array(times)),
    ]
    present = []
    images = zip(*[image_of(entry, texts) for entry, texts, _ in new], strict=True)
    nothing = (None,) * len(new)
    for name, values in zip(_IMAGE, images, strict=True):
        if values != nothing:
            present.append(name)
            columns.append(text_array(values))
    others = zip(*[(kind, *uids_of(texts)) for _, texts, kind in new], strict=True)
    columns += map(text_array, others)
    return columns, tuple(present)


@lru_cache(256)
def _statement(present: tuple[str, ...], *, by_key: bool = False) -> str:
    """Return the statement for rows with these image columns."""
    given = ("above", *_FILE, *present, *_OTHERS)
    arrays = ", ".join(f"?::{_TYPES.get(name, 'text')}[]" for name in given)
    rows = f"unnest({arrays}) AS given ({', '.join(given)})"
    columns = ", ".join(("header", *_FILE, *present))
    header, known, condition = "above", "", ""
    if by_key:
        header, known, condition = "ids[above]", f"{_KNOWN}, ", ", known WHERE number = asked"
    moment = "moment AS (SELECT ?::double precision AS at)"
    return (
        f"WITH {known}{moment}, new AS MATERIALIZED (SELECT {header} AS header, at, given.* "
        f"FROM moment, {rows}{condition}), "
        f"made AS (INSERT INTO instance ({columns}) SELECT {columns} FROM new) "
        f"INSERT INTO journal ({LINE}) SELECT {LINE} FROM new"
    )


_KNOWN = (
    "known AS (SELECT array_agg(header.id ORDER BY n) AS ids, count(*) AS number, "
    "?::bigint AS asked FROM unnest(?::bytea[]) WITH ORDINALITY AS wanted (key, n) "
    "JOIN header ON header.key = wanted.key JOIN series ON series.id = header.series "
    "JOIN study ON study.id = series.study "
    f"WHERE {is_all_from('series')} AND {is_all_from('study')})"
)
