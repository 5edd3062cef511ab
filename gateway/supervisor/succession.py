"""When a worker whose events another one took over is started again.

A worker of the same name and a newer generation (`dicom-gateway worker NAME`) replaces the one that
the supervisor started; that leaves, and must not come back while the other is there, or the two
would replace each other for ever. What the acceptors tell at each sign of life says who is there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway.errors import FabricError
from gateway.supervisor.child_keeper import ChildState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from gateway.supervisor.child_keeper import ChildKeeper, ChildSpec

LOOK = 0.25
"""Seconds between two looks at what the acceptors told last."""
FRESH = 1.5
"""What an acceptor told is used if it was told so many seconds after the worker was replaced."""
DEATH = 4.0
"""Seconds that the launcher of a worker that died has to start it again."""

_log = logging.getLogger("gateway.supervisor")


class Succession:
    """Waits for the place of a worker to become free, and gives it its next generation."""

    def __init__(
        self,
        acceptors: Callable[[], Sequence[ChildKeeper]],
        configured: Collection[str],
        generation: Callable[[str], Awaitable[int]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._acceptors = acceptors
        self.configured = configured
        self._generation = generation
        self._clock = clock
        self._latest: dict[str, int] = {}
        """The newest generation that was given here, by name: all members get the same."""
        self._lock = asyncio.Lock()

    def is_for_good(self, spec: ChildSpec, holder: str) -> bool:
        """Return whether the holder will stay: another worker of the same configuration."""
        return holder != spec.settings["name"] and holder in self.configured

    async def wait(self, spec: ChildSpec, holder: str) -> ChildSpec:
        """Return how to start the worker again, as soon as the holder is gone."""
        since, died_at = self._clock(), float("inf")
        while True:
            await asyncio.sleep(LOOK)
            now = self._clock()
            places = self._places(holder, since + FRESH)
            if places is None or any(place["members"] for place in places):
                died_at = float("inf")
                continue
            died_at = min(died_at, now)
            if all(place["left"] for place in places) or now - died_at >= DEATH:
                try:
                    return await self._next(spec)
                except FabricError as error:
                    _log.warning("worker=%s no generation: %s", spec.settings["name"], error)

    def _places(self, holder: str, since: float) -> list[dict[str, Any]] | None:
        """Return what each acceptor knows of the holder; None if one does not know yet."""
        acceptors = self._acceptors()
        if not all(
            one.state is ChildState.READY and one.heard >= since and "workers" in one.facts
            for one in acceptors
        ):
            return None
        known = [one.facts["workers"].get(holder) for one in acceptors]
        return [place for place in known if place is not None]

    async def _next(self, spec: ChildSpec) -> ChildSpec:
        name, before = spec.settings["name"], spec.settings["generation"]
        async with self._lock:
            if self._latest.get(name, 0) <= before:
                self._latest[name] = await self._generation(name)
        return replace(spec, settings={**spec.settings, "generation": self._latest[name]})
