"""Requests in hand, and how they come to a thread: one by one, or several as a batch."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future

    from gateway.sdk.bound_handler import BoundHandler
    from gateway.sdk.event import Event

GRACE = 5.0
"""Seconds past its deadline after which a handler counts as hung; never more than the deadline."""


class HandlerJob:
    """One request in hand."""

    def __init__(self, token: str, bound: BoundHandler, event: Event, deadline_at: float) -> None:
        self.token = token
        self.bound = bound
        self.event = event
        self.deadline_at: float | None = deadline_at
        """None while it is not the handler that we wait for."""
        self.extended_at: float | None = None
        """When the acceptor was last told that others are waited for; None: they are not."""
        self.run: HandlerCall | None = None
        """None while it waits for a thread."""
        self.abandoned = False
        self.given_up = False
        """It was answered for a handler that hangs."""
        self.unwanted = False
        """Nobody awaits an answer any more."""

    @property
    def grace(self) -> float:
        return min(GRACE, self.bound.deadline)

    def cancel(self, *, unwanted: bool) -> None:
        """Tell the handler, by `event.is_cancelled`."""
        self.unwanted = self.unwanted or unwanted
        self.event.cancel()

    def abandon(self) -> None:
        self.abandoned = True
        self.cancel(unwanted=True)
        if self.run is not None:
            self.run.cancel_if_unwanted()


class HandlerCall:
    """One call of a handler: what a thread is at."""

    def __init__(self, jobs: list[HandlerJob], batch: BatchQueue | None = None) -> None:
        self.jobs = jobs
        self.batch = batch
        self.given_up = False
        """Another thread has taken the place of the one that hangs in it."""
        self.future: Future[Any] | None = None
        """What the handler's coroutine runs as, at the moment."""
        for job in jobs:
            job.run = self

    def cancel_if_unwanted(self) -> None:
        """Cancel the coroutine once a deadline has passed and nobody awaits any of it."""
        future, jobs = self.future, self.jobs
        if (
            future is not None
            and any(job.abandoned for job in jobs)
            and all(job.unwanted for job in jobs)
        ):
            future.cancel()


class BatchQueue:
    """What waits for one event's handler of batches, which is called once at a time.

    While a call is at work, what comes gathers for the next one: so batches are as big as the
    handler is slow, and nobody waits for one to fill.
    """

    def __init__(self) -> None:
        self.waiting: deque[HandlerJob] = deque()
        self.is_due = False
        """A thread is at work on it, or will be."""

    def take(self) -> HandlerCall | None:
        """The next call: as many as wait and the handler takes; None if nothing waits."""
        jobs: list[HandlerJob] = []
        waiting = self.waiting
        while waiting and (not jobs or self._fits(jobs)):
            job = waiting.popleft()
            if not job.given_up:
                jobs.append(job)
        self.is_due = bool(jobs)
        return HandlerCall(jobs, self) if jobs else None

    def _fits(self, jobs: list[HandlerJob]) -> bool:
        """Another handler may have been bound meanwhile."""
        first = jobs[0].bound
        return len(jobs) < first.batch and self.waiting[0].bound is first

    def hold_back(self) -> list[HandlerJob]:
        """Give away what waits and may be given to another member."""
        given = [job for job in self.waiting if job.bound.redeliver]
        self.waiting = deque(job for job in self.waiting if not job.bound.redeliver)
        return given
