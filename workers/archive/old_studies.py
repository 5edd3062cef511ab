"""Delete old studies: those beyond an age, and the oldest ones while the disk is short of space.

A study goes as a whole, or not at all. It stays while it is young (`min_age`), and while a worker
needs one of its instances or has not seen it yet (`index.holds`). Each gateway deletes only the
files that it holds itself. Instances without a study are left.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.free_space import free_space
from workers.archive import upkeep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.settings import RetentionSettings
    from workers.archive.index import Index
    from workers.archive.stored_files import StoredFiles

_MOST = 500
"""Instances that are removed in one transaction, for which stores wait."""

AGE, SPACE, HELD = "age", "space", "held"
"""Why a study is deleted, or that it is not although it would be."""


@dataclass(frozen=True, slots=True)
class OldStudy:
    """A study that retention has deleted, would delete, or would delete if it were not held."""

    study_instance_uid: str
    why: str
    """age, space or held."""
    received: float
    """When its newest instance was received, in seconds since 1970."""
    instances: int
    """Of this gateway."""
    size: int
    held_by: tuple[str, ...] = ()


def check(settings: RetentionSettings) -> str:
    """Return what is wrong with settings that delete nothing; empty: they delete something."""
    if settings.max_age or settings.min_free:
        return ""
    return (
        "retention: max_age and min_free are 0, so nothing would ever be deleted: set one of them"
    )


def _since_boot() -> float:
    """Return seconds that also pass while the machine is suspended, where the system has them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class SteadyClock:
    """The system's clock, as it would be if nobody had set it ahead since this was made.

    A clock that leaps a year ahead would make every study too old at once.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        running: Callable[[], float] = _since_boot,
    ) -> None:
        self._clock, self._running = clock, running
        self._offset = clock() - running()

    def __call__(self) -> float:
        return min(self._clock(), self._running() + self._offset)

    @property
    def ahead(self) -> float:
        """The seconds by which the system's clock was set ahead; less than 0: it was set back."""
        return self._clock() - self._running() - self._offset


@dataclass
class Retention:
    """Decides which studies of an archive go, and deletes them."""

    files: StoredFiles
    index: Index
    holder: str
    settings: RetentionSettings
    clock: Callable[[], float] = time.time
    free: Callable[[Path], int] = lambda root: free_space(root).free

    def run(self, *, dry: bool = False) -> Iterator[OldStudy]:
        """Delete what is due, the oldest first, and yield each study; with `dry` only tell.

        Raises IndexFailure, or OSError if a file cannot be deleted.
        """
        now = self.clock()
        youngest = _text_of(now - self.settings.min_age)
        expired = _text_of(now - self.settings.max_age) if self.settings.max_age else ""
        would_be_free = 0
        for newest, uid in self._oldest_first(youngest):
            if newest < expired:
                why, before = AGE, min(expired, youngest)
            elif self.settings.min_free and self._is_short(would_be_free):
                why, before = SPACE, youngest
            else:
                return
            found = self._study(uid, why, before)
            if found is None:
                continue
            if found.why != HELD:
                if not dry and not self._delete(uid, before):
                    continue
                would_be_free += found.size if dry else 0
            yield found

    def _oldest_first(self, before: str) -> list[tuple[str, str]]:
        """Return when studies received their newest instance, and their UIDs, the oldest first."""
        newest: dict[str, str] = {}
        for uid, received in self.index.newest_of_studies():
            newest[uid] = max(received, newest.get(uid, ""))
        return sorted((received, uid) for uid, received in newest.items() if received < before)

    def _is_short(self, would_be_free: int) -> bool:
        return self.free(self.files.root) + would_be_free < self.settings.min_free

    def _study(self, uid: str, why: str, before: str) -> OldStudy | None:
        """Return a study that is due; None if none of its instances are this gateway's."""
        state = self.index.study_state(uid, self.holder)
        if not state.instances or state.newest >= before:
            return None
        held = state.held_by
        moment = int(state.newest[:13] or "0", 16) / 1e6
        return OldStudy(uid, HELD if held else why, moment, state.instances, state.size, held)

    def _delete(self, uid: str, before: str) -> bool:
        """Delete a study as far as it is still due; return whether anything was deleted."""
        number = 0
        while removed := self.index.remove_unused(uid, self.holder, before, _MOST):
            upkeep.delete_files(self.files, self.index, self.holder, removed)
            number += len(removed)
        return number > 0


def _text_of(moment: float) -> str:
    """Return a time as `layout.received` writes it."""
    return f"{max(0, int(moment * 1e6)):013x}"
