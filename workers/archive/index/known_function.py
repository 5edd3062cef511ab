"""A function of PostgreSQL that adds instances below known headers, in one message and transaction.

`CREATION` makes it for one connection, without a change of the tables. It locks the studies, finds
the headers, and adds nothing at all unless each header is there and is already the source of all
attributes of its series and its study (see `newest`): then an instance that is new changes none of
them, and the rows above need not be read. Each of its statements sees what others have committed
when it begins, so that what is found is true while the locks are held.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.archive.index.array_insertion import bytes_array, number_array
from workers.archive.index.insertion import COLUMNS, LINE, image_of, uids_of
from workers.archive.index.newest import is_all_from

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from workers.archive.index.grouping import Execute
    from workers.archive.index.records import IndexEntry, Texts

_TYPES = {"header": "bigint", "start": "bigint", "size": "bigint"}
_FIELDS = (*COLUMNS, "study_instance_uid", "series_instance_uid")
_DIGEST = "decode(one.digest, 'hex')"
_OF_INSTANCE = {"header": "ids[one.header]", "digest": _DIGEST}
_OF_LINE = {"digest": _DIGEST, "kind": "'stored'", "at": "moment"}


def _selected(columns: Iterable[str], others: dict[str, str]) -> str:
    return ", ".join(others.get(name, f"one.{name}") for name in columns)


CREATION = (
    "CREATE TYPE pg_temp.new_instance AS ("
    + ", ".join(f"{name} {_TYPES.get(name, 'text')}" for name in _FIELDS)
    + ")",
    f"""
CREATE FUNCTION pg_temp.add_below_known(
    class int, locks int[], keys bytea[], given pg_temp.new_instance[], moment double precision
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
BEGIN
    PERFORM pg_advisory_xact_lock(class, number) FROM unnest(locks) AS number;
    SELECT array_agg(header.id ORDER BY wanted.place) INTO ids
        FROM unnest(keys) WITH ORDINALITY AS wanted (key, place)
        JOIN header ON header.key = wanted.key JOIN series ON series.id = header.series
        JOIN study ON study.id = series.study
        WHERE {is_all_from("series")} AND {is_all_from("study")};
    IF cardinality(ids) IS DISTINCT FROM cardinality(keys) THEN
        RETURN false;
    END IF;
    INSERT INTO instance ({", ".join(COLUMNS)})
        SELECT {_selected(COLUMNS, _OF_INSTANCE)} FROM unnest(given) AS one;
    INSERT INTO journal ({LINE})
        SELECT {_selected(LINE.split(", "), _OF_LINE)} FROM unnest(given) AS one;
    RETURN true;
END $$""",
)
_CALL = "SELECT pg_temp.add_below_known(?, ?, ?, ?, ?)"


def add_below_known(
    execute: Execute,
    new: Sequence[tuple[IndexEntry, Texts]],
    keys: Sequence[bytes],
    locks: tuple[int, Collection[int]],
) -> bool:
    """Add rows and lines below the headers with these keys, or none; return which.

    `keys` has the key of each instance's header, and `locks` the class and the numbers of locks.
    Raises ValueError for texts that PostgreSQL has no form of.
    """
    numbers = {key: str(number) for number, key in enumerate(dict.fromkeys(keys), 1)}
    records = []
    for (entry, texts), key in zip(new, keys, strict=True):
        _, _, syntax, path, start, size, digest, holder, received = entry
        file = syntax, path, str(start), str(size), digest.hex(), holder, received
        image = image_of(entry, texts)
        records.append(_record([numbers[key], *file, *image, *uids_of(texts)]))
    given = '","'.join([_escaped(one) for one in records])
    kind, studies = locks
    arrays = number_array(studies), bytes_array(list(numbers)), f'{{"{given}"}}'
    return bool(execute(_CALL, (kind, *arrays, time.time())).fetchone()[0])


def _record(values: Sequence[str | None]) -> str:
    """Return the text of a row: each value in quotes, and nothing for NULL."""
    text = '","'.join(["\0" if one is None else one for one in values])
    if text.count("\0") != values.count(None):
        raise ValueError("a text has a NUL character")
    if "\\" in text or text.count('"') != 2 * (len(values) - 1):
        text = '","'.join(["\0" if one is None else _escaped(one) for one in values])
    return f'("{text}")'.replace('"\0"', "")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"")
