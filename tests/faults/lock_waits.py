"""Who waits for whom in PostgreSQL while something happens."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any, NamedTuple, Self

from tests.patience import WALL

_LOOK = 0.1
"""Seconds between two looks."""
_GAP = 0.5
"""Seconds between two waits for one lock that count as one: a transaction is repeated."""
_WAITS = """
SELECT waiting.application_name, holding.application_name, locks.locktype, holding.state,
    coalesce(holding.wait_event_type, '')
FROM pg_locks AS locks JOIN pg_stat_activity AS waiting USING (pid),
    unnest(pg_blocking_pids(pid)) AS blocking JOIN pg_stat_activity AS holding
    ON holding.pid = blocking
WHERE NOT locks.granted
"""


class Wait(NamedTuple):
    """A host that waits for a lock which another connection holds."""

    waiting: str
    holding: str
    lock: str
    state: str
    """Of the connection that holds it."""
    event: str
    """The kind of event that it waits for itself; Client: for its program."""

    def in_words(self, seconds: float) -> str:
        at = f", in {self.event}" if self.event else ""
        return (
            f"{self.waiting} waited {seconds:.1f} s for {self.holding}'s {self.lock} lock"
            f" ({self.state}{at})"
        )


class LockWaits:
    """Looks at the waits in a server until the block ends; hosts name themselves in their DSN."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lock waits")
        self._begun: dict[Wait, tuple[float, float]] = {}
        """When each wait was seen first and last."""
        self.longest: dict[Wait, float] = {}
        """Seconds."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(WALL)

    @property
    def told(self) -> str:
        """The longest wait of one host for another, in words."""
        between = {one: t for one, t in self.longest.items() if one.waiting != one.holding}
        if not between:
            return "no wait for a lock of another host was seen"
        wait = max(between, key=between.__getitem__)
        return wait.in_words(between[wait])

    def _run(self) -> None:
        import psycopg

        while not self._ended.is_set():
            with suppress(psycopg.Error), psycopg.connect(self._dsn, autocommit=True) as looking:
                while not self._ended.wait(_LOOK):
                    self.take(looking.execute(_WAITS).fetchall(), time.monotonic())
            self._ended.wait(_LOOK)

    def take(self, rows: list[tuple[Any, ...]], now: float) -> None:
        """Take what was seen at one look."""
        for wait in {Wait(*row) for row in rows}:
            begun, last = self._begun.get(wait, (now, now))
            if now - last > _GAP:
                begun = now
            self._begun[wait] = begun, now
            self.longest[wait] = max(self.longest.get(wait, 0.0), now - begun)
