"""What is where: patients, studies, series and instances, and the journal of what happened.

`Index` is the interface. `SqliteIndex` keeps it in a file beside the instances; `PostgresIndex`
in a database that several gateways may share. `open_index` chooses by the settings.
"""

from workers.archive.index.model import (
    Entry,
    IndexFailure,
    JournalEntry,
    Kept,
    Outcome,
    Standing,
    StudySummary,
)
from workers.archive.index.sqlite import SqliteIndex
from workers.archive.index.store import Index

__all__ = [
    "Entry",
    "Index",
    "IndexFailure",
    "JournalEntry",
    "Kept",
    "Outcome",
    "SqliteIndex",
    "Standing",
    "StudySummary",
]
