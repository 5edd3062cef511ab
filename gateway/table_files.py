"""Read the tables that stand beside the modules that use them."""

from __future__ import annotations

import pkgutil


def read_table(path: str) -> list[list[str]]:
    """Return the rows of a file in this package: tabs between columns, # before comments."""
    table = pkgutil.get_data("gateway", path)
    assert table is not None
    return [row.split("\t") for row in table.decode().splitlines() if not row.startswith("#")]
