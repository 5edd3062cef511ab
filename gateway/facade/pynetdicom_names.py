"""The table of names that pynetdicom has, names.tsv."""

from __future__ import annotations

from gateway.table_files import read_table


def names(kind: str) -> dict[str, str]:
    """Return the names of a kind, and what each stands for, as the head of the table says."""
    rows = read_table("facade/names.tsv")
    return {name: meaning for row_kind, name, meaning in rows if row_kind == kind}
