"""What a database must be like to have the index, checked when it is opened.

A gateway that started without this would fail at the first instance that needs what is missing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.sdk import ConfigError, Unavailable
from workers.archive.index.schema import MIGRATIONS

if TYPE_CHECKING:
    from workers.archive.index.grouping import Execute

_TABLES = [
    found[1]
    for step in MIGRATIONS
    for statement in step
    if (found := re.search(r"\bCREATE TABLE (\w+)", statement))
]
_STATE = (
    "SELECT current_setting('server_encoding'), pg_is_in_recovery(), "
    "current_setting('transaction_read_only')"
)
_MISSING = "SELECT name FROM unnest(?::text[]) AS name WHERE to_regclass(name) IS NULL"
_FORBIDDEN = (
    "SELECT name FROM unnest(?::text[]) AS name WHERE NOT ("
    + " AND ".join(
        f"has_table_privilege(name, '{right}')"
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE")
    )
    + ")"
)


def check_database(execute: Execute) -> None:
    """Raise ConfigError if the database cannot have an index, Unavailable if not at present."""
    encoding, is_standby, read_only = execute(_STATE).fetchone()
    if encoding != "UTF8":
        raise ConfigError(
            f"archive.dsn: the encoding of the database is {encoding}, which cannot have the names "
            "of all patients: create one with ENCODING 'UTF8' TEMPLATE template0"
        )
    if is_standby:
        raise Unavailable(
            "archive.dsn: the server is a standby, which cannot be written to: name the primary "
            "server, or all of them with target_session_attrs=read-write"
        )
    if read_only == "on":
        raise ConfigError(
            "archive.dsn: its user cannot write: set default_transaction_read_only to off for this "
            "user, or name another one"
        )


def check_tables(execute: Execute) -> None:
    """Raise ConfigError if a table is missing, or the user has not all rights on it."""
    if missing := _names(execute, _MISSING):
        raise ConfigError(
            f"archive.dsn: the index has no table {missing}: restore the database from a back-up, "
            "or name an empty schema and run `dicom-gateway archive reindex`"
        )
    if forbidden := _names(execute, _FORBIDDEN):
        raise ConfigError(
            f"archive.dsn: its user may not read and write the tables {forbidden}: grant it "
            "SELECT, INSERT, UPDATE and DELETE on all tables of the schema"
        )


def _names(execute: Execute, text: str) -> str:
    return ", ".join(sorted(name for (name,) in execute(text, (_TABLES,)).fetchall()))
