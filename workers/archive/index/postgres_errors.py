"""What the errors of PostgreSQL mean: whether to wait, to repeat, or to have a setting changed."""

from __future__ import annotations

import psycopg

_WRONG = ("28", "3D", "3F", "42")
"""Classes of SQLSTATE that no waiting can mend: password, database, schema, rights."""
_WRONG_TEXTS = ("authentication failed", "no password supplied", "does not exist", "no pg_hba.conf")
"""The same for a connection that is refused, for which libpq hands on a text only."""
_RIGHTS = ": grant its user USAGE and CREATE on the schema, and all rights on the tables there"
_AWAY = ("08", "57P")
"""SQLSTATEs of a server that is being stopped, started, or out of reach."""
_CONTESTED = ("23503", "23505", "40001", "40P01", "55P03")
"""SQLSTATEs of rows that another transaction makes or removes: foreign key, unique, deadlock, lock
timeout."""


def is_wrong(error: psycopg.Error) -> bool:
    """Return whether only another setting, or a right that is granted, can help."""
    if error.sqlstate is not None:
        return error.sqlstate.startswith(_WRONG)
    text = str(error)
    return isinstance(error, psycopg.ProgrammingError) or (
        "FATAL" in text and any(one in text for one in _WRONG_TEXTS)
    )


def is_outage(error: Exception) -> bool:
    """Return whether the server is out of reach, so that the same request may succeed later."""
    if not isinstance(error, psycopg.OperationalError) or is_wrong(error):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(_AWAY)


def is_contested(error: BaseException) -> bool:
    """Return whether another transaction changed the same rows at the same time."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _CONTESTED


def why_unusable(error: psycopg.Error) -> str:
    """Return why the database cannot be used, and what to do if rights are missing."""
    why = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
    hint = _RIGHTS if (error.sqlstate or "").startswith(("3F", "42501")) else ""
    return f"{why}{hint}"
