"""The load of one process: a schedule of operations, and performers that carry them out.

In a closed loop each performer takes the next operation as soon as it has its response. In an open
loop operations become due by the clock and wait in a queue for a performer. Their latency includes
that wait, so a peer that stalls is charged with every operation that it delays (no coordinated
omission).
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.association.timers import Timeouts
from gateway.load import schedule
from gateway.load.journal import Journal
from gateway.load.load_operations import RepeatedMessage, StoreSequence
from gateway.load.load_plan import KEEP, STORE, share
from gateway.load.performer import UNFINISHED, OperationPerformer
from gateway.load.recorder import Recorder, ReportFunction
from gateway.load.timer import Timer
from gateway.requestor.proposal import Proposal

if TYPE_CHECKING:
    from gateway.load.instance_identity import InstanceIdentity
    from gateway.load.load_operations import OperationSource
    from gateway.load.load_plan import Plan
    from gateway.load.template import Template

_AT_ONCE = 32
"""Associations that are established at the same time."""
_BURST = 256
"""Operations that may become due in a row before other tasks run."""


class Engine:
    """Runs a plan: first `open`, then `run` from a given moment on. Needs a running loop."""

    def __init__(self, plan: Plan, templates: list[Template], report: ReportFunction) -> None:
        self.plan = plan
        self.operations: OperationSource = RepeatedMessage(plan)
        if plan.operation == STORE:
            self.operations = StoreSequence(plan, templates)
        self.address = plan.address()
        self.proposal = Proposal(self.operations.contexts, plan.aet, plan.aec, plan.max_pdu)
        self.timeouts = Timeouts.all(plan.timeout)
        self.failure = ""
        """Why the load stopped early; empty: it did not."""
        self._loop = asyncio.get_running_loop()
        self.recorder = Recorder(plan, self._loop.time(), self._loop.time)
        self._report = report
        performers = share(plan.associations, plan.processes, plan.process)
        self.performers = [OperationPerformer(self, number) for number in range(performers)]
        self._journal = Journal(plan.journal) if plan.journal else None
        self._left = -1
        if plan.count is not None:
            self._left = share(plan.count, plan.processes, plan.process)
        self._end = float("inf")
        self._due: deque[float] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._all_due = False
        self._over = asyncio.Event()

    # life cycle

    async def open(self) -> bool:
        """Associate; return whether any association was established.

        If associations are not kept, one is established as a check and released again.
        """
        gate = asyncio.Semaphore(_AT_ONCE)
        kept = self.plan.keep == KEEP

        async def opened(performer: OperationPerformer) -> bool:
            async with gate:
                return await performer.open()

        performers = self.performers if kept else self.performers[:1]
        results = await asyncio.gather(*(opened(one) for one in performers))
        if not kept:
            await self.performers[0].close()
        return any(results)

    async def run(self, start: float) -> None:
        """Run the load from `start` on the loop's clock to its end, and report it."""
        self.recorder.start = self.recorder.last_sign_of_life = start
        timer = Timer()
        try:
            await timer.until(start)
            if self.plan.duration is not None:
                self._end = start + self.plan.duration
                self._loop.call_at(self._end, self._wake_all)
            reporting = self._loop.create_task(self._report_slices(start))
            arriving = self._loop.create_task(self._arrive(start, timer))
            await self._perform(arriving)
            reporting.cancel()
        finally:
            timer.close()
        await self._close()
        self.recorder.flush(self._report)

    def stop(self, why: str = "") -> None:
        """Start no further operation; those in flight may finish."""
        self.failure = self.failure or why
        self._over.set()
        self._end = min(self._end, self._loop.time())
        self._wake_all()

    async def _perform(self, arriving: asyncio.Task[None]) -> None:
        """Run the performers until there is nothing more to do, or the time is over."""
        tasks = [self._loop.create_task(one.run()) for one in self.performers]
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
        """Return when the load is over and operations in flight have had their time to finish."""
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
        await asyncio.gather(*(one.close() for one in self.performers))
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
        """In an open loop, queue operations when they become due."""
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
            elif (at_once := at_once + 1) % _BURST == 0:
                await asyncio.sleep(0)
            self.recorder.arrived(due, open_loop=True)
            self._due.append(due)
            self._wake_one()
        self._all_due = True
        self._wake_all()

    async def next_due(self) -> float | None:
        """Wait for the next operation; return when it should have started, None at the end."""
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

    # called by the performers

    @property
    def is_over(self) -> bool:
        """No further operation is started."""
        nothing_left = self._left == 0 or (self._all_due and not self._due)
        return self._over.is_set() or self._loop.time() >= self._end or nothing_left

    def acknowledged(self, identity: InstanceIdentity) -> None:
        """Write an instance that the peer acknowledged to the journal."""
        if self._journal is not None:
            self._journal.add(identity)

    def association_failed(self, why: str) -> None:
        """Stop if there has been no association for `give_up` seconds."""
        silent = self._loop.time() - self.recorder.last_sign_of_life
        if silent > self.plan.give_up and not any(one.is_associated for one in self.performers):
            self.stop(f"the peer is gone: {why}")

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the load."""
        with suppress(TimeoutError):
            left = max(self._end - self._loop.time(), 0.0)
            await asyncio.wait_for(self._over.wait(), min(seconds, left))
