"""The retention worker: deletes old studies, as `[retention]` says.

It is not started until the configuration has a table for it, `[workers.retention]`.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from gateway.sdk import ConfigError, Unavailable, Worker
from gateway.settings import RetentionSettings
from workers.archive import old_studies
from workers.archive.indexed_worker import IndexedWorker
from workers.archive.old_studies import HELD, Retention, SteadyClock
from workers.archive.stored_files import StoredFiles

log = logging.getLogger("workers.retention")

MOST_AHEAD = 3600.0
"""Seconds by which the clock may be set ahead before this is reported."""

worker = Worker("retention", concurrency=1)


class Keeper(IndexedWorker):
    """Looks at the archive again and again, in a thread of its own."""

    def open(self) -> None:
        """Open the index and begin; raises ConfigError, or Unavailable and can be called again."""
        settings = _settings(worker.context.options)
        if why := old_studies.check(settings):
            raise ConfigError(why)
        super().start()
        self._files = StoredFiles.of(worker.context.data_dir, self.settings)
        self._over = threading.Event()
        self._clock = SteadyClock()
        self._retention = Retention(
            self._files, self.index, self.settings.holder_of_files, settings, self._clock
        )
        self._thread = threading.Thread(target=self._work, name="retention", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End after the transaction under way, and close the index."""
        self._over.set()
        self._thread.join()
        super().stop()

    def _work(self) -> None:
        while not self._over.is_set():
            trouble = self._leap()
            try:
                self._look()
            except (Unavailable, OSError) as error:  # of the index, or of a store of objects
                trouble = str(error)
                log.warning("retention failed: %s", error)
            except Exception:  # a bug must not end the thread: it is told, and tried again
                trouble = "retention failed: see the log"
                log.exception("retention failed")
            if trouble:
                worker.context.troubles["retention"] = trouble
            else:
                worker.context.troubles.pop("retention", None)
            self._over.wait(self._retention.settings.every)

    def _leap(self) -> str:
        """Tell that the clock was set ahead, so that studies are not as old as it says."""
        if self._clock.ahead <= MOST_AHEAD:
            return ""
        leap = (
            f"the clock was set ahead by {self._clock.ahead / 3600:.0f} hours: the ages of studies"
            " are counted without them; set it back, or start the gateway again if it is right now"
        )
        log.warning("%s", leap)
        return leap

    def _look(self) -> None:
        """Delete what is due, and tell."""
        studies = size = held = 0
        for study in self._retention.run():
            if self._over.is_set():
                return
            if study.why == HELD:
                held += 1
                continue
            studies, size = studies + 1, size + study.size
            log.info(
                "study=%s deleted for its %s: %d instances, %d bytes",
                *(study.study_instance_uid, study.why, study.instances, study.size),
            )
        facts: dict[str, Any] = {"deleted_studies": studies, "deleted_bytes": size, "held": held}
        worker.context.facts["retention"] = facts


def _settings(options: dict[str, Any]) -> RetentionSettings:
    try:
        return RetentionSettings(**options.get("retention", {}))
    except TypeError as error:
        raise ConfigError(f"retention: {error}") from None


keeper = Keeper(worker)
worker.on_start(keeper.open)
worker.on_stop(keeper.close)
