"""Runs intervention handlers: one thread for each call, one loop for `async def`.

Theory of operation. The fabric gives a member as many requests as it has credit, and there may be
as many threads, so a request never waits for a thread while all handlers keep their deadlines;
threads are made when they are needed. A thread calls the handler; a coroutine or asynchronous
generator that comes back runs on the one loop while the thread waits for it. Answers go out through
`send`, which may block a stream until the acceptor wants more.

A batch handler is called with all requests that wait, one call at a time. Each of the requests
keeps its own deadline and gets its own answer. Requests that may take long, as the handler's
`alone` tells, are in a queue of their own and come one by one. One that is late before its call
begins is answered in its place: a queue may be long, although no call hangs.

A thread cannot be killed. A handler that is past its deadline is *abandoned*: it is told by
`event.is_cancelled`, a coroutine is cancelled, and its answer no longer counts. Until it returns
its thread is lost; past the deadline and a grace the member counts as *hung*: the caller of `tick`
must take no more requests and have the process replaced.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from gateway import spans
from gateway.memory import give_back_memory
from gateway.sdk.handler_answers import TOO_LATE
from gateway.sdk.handler_caller import HandlerCaller
from gateway.sdk.handler_loop import HandlerLoop
from gateway.sdk.jobs import BatchQueue, HandlerCall, HandlerJob
from gateway.sdk.move.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.sdk.bound_handler import BoundHandler
    from gateway.sdk.event import Event
    from gateway.sdk.handler_caller import Offer, Send, SendMany, SendStream
    from gateway.spans import SpanRecorder

__all__ = ["Executor", "HandlerLoop"]

log = logging.getLogger("gateway.sdk")


class Executor:
    """The requests in hand and the threads that work on them.

    `send`, `send_many`, `send_stream` and `extend` are the ways to the acceptor (see
    `HandlerCaller`); `routes` lead to the destinations of C-MOVE.
    """

    def __init__(  # noqa: PLR0913 - the ways out of a worker
        self,
        concurrency: int,
        send: Send,
        *,
        loop: HandlerLoop,
        send_many: SendMany | None = None,
        send_stream: SendStream | None = None,
        offer: Offer | None = None,
        extend: Callable[[str], None] = lambda _token: None,
        routes: Routes | None = None,
        called: Callable[[str, float], None] = lambda _event, _seconds: None,
        release: Callable[[], None] = give_back_memory,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._release = release
        self._concurrency = concurrency
        self._send = send
        self._called = called
        self._clock = clock
        self._caller = HandlerCaller(
            send,
            send_many,
            extend,
            send_stream=send_stream,
            offer=offer,
            routes=routes or Routes(),
            loop=loop,
            clock=clock,
        )
        self._has_worked = False
        """A handler was called since memory was given back."""
        self._jobs: dict[str, HandlerJob] = {}
        self._batches: defaultdict[str, BatchQueue] = defaultdict(BatchQueue)
        """The queue of each event that has a batch handler."""
        self._lonely: defaultdict[str, BatchQueue] = defaultdict(partial(BatchQueue, single=True))
        """The queue of those that are given to such a handler alone."""
        self._changed = threading.Condition()
        self._holding_back = False
        self._queue: SimpleQueue[HandlerCall | BatchQueue | None] = SimpleQueue()
        self._threads = 0
        self._free = 0
        """The number of idle threads, minus the number of calls that wait for one."""
        self._running = False
        self._is_short = False
        """The system has no thread to give."""

    def start(self) -> None:
        with self._changed:
            self._running = True
            for _ in range(min(self._concurrency, max(1, -self._free))):
                self._start_thread()

    def stop(self) -> None:
        """End each thread once it has nothing to do."""
        with self._changed:
            self._running = False
            for _ in range(self._threads):
                self._queue.put(None)

    def submit(self, token: str, bound: BoundHandler, event: Event, deadline: float) -> None:
        """Take a request in hand; `deadline` is in seconds from now. Never blocks."""
        self.submit_many([(token, bound, event, deadline)])

    def submit_many(self, requests: Iterable[tuple[str, BoundHandler, Event, float]]) -> None:
        """Take several requests in hand at once; those for a batch handler become one batch.

        Each is (token, handler, event, seconds from now to its deadline). Never blocks.
        """
        now = self._clock()
        due: list[HandlerCall | BatchQueue] = []
        with self._changed:
            for token, bound, event, deadline in requests:
                if self._holding_back and bound.redeliver:
                    continue
                self._jobs[token] = job = HandlerJob(token, bound, event, now + deadline)
                if not bound.batch:
                    due.append(HandlerCall([job]))
                    continue
                batch = (self._lonely if _is_alone(bound, event) else self._batches)[event.name]
                batch.waiting.append(job)
                if not batch.is_due:
                    batch.is_due = True
                    due.append(batch)
            for work in due:
                self._hand_over(work)

    def _hand_over(self, work: HandlerCall | BatchQueue) -> None:
        """Give a call to a thread; the lock is held."""
        self._free -= 1
        if self._free < 0 and self._running and self._threads < self._concurrency:
            self._start_thread()
        self._queue.put(work)

    def _start_thread(self) -> None:
        """Start a thread; without one, calls wait for those that there are, and for `tick`."""
        name = f"handler-{self._threads}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError as error:
            if not self._is_short:
                self._is_short = True
                log.warning("%d of %d threads: %s", self._threads, self._concurrency, error)
            return
        self._is_short = False
        self._threads += 1
        self._free += 1

    def hold_back(self) -> None:
        """Begin no more requests that may be given to another member once this one is gone."""
        with self._changed:
            self._holding_back = True
            for batch in (*self._batches.values(), *self._lonely.values()):
                for job in batch.hold_back():
                    del self._jobs[job.token]
            self._changed.notify_all()

    def cancel(self, token: str, *, unwanted: bool = True) -> None:
        """Stop working on a request; `unwanted`: without a last answer. Never blocks."""
        with self._changed:
            job = self._jobs.get(token)
        if job is not None:
            job.cancel(unwanted=unwanted)

    @property
    def failures(self) -> tuple[int, str]:
        """How often a handler raised, and what the last time."""
        return self._caller.failures, self._caller.last_exception

    @property
    def in_hand(self) -> int:
        with self._changed:
            return len(self._jobs)

    def rest(self) -> None:
        """Give back the memory of large requests, if nothing is in hand; to be called regularly.

        While requests follow each other it is kept, because the next ones need it.
        """
        if self._has_worked and not self.in_hand:
            self._has_worked = False
            self._release()

    def tick(self) -> bool:
        """Abandon requests past their deadline; return True once a handler is past its grace."""
        now = self._clock()
        with self._changed:
            if self._free < 0 and self._running and self._threads < self._concurrency:
                self._start_thread()
            waiting = [j for j in self._jobs.values() if j.extended_at is not None]
            late = [(j, j.deadline_at) for j in self._jobs.values() if j.deadline_at is not None]
        for job in waiting:
            self._caller.keep_waiting(job, now)
        for job, deadline_at in late:
            if now >= deadline_at and not job.abandoned:
                log.error(
                    "event=%s handler=%s is past its deadline", job.event.name, job.bound.name
                )
                job.abandon()
                self._give_up_waiting(job)
        return any(job.abandoned and now >= at + job.grace for job, at in late if job.call)

    def _give_up_waiting(self, job: HandlerJob) -> None:
        """Answer for a request that is late although its call has not begun."""
        with self._changed:
            if job.call is not None:
                return
            job.given_up = True
            self._jobs.pop(job.token, None)
            self._changed.notify_all()
        job.event.close()
        self._send(job.token, TOO_LATE)

    def give_up_hung(self) -> int:
        """Answer for handlers past their grace, and replace their threads; return their number.

        This is for a process that cannot be replaced, because it is the user's own.
        """
        now = self._clock()
        with self._changed:
            hung = [
                job
                for job in self._jobs.values()
                if job.abandoned and job.deadline_at is not None
                if now >= job.deadline_at + job.grace
            ]
            for job in hung:
                job.given_up = True
                del self._jobs[job.token]
            for call in {j.call for j in hung if j.call is not None and not j.call.given_up}:
                self._replace(call)
        for job in hung:
            log.error("event=%s handler=%s hangs: given up", job.event.name, job.bound.name)
            self._send(job.token, TOO_LATE)
        return len(hung)

    def _replace(self, call: HandlerCall) -> None:
        """Start another thread in place of the one that hangs; the lock is held."""
        call.given_up = True
        self._threads -= 1
        self._start_thread()
        if call.batch is not None:
            self._hand_over(call.batch)

    def drain(self, timeout: float) -> bool:
        """Wait until nothing is in hand but hung handlers; False if that takes too long."""

        def finished() -> bool:
            return all(job.abandoned for job in self._jobs.values())

        with self._changed:
            return self._changed.wait_for(finished, timeout)

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            call = work if isinstance(work, HandlerCall) else self._next(work)
            while call is not None:
                begun = self._clock()
                if spans.recorder is None:
                    self._caller.perform(call)
                else:
                    self._perform_recorded(spans.recorder, call)
                self._called(call.jobs[0].event.name, self._clock() - begun)
                self._has_worked = True
                self._put_down(call)
                if call.given_up:
                    return
                call = None if call.batch is None else self._next(call.batch)
            with self._changed:
                self._free += 1

    def _perform_recorded(self, recorder: SpanRecorder, call: HandlerCall) -> None:
        first = call.jobs[0]
        named = {"dicom_gateway.handler": first.bound.name, "dicom_gateway.batch": len(call.jobs)}
        with recorder.handling([job.event.trace_headers for job in call.jobs], named):
            self._caller.perform(call)

    def _next(self, batch: BatchQueue) -> HandlerCall | None:
        with self._changed:
            return batch.take()

    def _put_down(self, call: HandlerCall) -> None:
        for job in call.jobs:
            try:
                job.event.close()
            except OSError:
                log.exception("event=%s its temporary file stays", job.event.name)
        with self._changed:
            for job in call.jobs:
                self._jobs.pop(job.token, None)
            call.jobs = []  # call and jobs refer to each other: large requests are freed here
            self._changed.notify_all()


def _is_alone(bound: BoundHandler, event: Event) -> bool:
    try:
        return bound.alone is not None and bool(bound.alone(event))
    except Exception:  # the handler meets it too, and then it becomes the answer
        return False
