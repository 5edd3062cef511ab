"""The parent of a load: starts the children at the same moment and adds up their reports."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway.errors import ConfigError
from gateway.load.histogram import Histogram
from gateway.load.load_plan import START_LENGTH, Plan
from gateway.load.recorder import STEP
from gateway.load.result import Cost, LoadResult
from gateway.load.tally import Tally
from gateway.process import Child, describe_exit, spawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_TICK = 0.1
"""Seconds between two updates of the display."""
_GRACE = 0.05
"""Seconds between telling the start time and the start itself."""


class Coordinator:
    """Runs one load.

    `watch` is called with the result several times a second, `note` with remarks for the user.
    `journals` is the directory for the journals of acknowledged instances.
    """

    def __init__(
        self,
        plan: Plan,
        watch: Callable[[LoadResult], None],
        note: Callable[[str], None],
        journals: Path | None = None,
    ) -> None:
        self._plan = plan
        self._watch = watch
        self._note = note
        self._journals = journals
        self._children: list[Child] = []
        self._stopping = False
        self.result = LoadResult(plan)

    async def run(self) -> LoadResult:
        """Run the load; failures are in the result. Raises ConfigError for an invalid plan."""
        before = resource.getrusage(resource.RUSAGE_SELF)
        go, start = os.pipe()
        ticking = asyncio.get_running_loop().create_task(self._tick())
        try:
            await self._spawn(go)
            await self._start(start)
            await asyncio.gather(*(self._follow(child) for child in self._children))
        finally:
            ticking.cancel()
            os.close(go)
            os.close(start)
            await self._leave()
        after = resource.getrusage(resource.RUSAGE_SELF)
        self.result.parent = Cost(
            after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
        )
        return self.result

    def stop(self) -> None:
        """End the load early: operations in flight may finish."""
        self._stopping = True
        self.result.is_interrupted = True
        for child in self._children:
            child.terminate()

    async def _spawn(self, go: int) -> None:
        for number in range(self._plan.processes):
            journal = "" if self._journals is None else str(self._journals / f"{number}")
            plan = replace(self._plan, process=number, journal=journal)
            settings = plan.to_map()
            name = f"load-{number}"
            child = await spawn("gateway.load.child", name=name, settings=settings, fds={"go": go})
            self._children.append(child)

    async def _start(self, start: int) -> None:
        """Wait until every child has its associations, then send them the time to start."""
        opened = await asyncio.gather(*(self._ready(child) for child in self._children))
        if not any(opened):
            failure = next(iter(self.result.totals.rejects or self.result.totals.failures), "")
            self.result.failure = self.result.failure or f"no association: {failure}"
        self.result.started = time.time() + _GRACE
        self.result.start = moment = time.monotonic() + _GRACE
        line = f"{moment:.6f}" if any(opened) and not self._stopping else ""
        os.write(start, line.ljust(START_LENGTH).encode() * len(self._children))

    async def _ready(self, child: Child) -> bool:
        while (report := await child.next_report()) is not None:
            if "ready" in report:
                for text in report["notes"]:
                    self._note(text)
                return bool(report["open"])
            self._take(report)
        return False

    async def _follow(self, child: Child) -> None:
        done = False
        while (report := await child.next_report()) is not None:
            done = done or "done" in report
            self._take(report)
        status = await child.wait()
        if not done and not self._stopping and not self.result.failure:
            self.result.failure = f"process {child.name} failed: {describe_exit(status)}"

    def _take(self, report: dict[str, Any]) -> None:
        result = self.result
        if "error" in report:
            raise ConfigError(report["error"])
        if "done" in report:
            result.children.append(Cost(report["user"], report["system"], report["peak_memory"]))
            result.failure = result.failure or report["failure"]
            return
        if report["kind"] == STEP:
            tallies = [result.steps.setdefault(report["index"], Tally())]
        else:
            tallies = [result.slice_of(report["index"]), result.totals]
        for tally in tallies:
            _add(tally, report)

    async def _tick(self) -> None:
        """Update the display at a fixed interval, even if no child reports anything."""
        while True:
            await asyncio.sleep(_TICK)
            self._watch(self.result)

    async def _leave(self) -> None:
        """Kill the children that still run."""
        for child in self._children:
            child.kill()
        await asyncio.gather(*(child.wait() for child in self._children))


def _add(tally: Tally, report: dict[str, Any]) -> None:
    if "tally" in report:
        tally.merge(Tally.of_numbers(report["tally"]))
    else:
        getattr(tally, report["name"]).merge(Histogram.from_map(report["histogram"]))
