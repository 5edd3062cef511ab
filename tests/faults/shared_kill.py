"""The same as `kill` with an index in PostgreSQL, where two batches are in hand at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults import kill
from tests.faults.database import database

if TYPE_CHECKING:
    from tests.faults.row import Options


def run(options: Options) -> int:
    with database() as server:
        server.start()
        return kill.run(options, server.dsn)
