"""What the errors of PostgreSQL mean: whether to wait, to repeat, or to have a setting changed."""

from __future__ import annotations

import re

import psycopg

_WRONG = ("28", "3D", "3F", "42", "22P02")
"""Classes of SQLSTATE that no waiting can mend: password, database, schema, rights, values of other
tables."""
_WRONG_TEXTS = re.compile(
    r"FATAL:.*(authentication failed|no password supplied|does not exist|no pg_hba\.conf"
    r"|permission denied for|not permitted to log in|configuration parameter|for parameter)"
    r"|invalid (integer value|port number|\w+ value)|does not support SSL"
    r"|certificate verify failed|does not match host name|certificate file|private key file",
    re.DOTALL,
)
"""The same for a connection that cannot be made, for which libpq hands on a text only."""
_ALIEN = ("42P07", "42703", "42804", "22P02")
"""A table is there already, or has not the columns and values that it should have."""
_HINTS = {
    "permission denied for database": "grant its user CONNECT on the database",
    "must be owner": "the user that owns the tables is needed once, for the new version of them",
}
_OF_RIGHTS = "grant its user USAGE and CREATE on the schema, and all rights on the tables there"
_OF_ALIEN = (
    "the schema has tables of another program: give the index one of its own, which the DSN names "
    "by options=-csearch_path=NAME"
)
_AWAY = ("08", "57P")
"""SQLSTATEs of a server that is being stopped, started, or out of reach."""
_CONTESTED = ("23503", "23505", "40001", "40P01", "55P03")
"""SQLSTATEs of rows that another transaction makes or removes: foreign key, unique, deadlock, lock
timeout."""


def is_wrong(error: psycopg.Error) -> bool:
    """Return whether only another setting, or a right that is granted, can help."""
    if error.sqlstate is not None:
        return error.sqlstate.startswith(_WRONG)
    return isinstance(error, psycopg.ProgrammingError) or bool(_WRONG_TEXTS.search(str(error)))


def is_outage(error: Exception) -> bool:
    """Return whether the server is out of reach, so that the same request may succeed later."""
    if not isinstance(error, psycopg.OperationalError) or is_wrong(error):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(_AWAY)


def is_contested(error: BaseException) -> bool:
    """Return whether another transaction changed the same rows at the same time."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _CONTESTED


def why_unusable(error: psycopg.Error) -> str:
    """Return why the database cannot be used, and what to do where that is known."""
    why = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
    hint = next((hint for text, hint in _HINTS.items() if text in why), "")
    if not hint and error.sqlstate is not None:
        hint = _OF_RIGHTS if error.sqlstate.startswith(("3F", "42501")) else ""
        hint = _OF_ALIEN if error.sqlstate in _ALIEN else hint
    return f"{why}: {hint}" if hint else why
