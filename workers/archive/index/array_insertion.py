"""Rows of many new instances, with their lines in the journal, in one statement of PostgreSQL.

What takes time there is each message to the server and back, and each value of a statement. So a
column of all rows is one value: an array as text, which the server takes apart.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from workers.archive.index.insertion import COLUMNS, LINE, image_of, uids_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workers.archive.index.grouping import Execute
    from workers.archive.index.insertion import NewInstance
    from workers.archive.index.records import IndexEntry, Texts

_FILE = COLUMNS[1:8]
_IMAGE = COLUMNS[8:]
_OTHERS = ("kind", "study_instance_uid", "series_instance_uid")
_TYPES = {"header": "bigint", "start": "bigint", "size": "bigint", "digest": "bytea"}


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
def _statement(present: tuple[str, ...]) -> str:
    """Return the statement for rows with these image columns."""
    columns = ("header", *_FILE, *present)
    given = (*columns, *_OTHERS)
    arrays = ", ".join(f"?::{_TYPES.get(name, 'text')}[]" for name in given)
    rows = f"unnest({arrays}) AS given ({', '.join(given)})"
    return (
        "WITH new AS MATERIALIZED (SELECT given.*, at "
        f"FROM (SELECT ?::double precision AS at) AS moment, {rows}), "
        f"made AS (INSERT INTO instance ({', '.join(columns)}) "
        f"SELECT {', '.join(columns)} FROM new) "
        f"INSERT INTO journal ({LINE}) SELECT {LINE} FROM new"
    )
