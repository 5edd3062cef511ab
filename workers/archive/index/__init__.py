"""The index of the archive: patients, studies, series, instances, and a journal of all changes.

`Index` is the interface. `SqliteIndex` stores the index in a file in the archive, `PostgresIndex`
in a database that several gateways can share. `workers.archive.opening` chooses by the settings.
"""

from workers.archive.index.interface import Index
from workers.archive.index.records import (
    NEWLY_ADDED,
    AddOutcome,
    AddResult,
    IndexEntry,
    IndexFailure,
)
from workers.archive.index.sqlite import SqliteIndex

__all__ = [
    "NEWLY_ADDED",
    "AddOutcome",
    "AddResult",
    "Index",
    "IndexEntry",
    "IndexFailure",
    "SqliteIndex",
]
