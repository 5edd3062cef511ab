"""Tells of an outage of the object store, and has the storage worker replaced after a while."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.sdk import ConfigError
from workers.archive.index.records import IndexFailure
from workers.archive.indexed_worker import OUTAGE
from workers.archive.objects.store_failure import StoreFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.sdk import WorkerContext
    from workers.archive.object_archive import ObjectArchive


class StoreWatch:
    """Looks at what is known of a store.

    `enter` checks that it is that of the index, and raises ConfigError if not; `leave` has this
    process replaced, for a reason.
    """

    def __init__(
        self,
        archive: ObjectArchive,
        context: WorkerContext,
        enter: Callable[[], None],
        leave: Callable[[str], None],
    ) -> None:
        self._archive, self._context = archive, context
        self._enter, self._leave = enter, leave
        self.is_known = False
        """Whether the store is that of the index; not yet, if it was out of reach at the start."""

    def enter(self) -> None:
        """Check that the store is that of the index; raises ConfigError or StoreFailure."""
        self._enter()
        self.is_known = True

    def look(self) -> None:
        """Tell of an outage; leave after a while, so that peers are told, or from a wrong store."""
        away, why = self._archive.away_since, self._archive.why_away
        self._context.facts["store"] = {
            "place": self._archive.store.place.url,
            "state": why or "ok",
            "waiting_bytes": self._archive.staged,
        }
        if away is None:
            self._context.troubles.pop("store", None)
            if not self.is_known:
                self._enter_late()
            return
        self._context.troubles["store"] = why
        if not self._archive.may_stage and time.monotonic() - away >= OUTAGE:
            self._leave(f"the object store was out of reach for {OUTAGE:.0f} s ({why})")

    def _enter_late(self) -> None:
        try:
            with suppress(StoreFailure, IndexFailure):  # which is told of elsewhere
                self.enter()
        except ConfigError as error:
            self._leave(str(error))
