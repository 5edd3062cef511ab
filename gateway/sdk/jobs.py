"""Requests that a worker has in hand, and how they come to a thread: alone or in batches."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future

    from gateway.sdk.bound_handler import BoundHandler
    from gateway.sdk.event import Event

GRACE = 5.0
"""Seconds past its deadline after which a handler counts as hung; at most the deadline itself."""


class HandlerJob:
    """One request in hand.

    Most requests never use more than the values that `__init__` sets; the others are defaults of
    the class, which cost nothing for each request.
    """

    deadline_at: float | None
    """None while the deadline does not run: an answer is being sent, or a peer is waited for."""
    extended_at: float | None = None
    """When the acceptor was last told that the handler is waiting for a third party."""
    call: HandlerCall | None = None
    """None while the request waits for a thread."""
    abandoned = False
    """The handler is past its deadline, and its answer no longer counts."""
    given_up = False
    """It was answered for a handler that hangs."""
    unwanted = False
    """Nobody waits for an answer any more."""

    def __init__(self, token: str, bound: BoundHandler, event: Event, deadline_at: float) -> None:
        self.token = token
        self.bound = bound
        self.event = event
        self.deadline_at = deadline_at

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
        if self.call is not None:
            self.call.cancel_if_unwanted()


class HandlerCall:
    """One call of a handler: what a thread is doing."""

    def __init__(self, jobs: list[HandlerJob], batch: BatchQueue | None = None) -> None:
        self.jobs = jobs
        self.batch = batch
        self.given_up = False
        """Another thread has taken the place of the one that hangs in it."""
        self.future: Future[Any] | None = None
        """What the handler's coroutine runs as, at the moment."""
        for job in jobs:
            job.call = self

    def cancel_if_unwanted(self) -> None:
        """Cancel the coroutine once a deadline has passed and nobody waits for any of it."""
        future, jobs = self.future, self.jobs
        if (
            future is not None
            and any(job.abandoned for job in jobs)
            and all(job.unwanted for job in jobs)
        ):
            future.cancel()


class BatchQueue:
    """What waits for one event's batch handler, which is called once at a time.

    What arrives while a call is running is gathered for the next one. So a batch is as large as the
    handler is slow, and no request waits for a batch to fill.
    """

    def __init__(self) -> None:
        self.waiting: deque[HandlerJob] = deque()
        self.is_due = False
        """A thread is working on it, or will be."""

    def take(self) -> HandlerCall | None:
        """Return the next call, with all that wait up to the batch's size; None if none wait."""
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
        """Remove and return what waits and may be given to another member."""
        given = [job for job in self.waiting if job.bound.redeliver]
        self.waiting = deque(job for job in self.waiting if not job.bound.redeliver)
        return given
