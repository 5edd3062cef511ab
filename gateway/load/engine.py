"""The load of one process: a schedule of operations, and lanes that perform them.

Closed loop: each lane takes the next operation as soon as it has its answer. Open loop: operations
become due by the clock and wait in line for a lane, and their latency runs while they wait; so a
peer that stands still is charged with everything that it held up (no coordinated omission).
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.load import schedule
from gateway.load.journal import Journal
from gateway.load.lane import UNFINISHED, Lane
from gateway.load.plan import KEEP, STORE, share
from gateway.load.recorder import Recorder, Report
from gateway.load.timer import Timer
from gateway.load.work import Plain, Store
from gateway.requestor.proposal import Address, Proposal, Timeouts

if TYPE_CHECKING:
    from gateway.load.identity import Identity
    from gateway.load.plan import Plan
    from gateway.load.template import Template
    from gateway.load.work import Work

_AT_ONCE = 32
"""Associations that are being opened at the same time."""
_BREATH = 256
"""Operations that may become due at once before others get their turn."""


class Engine:
    """Made in a running loop: `open`, `run` from an agreed moment on, and then `failure`."""

    def __init__(self, plan: Plan, templates: list[Template], report: Report) -> None:
        self.plan = plan
        self.work: Work = Store(plan, templates) if plan.operation == STORE else Plain(plan)
        self.address = Address(plan.host, plan.port)
        self.proposal = Proposal(self.work.contexts, plan.aet, plan.aec, plan.max_pdu)
        self.timeouts = Timeouts.all(plan.timeout)
        self.failure = ""
        """Why the load was broken off."""
        self._loop = asyncio.get_running_loop()
        self.recorder = Recorder(plan, self._loop.time(), self._loop.time)
        self._report = report
        lanes = share(plan.associations, plan.processes, plan.process)
        self.lanes = [Lane(self, number) for number in range(lanes)]
        self._journal = Journal(plan.journal) if plan.journal else None
        self._left = -1
        if plan.count is not None:
            self._left = share(plan.count, plan.processes, plan.process)
        self._end = float("inf")
        self._due: deque[float] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._all_due = False
        self._over = asyncio.Event()

    # its life

    async def open(self) -> bool:
        """Associate where associations are kept, else once to see that it can be done."""
        gate = asyncio.Semaphore(_AT_ONCE)
        kept = self.plan.keep == KEEP

        async def opened(lane: Lane) -> bool:
            async with gate:
                return await lane.open()

        lanes = self.lanes if kept else self.lanes[:1]
        results = await asyncio.gather(*(opened(lane) for lane in lanes))
        if not kept:
            await self.lanes[0].close()
        return any(results)

    async def run(self, start: float) -> None:
        """The load, from `start` on the loop's clock to its end, all of it reported."""
        self.recorder.start = self.recorder.good = start
        timer = Timer()
        try:
            await timer.until(start)
            if self.plan.duration is not None:
                self._end = start + self.plan.duration
                self._loop.call_at(self._end, self._wake_all)
            reporting = self._loop.create_task(self._report_slices(start))
            arriving = self._loop.create_task(self._arrive(start, timer))
            await self._lanes_done(arriving)
            reporting.cancel()
        finally:
            timer.close()
        await self._close()
        self.recorder.flush(self._report)

    def stop(self, why: str = "") -> None:
        """No further operation begins; those in flight may end."""
        self.failure = self.failure or why
        self._over.set()
        self._end = min(self._end, self._loop.time())
        self._wake_all()

    async def _lanes_done(self, arriving: asyncio.Task[None]) -> None:
        """Until the lanes have nothing more to do, or the time for that is over."""
        tasks = [self._loop.create_task(lane.run()) for lane in self.lanes]
        every = asyncio.gather(*tasks)
        watching = self._loop.create_task(self._watch_end())
        await asyncio.wait((every, watching), return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, watching, arriving):
            task.cancel()
        self._over.set()
        with suppress(asyncio.CancelledError):
            await every
        for result in await asyncio.gather(*tasks, arriving, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        while self._due:
            self.recorder.unanswered(self._due.popleft(), UNFINISHED)

    async def _watch_end(self) -> None:
        """Returns when operations have had all the time that they get."""
        over = self._loop.create_task(self._over.wait())
        left = self.plan.duration
        rate = self.plan.rate
        if rate is not None:
            left = min(left or rate.length, rate.length)
        try:
            remaining = None if left is None else self.recorder.start + left - self._loop.time()
            await asyncio.wait((over,), timeout=remaining)
        finally:
            over.cancel()
        await asyncio.sleep(self.plan.drain)

    async def _close(self) -> None:
        await asyncio.gather(*(lane.close() for lane in self.lanes))
        if self._journal is not None:
            self._journal.close()

    async def _report_slices(self, start: float) -> None:
        number = 0
        while True:
            number += 1
            await asyncio.sleep(start + number * self.plan.slice - self._loop.time())
            self.recorder.flush(self._report)

    # operations that are due

    async def _arrive(self, start: float, timer: Timer) -> None:
        """Open loop: operations become due by the clock."""
        if self.plan.rate is None:
            return
        at_once = 0
        for offset in schedule.arrivals(self.plan):
            due = start + offset
            if due >= self._end or self._over.is_set():
                break
            if due > self._loop.time():
                await timer.until(due)
                at_once = 0
            elif (at_once := at_once + 1) % _BREATH == 0:
                await asyncio.sleep(0)
            self.recorder.arrived(due, open_loop=True)
            self._due.append(due)
            self._wake_one()
        self._all_due = True
        self._wake_all()

    async def next_due(self) -> float | None:
        """When the next operation should start (or should have); None: there is no more."""
        if self.plan.rate is None:
            return self._next_at_once()
        while not self._due:
            if self._all_due or self._over.is_set():
                return None
            idle = self._loop.create_future()
            self._idle.append(idle)
            await idle
        if self._over.is_set():
            return None
        return self._due.popleft()

    def _next_at_once(self) -> float | None:
        now = self._loop.time()
        if self._left == 0 or now >= self._end or self._over.is_set():
            return None
        self._left -= 1
        self.recorder.arrived(now, open_loop=False)
        return now

    def _wake_one(self) -> None:
        while self._idle:
            idle = self._idle.popleft()
            if not idle.done():
                idle.set_result(None)
                return

    def _wake_all(self) -> None:
        idle, self._idle = self._idle, deque()
        for one in idle:
            if not one.done():
                one.set_result(None)

    # the lanes' calls

    @property
    def is_over(self) -> bool:
        """Nothing begins any more."""
        nothing_left = self._left == 0 or (self._all_due and not self._due)
        return self._over.is_set() or self._loop.time() >= self._end or nothing_left

    def acknowledged(self, identity: Identity) -> None:
        """The peer says that it has this instance."""
        if self._journal is not None:
            self._journal.add(identity)

    def lost(self, why: str) -> None:
        """Break off, if no association has lived for `give_up` seconds."""
        silent = self._loop.time() - self.recorder.good
        if silent > self.plan.give_up and not any(lane.is_associated for lane in self.lanes):
            self.stop(f"the peer is gone: {why}")

    async def pause(self, seconds: float) -> None:
        """Wait, or until all is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), min(seconds, max(self._until_end(), 0.0)))

    def _until_end(self) -> float:
        return self._end - self._loop.time()
