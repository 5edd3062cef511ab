"""What is particular to the SQL of PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.archive.index.array_insertion import bytes_array, text_array

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.archive.index.grouping import Execute


_NUMBERS = 32
"""Ids that are taken at a time."""
_MAY_TAKE = (
    "SELECT bool_and(has_sequence_privilege(pg_get_serial_sequence(name, 'id'), 'USAGE')) "
    "FROM unnest('{study,series,header}'::text[]) AS name"
)


class PostgresDialect:
    """Expressions in the SQL of PostgreSQL, and ids of the rows of one index.

    Ids are taken from the server before they are needed, so that nothing waits for the id of a row
    that is inserted. Those that are not used are lost.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, list[int]] = {}
        """Ids for the next rows of a table, the next one last."""
        self._may_take: bool | None = None
        """Whether the user has the right to take ids; None: not known yet."""

    def is_one_of(self, column: str, values: Sequence[str]) -> tuple[str, Any]:
        return f"{column} = ANY(?::text[])", text_array(values)

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
        if values and isinstance(values[0], bytes):
            return f"{column} = ANY(?::bytea[])", [bytes_array(values)]
        return f"{column} = ANY(?::text[])", [text_array(values)]

    def joined(self, column: str, source: str) -> str:
        inner = f"SELECT DISTINCT {column} AS v FROM {source}"
        return f"(SELECT string_agg(v, '\\' ORDER BY v) FROM ({inner}) AS w WHERE v <> '')"

    def insert(self, execute: Execute, table: str, row: Mapping[str, Any]) -> int:
        if self._may_take is None:
            self._may_take = bool(execute(_MAY_TAKE).fetchone()[0])
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        values = tuple(row.values())
        if not self._may_take:
            text = f"INSERT INTO {table} ({columns}) VALUES ({marks}) RETURNING id"
            return int(execute(text, values).fetchone()[0])
        number = self._next_number(execute, table)
        text = f"INSERT INTO {table} (id, {columns}) OVERRIDING SYSTEM VALUE VALUES (?, {marks})"
        execute(text, (number, *values))
        return number

    def _next_number(self, execute: Execute, table: str) -> int:
        numbers = self._numbers.get(table)
        if not numbers:
            text = "SELECT nextval(pg_get_serial_sequence(?, 'id')) FROM generate_series(1, ?)"
            found = execute(text, (table, _NUMBERS)).fetchall()
            numbers = self._numbers[table] = sorted((row[0] for row in found), reverse=True)
        return int(numbers.pop())
