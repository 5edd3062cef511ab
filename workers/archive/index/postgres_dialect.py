"""What is particular to the SQL of PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.archive.index.array_insertion import bytes_array, text_array

if TYPE_CHECKING:
    from collections.abc import Sequence


class PostgresDialect:
    """Expressions in the SQL of PostgreSQL."""

    def is_one_of(self, column: str, values: Sequence[str]) -> tuple[str, Any]:
        return f"{column} = ANY(?::text[])", text_array(values)

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
        if values and isinstance(values[0], bytes):
            return f"{column} = ANY(?::bytea[])", [bytes_array(values)]
        return f"{column} = ANY(?::text[])", [text_array(values)]

    def joined(self, column: str, source: str) -> str:
        inner = f"SELECT DISTINCT {column} AS v FROM {source}"
        return f"(SELECT string_agg(v, '\\' ORDER BY v) FROM ({inner}) AS w WHERE v <> '')"
