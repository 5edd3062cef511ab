"""The order of the journal in PostgreSQL, where several gateways write it at the same time.

A number from a sequence would not do: a transaction can commit after another one that got a higher
number, and a consumer that has read that one would miss it. So the number of a line begins with the
number of its transaction, and readers see only the lines of transactions below the oldest one that
is running. A line that appears later has a higher number than all that were seen. Nobody waits for
a lock; a transaction that hangs holds up the readers of the journal until the server ends it.

Numbers of transactions begin anew in a database that is restored from a dump, and the lines of
earlier versions have higher ones. So a base is added, which is raised when an index is opened whose
lines are ahead of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.archive.index.grouping import Execute

BITS = 20
"""For the lines of one transaction, which are at most a million."""
_COUNT = "dicom_gateway.journal"
"""A variable of the transaction: the number of its lines."""

SETTLED = (
    "AND seq < (((SELECT base FROM journal_base) "
    f"+ pg_snapshot_xmin(pg_current_snapshot())::text::bigint) << {BITS})"
)


def order_journal(execute: Execute, floor: int = 0) -> None:
    """See to it that new lines get higher numbers than `floor` and all that there are."""
    newest, transaction = execute(
        "SELECT COALESCE(MAX(seq), 0), pg_snapshot_xmax(pg_current_snapshot())::text::bigint "
        "FROM journal"
    ).fetchone()
    known = execute("SELECT base FROM journal_base").fetchone()
    last = max(newest, floor)
    if known is not None and last < (known[0] + transaction) << BITS:
        return
    base = max(0, (last >> BITS) + 1 - transaction)
    execute("ALTER TABLE journal ALTER COLUMN seq DROP IDENTITY IF EXISTS")
    execute(f"ALTER TABLE journal ALTER COLUMN seq SET DEFAULT {_number(base)}")
    execute("DELETE FROM journal_base")
    execute("INSERT INTO journal_base VALUES (?)", (base,))


def _number(base: int) -> str:
    """Return the expression for the number of a line."""
    count = f"COALESCE(NULLIF(current_setting('{_COUNT}', true), ''), '0')::bigint + 1"
    return (
        f"((pg_current_xact_id()::text::bigint + {base}) << {BITS}) "
        f"+ set_config('{_COUNT}', ({count})::text, true)::bigint"
    )
