"""Runs intervention handlers: one thread for each call, one loop for `async def`.

Theory of operation. The fabric gives a member as many requests as it has credit, and there may be
as many threads, so a request never waits for a thread while all handlers keep their deadlines
(`HandlerThreads`). A thread calls the handler; a coroutine or asynchronous generator that comes
back runs on the one loop while the thread waits for it. Answers go out through `send`, which may
block a stream until the acceptor wants more.

If a handler returned at once and other calls wait, its answer is held and leaves with the next one:
a message costs more than such a handler. Another thread has been woken by then. If the next handler
blocks, that thread sends what is held.

A batch handler is called with all requests that wait, one call at a time. Each of the requests
keeps its own deadline and gets its own answer. If the handler is a generator, a second call runs up
to its `yield` while the first one is behind its own (`BatchQueue`). Requests that may take long, as
the handler's `alone` tells, are in a queue of their own and come one by one. One that is late
before its call begins is answered in its place: a queue may be long, although no call hangs.

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
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from gateway import spans
from gateway.memory import give_back_memory
from gateway.sdk.handler_answers import TOO_LATE
from gateway.sdk.handler_caller import HandlerCaller
from gateway.sdk.handler_loop import HandlerLoop
from gateway.sdk.handler_threads import HandlerThreads
from gateway.sdk.jobs import BatchQueue, HandlerCall, HandlerJob
from gateway.sdk.move.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from gateway.fabric import Answer
    from gateway.sdk.bound_handler import BoundHandler
    from gateway.sdk.event import Event
    from gateway.sdk.handler_caller import Offer, Send, SendMany, SendStream
    from gateway.spans import SpanRecorder

    AnsweredCall: TypeAlias = tuple[HandlerCall, Answer | None]
    """A call that was performed; None: its answers have been sent."""

__all__ = ["Executor", "HandlerLoop"]

log = logging.getLogger("gateway.sdk")

SHORT = 0.0001
"""Seconds that a call may take whose answer leaves with the next one."""
MAX_HELD = 16
"""Answers that leave in one message at most."""


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
            take_turn=self._take_turn,
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
        self._held: list[AnsweredCall] = []
        """Answers that leave with the next one. A thread is about to look here."""
        self._threads = HandlerThreads(concurrency, self._work)

    def start(self) -> None:
        with self._changed:
            self._threads.start()

    def stop(self) -> None:
        """End each thread once it has nothing to do."""
        with self._changed:
            self._threads.stop()

    def submit(self, token: str, bound: BoundHandler, event: Event, deadline: float) -> None:
        """Take a request in hand; `deadline` is in seconds from now. Never blocks."""
        self.submit_many([(token, bound, event, deadline)])

    def submit_many(self, requests: Iterable[tuple[str, BoundHandler, Event, float]]) -> None:
        """Take several requests in hand at once; those for a batch handler become one batch.

        Each is (token, handler, event, seconds from now to its deadline). Never blocks.
        """
        now = self._clock()
        with self._changed:
            for token, bound, event, deadline in requests:
                if self._holding_back and bound.redeliver:
                    continue
                self._jobs[token] = job = HandlerJob(token, bound, event, now + deadline)
                if not bound.batch:
                    self._threads.put(HandlerCall([job]))
                    continue
                batch = (self._lonely if _is_alone(bound, event) else self._batches)[
                    bound.event.name
                ]
                batch.waiting.append(job)
                if not batch.is_due:
                    batch.is_due = True
                    self._threads.put(batch)
            self._threads.summon()

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

    @contextmanager
    def waiting(self, events: Sequence[Event]) -> Iterator[None]:
        """Stop the deadlines of requests while their handler waits for others; tell acceptors."""
        wanted = {id(event) for event in events}
        with self._changed:
            jobs = [job for job in self._jobs.values() if id(job.event) in wanted]
        with ExitStack() as stack:
            for job in jobs:
                stack.enter_context(self._caller.peer_time(job))
            yield

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
            self._threads.summon()
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
        if call.batch is not None and call.has_yielded:
            call.batch.end(call)
        elif call.batch is not None:
            self._threads.put(call.batch)
        self._threads.replace()
        self._changed.notify_all()

    def drain(self, timeout: float) -> bool:
        """Wait until nothing is in hand but hung handlers; False if that takes too long."""

        def finished() -> bool:
            return all(job.abandoned for job in self._jobs.values())

        with self._changed:
            return self._changed.wait_for(finished, timeout)

    # In the threads

    def _work(self) -> None:
        going_on = True
        while going_on:
            going_on = self._threads.wait()
            with self._changed:
                self._threads.looks()
                held, self._held = self._held, []
            call = self._finish(held)
            while call is not None:
                last = call
                call = self._perform(last)
                if last.given_up:
                    return

    def _perform(self, call: HandlerCall) -> HandlerCall | None:
        """Perform a call; return the next one."""
        begun = self._clock()
        if spans.recorder is None:
            answer = self._caller.perform(call)
        else:
            answer = self._perform_recorded(spans.recorder, call)
        seconds = self._clock() - begun
        self._called(call.jobs[0].event.name, seconds)
        self._has_worked = True
        with self._changed:
            if answer is not None and seconds < SHORT and self._may_hold(call):
                self._held.append((call, answer))
                return self._threads.take()
            held, self._held = self._held, []
        return self._finish([*held, (call, answer)])

    def _take_turn(self, call: HandlerCall) -> bool:
        """Wait until a call that has yielded is the first of its batches; let the next one begin.

        Returns False if it was given up.
        """
        batch = call.batch
        assert batch is not None
        with self._changed:
            self._changed.wait_for(lambda: call.given_up or batch.ending is None)
            if call.given_up:
                return False
            batch.ending, call.has_yielded = call, True
            batch.is_due = bool(batch.waiting)
            if batch.is_due:
                self._threads.put(batch)
                self._threads.summon()
        return True

    def _perform_recorded(self, recorder: SpanRecorder, call: HandlerCall) -> Answer | None:
        first = call.jobs[0]
        named = {"dicom_gateway.handler": first.bound.name, "dicom_gateway.batch": len(call.jobs)}
        with recorder.handling([job.event.trace_headers for job in call.jobs], named):
            return self._caller.perform(call)

    def _may_hold(self, call: HandlerCall) -> bool:
        """Whether an answer may leave with the next one: if that is late, another thread sends it.

        The lock is held.
        """
        return (
            self._threads.has_due
            and len(self._held) < MAX_HELD
            and not call.jobs[0].event.has_followers
            and self._threads.summon()
        )

    def _finish(self, calls: list[AnsweredCall]) -> HandlerCall | None:
        """Send answers, put their requests down and return the next call."""
        if answers := [(call.jobs[0], answer) for call, answer in calls if answer is not None]:
            self._caller.answer_many(answers)
        for call, _ in calls:
            for job in call.jobs:
                try:
                    job.event.close()
                except OSError:
                    log.exception("event=%s its temporary file stays", job.event.name)
        with self._changed:
            for call, _ in calls:
                for job in call.jobs:
                    self._jobs.pop(job.token, None)
                call.jobs = []  # call and jobs refer to each other: large requests are freed here
            self._changed.notify_all()
            return self._following(calls[-1][0] if calls else None)

    def _following(self, last: HandlerCall | None) -> HandlerCall | None:
        """Return the call that a thread performs next; the lock is held."""
        if last is not None and last.given_up:
            return None
        following = None if last is None or last.batch is None else last.batch.end(last)
        return following or self._threads.take()


def _is_alone(bound: BoundHandler, event: Event) -> bool:
    try:
        return bound.alone is not None and bool(bound.alone(event))
    except Exception:  # the handler meets it too, and then it becomes the answer
        return False
