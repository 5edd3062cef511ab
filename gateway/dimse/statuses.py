"""The status codes of each service.

`statuses.tsv` has the codes as in PS3.7 annex C and PS3.4, with their meanings.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.dimse.status import Category
from gateway.table_files import read_table


class StatusRow(NamedTuple):
    """The codes from `first` to `last`, with one meaning."""

    first: int
    last: int
    category: Category
    meaning: str


StatusRows = tuple[StatusRow, ...]


def _statuses() -> dict[str, StatusRows]:
    found: dict[str, StatusRows] = {"": ()}
    for codes, category, meaning, services in read_table("dimse/statuses.tsv"):
        first, _, last = codes.partition("-")
        row = StatusRow(int(first, 16), int(last or first, 16), Category(category), meaning)
        for service in services.split():
            found[service] = (*found.get(service, ()), row)
    return found


STATUSES: dict[str, StatusRows] = _statuses()
"""The codes of each service in addition to the general ones, by its name in the table."""

GENERAL: dict[int, tuple[Category, str]] = {
    row.first: (row.category, row.meaning) for row in STATUSES.pop("General")
}
"""The codes that any service may use (PS3.7 annex C)."""


def find_status(rows: StatusRows, code: int) -> tuple[Category, str] | None:
    """Return the class and meaning of a code in a service with `rows`; None if it has none."""
    for row in rows:
        if row.first <= code <= row.last:
            return row.category, row.meaning
    return GENERAL.get(code)
