"""The requests that a worker has in hand, which go to threads alone or in batches."""

from __future__ import annotations

from collections import deque
from math import inf
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
    """None while the deadline is stopped: an answer is being sent, or the handler waits."""
    extended_at: float | None = None
    """The time at which the acceptor was last told that the handler waits for a third party."""
    told_at = -inf
    """The time of the last answer, or of the last message that the handler waits."""
    call: HandlerCall | None = None
    """None while the request waits for a thread."""
    abandoned = False
    """Whether the handler is past its deadline, so that its answer no longer counts."""
    given_up = False
    """Whether it was answered in place of a handler that hangs."""
    unwanted = False
    """Whether nobody waits for an answer any more."""

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
    """A call of a handler, which a thread performs."""

    def __init__(self, jobs: list[HandlerJob], batch: BatchQueue | None = None) -> None:
        self.jobs = jobs
        self.batch = batch
        self.given_up = False
        """Whether another thread has replaced the one that hangs in this call."""
        self.future: Future[Any] | None = None
        """The task of the handler's coroutine at present."""
        self.has_yielded = False
        """Whether the next call of the batch handler may have begun."""
        for job in jobs:
            job.call = self

    def cancel_if_unwanted(self) -> None:
        """Cancel the coroutine once nobody waits for an answer of it any more."""
        future, jobs = self.future, self.jobs
        if (
            future is not None
            and any(job.abandoned for job in jobs)
            and all(job.unwanted for job in jobs)
        ):
            future.cancel()


class BatchQueue:
    """The requests that wait for an event's batch handler, of which one call runs at a time.

    What arrives while a call is running is gathered for the next one. So a batch is as large as the
    handler is slow, and no request waits for a batch to fill. `single`: a batch has one request.

    If the handler is a generator, the next call begins when one has yielded and the call before
    that one has ended. So at most one is behind its `yield`, and one before or at it.
    """

    def __init__(self, *, single: bool = False) -> None:
        self._single = single
        self.waiting: deque[HandlerJob] = deque()
        self.is_due = False
        """Whether a thread is working on it, or will be; one behind a `yield` does not count."""
        self.ending: HandlerCall | None = None
        """The call that is behind its `yield`."""

    def take(self) -> HandlerCall | None:
        """Return the next call with the waiting requests, up to the batch's size, or None."""
        jobs: list[HandlerJob] = []
        waiting = self.waiting
        while waiting and (not jobs or self._fits(jobs)):
            job = waiting.popleft()
            if not job.given_up:
                jobs.append(job)
        self.is_due = bool(jobs)
        return HandlerCall(jobs, self) if jobs else None

    def end(self, call: HandlerCall) -> HandlerCall | None:
        """Note that a call has ended, or is given up; return the one that follows in its thread."""
        if not call.has_yielded:
            return self.take()
        if self.ending is call:
            self.ending = None
        return None

    def _fits(self, jobs: list[HandlerJob]) -> bool:
        """Return whether a request fits the call: another handler may have been bound meanwhile."""
        first = jobs[0].bound
        limit = 1 if self._single else first.batch
        return len(jobs) < limit and self.waiting[0].bound is first

    def hold_back(self) -> list[HandlerJob]:
        """Remove and return the waiting requests that may be given to another member."""
        given = [job for job in self.waiting if job.bound.redeliver]
        self.waiting = deque(job for job in self.waiting if not job.bound.redeliver)
        return given
