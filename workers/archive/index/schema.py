"""The tables, and the migrations from earlier versions, in `schema.sql`.

The statements are the same for both databases, except for the words in braces, which stand for the
`TYPES` of an index.
"""

from __future__ import annotations

import pkgutil
import re
from typing import TYPE_CHECKING

from workers.archive.attributes import Level
from workers.archive.comparison_keys import names
from workers.archive.index.search import head

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE = (
    "transfer_syntax {text} NOT NULL, path {text} NOT NULL, start BIGINT NOT NULL, "
    "size BIGINT NOT NULL, digest {blob} NOT NULL, holder {text} NOT NULL, "
    "received {text} NOT NULL"
)

POSTGRES = "{postgres}"
"""Begins a statement that is for PostgreSQL only."""
RETIRED = 3
"""Versions up to this one are not migrated: their patients are not those of the instances."""
TABLES = (
    *("instance", "header", "series", "study", "patient", "conflict", "journal", "to_delete"),
    *("doomed", "bucket", "assignment", "rebuild", "journal_base", "gateway"),
    *("readable_from", "hold", "journal_reader", "outbox", "outbox_control"),
    *("line_receiver", "step", "step_message", "original", "object_store"),
)
"""All tables, also of retired versions, in the order in which they can be dropped."""


def _migrations() -> Iterator[tuple[str, ...]]:
    script = pkgutil.get_data("workers.archive.index", "schema.sql")
    assert script is not None
    text = script.decode().replace("{file_columns}", _FILE)
    for level in Level:
        columns = ", ".join(f"{name} {{text}}" for name in names(level))
        text = text.replace(f"{{{level.table}_columns}}", columns)
    text = re.sub(r"\{head:(\w+)\}", lambda found: head(found[1]), text)
    text = re.sub(r"^--(?! version).*\n", "", text, flags=re.MULTILINE)
    for step in text.split("\n-- version ")[1:]:
        statements = step.partition("\n")[2].split(";")
        yield tuple(stripped for one in statements if (stripped := one.strip()))


MIGRATIONS: tuple[tuple[str, ...], ...] = tuple(_migrations())
"""The statements that lead from version 0, 1, ... to the next."""
