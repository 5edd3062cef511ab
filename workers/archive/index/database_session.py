"""A connection to PostgreSQL with the settings that the index relies on.

They are in force whatever the DSN, the user, the database or the server have for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUTS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Defaults for the DSN: a server that is gone without closing is noticed within a minute."""
_ENCODING: dict[str, Any] = {"client_encoding": "UTF8"}
LIMITS: dict[str, Any] = {
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": 3_000,
    "lock_timeout": 800,
    "statement_timeout": 60_000,
}
"""Times in milliseconds. After `lock_timeout` a transaction is repeated, a few times."""
_NOT_DURABLE = "set_config('synchronous_commit', 'off', false)"
_DURABLE = (
    "set_config('synchronous_commit', "
    "COALESCE(NULLIF(current_setting('synchronous_commit'), 'off'), 'on'), false)"
)
"""Whatever is set for the user or the server, a commit that is told is on disk."""


def connected(dsn: str, more: Mapping[str, str], *, durable: bool) -> psycopg.Connection[Any]:
    """Return a new connection, for which each statement is a transaction; `more`: settings."""
    where = make_conninfo(**(_TIMEOUTS | conninfo_to_dict(dsn) | _ENCODING))
    connection = psycopg.connect(where, autocommit=True)
    settings = {**LIMITS, **more}
    parts = [f"set_config('{name}', '{value}', false)" for name, value in settings.items()]
    parts.append(_DURABLE if durable else _NOT_DURABLE)
    connection.execute(f"SELECT {', '.join(parts)}")
    return connection
