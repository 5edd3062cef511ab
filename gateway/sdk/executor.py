"""Runs intervention handlers: one thread for each call, one loop for `async def`.

Theory of operation. The fabric gives a member as many requests as it has credit, and there may be
as many threads, so a request never waits for a thread while all handlers keep their deadlines;
threads are made when they are needed. A thread calls the handler; a coroutine or asynchronous
generator that comes back runs on the one loop while the thread waits for it. Results go out through
`send`, which may block a stream until the acceptor wants more.

A handler of batches is called for all that wait, one call at a time. Each of the requests keeps its
own deadline and gets its own answer.

A thread cannot be killed. A handler that is past its deadline is *abandoned*: it is told by
`event.is_cancelled`, a coroutine is cancelled, and its answer no longer counts. Until it returns
its thread is lost; past the deadline and a grace the member counts as *hung*, and whoever calls
`tick` must take no more requests and have the process replaced.
"""

from __future__ import annotations

import inspect
import logging
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.sdk import handler_answers, streams
from gateway.sdk.handler_loop import HandlerLoop
from gateway.sdk.jobs import BatchQueue, HandlerCall, HandlerJob
from gateway.sdk.move.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.fabric import Answer
    from gateway.sdk.bound_handler import BoundHandler
    from gateway.sdk.event import Event

    Send: TypeAlias = Callable[[str, Answer], bool]

__all__ = ["Executor", "HandlerLoop"]

log = logging.getLogger("gateway.sdk")

_PART = 0.25
"""Of a deadline, after which the acceptor is told once more that others are waited for."""


class Executor:
    """The requests in hand and the threads that work on them.

    `send` gives a reply to the fabric: False if nobody waits for it any more. `extend` has the
    acceptor's deadline of a request run anew. `routes` lead to the destinations of C-MOVE.
    """

    def __init__(
        self,
        concurrency: int,
        send: Send,
        *,
        loop: HandlerLoop,
        extend: Callable[[str], None] = lambda _token: None,
        routes: Routes | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._concurrency = concurrency
        self._send = send
        self._extend = extend
        self._routes = routes or Routes()
        self._loop = loop
        self._clock = clock or time.monotonic
        self._jobs: dict[str, HandlerJob] = {}
        self._batches: dict[str, BatchQueue] = {}
        """By event."""
        self._changed = threading.Condition()
        self._holding_back = False
        self._queue: SimpleQueue[HandlerCall | BatchQueue | None] = SimpleQueue()
        self._threads = 0
        self._free = 0
        """Threads that wait, less what waits for them."""
        self._running = False

    def start(self) -> None:
        with self._changed:
            self._running = True
            for _ in range(min(self._concurrency, max(1, -self._free))):
                self._start_thread()

    def stop(self) -> None:
        """Let the threads end once they have nothing to do."""
        with self._changed:
            self._running = False
            for _ in range(self._threads):
                self._queue.put(None)

    def submit(self, token: str, bound: BoundHandler, event: Event, deadline: float) -> None:
        """Take a request in hand; `deadline` is in seconds from now. Never blocks."""
        job = HandlerJob(token, bound, event, self._clock() + deadline)
        with self._changed:
            if self._holding_back and bound.redeliver:
                return
            self._jobs[token] = job
            if not bound.batch:
                self._hand_over(HandlerCall([job]))
                return
            batch = self._batches.setdefault(event.name, BatchQueue())
            batch.waiting.append(job)
            if not batch.is_due:
                batch.is_due = True
                self._hand_over(batch)

    def _hand_over(self, work: HandlerCall | BatchQueue) -> None:
        """Have a thread do it; the lock is held."""
        self._free -= 1
        if self._free < 0 and self._running and self._threads < self._concurrency:
            self._start_thread()
        self._queue.put(work)

    def _start_thread(self) -> None:
        name = f"handler-{self._threads}"
        threading.Thread(target=self._work, name=name, daemon=True).start()
        self._threads += 1
        self._free += 1

    def hold_back(self) -> None:
        """Begin nothing more that may be given to another member once this one is gone."""
        with self._changed:
            self._holding_back = True
            for batch in self._batches.values():
                for job in batch.hold_back():
                    del self._jobs[job.token]
            self._changed.notify_all()

    def cancel(self, token: str, *, unwanted: bool = True) -> None:
        """Stop working on this request; `unwanted`: not even a last answer. Never blocks."""
        with self._changed:
            job = self._jobs.get(token)
        if job is not None:
            job.cancel(unwanted=unwanted)

    @property
    def in_hand(self) -> int:
        with self._changed:
            return len(self._jobs)

    def tick(self) -> bool:
        """Abandon what is past its deadline; True once a handler is past its grace as well."""
        now = self._clock()
        with self._changed:
            waiting = [j for j in self._jobs.values() if j.extended_at is not None]
            late = [(j, j.deadline_at) for j in self._jobs.values() if j.deadline_at is not None]
        for job in waiting:
            self._keep_waiting(job, now)
        for job, deadline_at in late:
            if now >= deadline_at and not job.abandoned:
                log.error(
                    "event=%s handler=%s is past its deadline", job.event.name, job.bound.name
                )
                job.abandon()
        return any(job.abandoned and now >= at + job.grace for job, at in late)

    def give_up_hung(self) -> int:
        """Answer for handlers past their grace, and have other threads take over; how many.

        For a process that cannot be replaced because it is the user's own.
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
            for run in {job.run for job in hung if job.run is not None and not job.run.given_up}:
                self._replace(run)
        for job in hung:
            log.error("event=%s handler=%s hangs: given up", job.event.name, job.bound.name)
            self._send(job.token, handler_answers.TOO_LATE)
        return len(hung)

    def _replace(self, run: HandlerCall) -> None:
        """Another thread takes the place of the one that hangs; the lock is held."""
        run.given_up = True
        self._threads -= 1
        self._start_thread()
        if run.batch is not None:
            self._hand_over(run.batch)

    def drain(self, timeout: float) -> bool:
        """Wait until nothing is in hand but hung handlers; False if that takes too long."""

        def finished() -> bool:
            return all(job.abandoned for job in self._jobs.values())

        with self._changed:
            return self._changed.wait_for(finished, timeout)

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            run = work if isinstance(work, HandlerCall) else self._next(work)
            while run is not None:
                self._perform(run)
                self._put_down(run)
                if run.given_up:
                    return
                run = None if run.batch is None else self._next(run.batch)
            with self._changed:
                self._free += 1

    def _next(self, batch: BatchQueue) -> HandlerCall | None:
        with self._changed:
            return batch.take()

    def _put_down(self, run: HandlerCall) -> None:
        for job in run.jobs:
            try:
                job.event.close()
            except OSError:
                log.exception("event=%s its temporary file stays", job.event.name)
        with self._changed:
            for job in run.jobs:
                self._jobs.pop(job.token, None)
            self._changed.notify_all()

    def _perform(self, run: HandlerCall) -> None:
        wanted = []
        for job in run.jobs:
            if job.unwanted:
                told = handler_answers.failure("raised", "cancelled before it began")
                self._attempt(job, partial(self._reply, job, told))
            else:
                wanted.append(job)
        if wanted and run.batch is not None:
            self._call_batch(run, wanted)
        elif wanted:
            self._attempt(wanted[0], partial(self._call, wanted[0]))

    def _attempt(self, job: HandlerJob, act: Callable[[], object]) -> None:
        """Whatever goes wrong, the thread lives on, and other requests get their answers."""
        try:
            try:
                act()
            except (Exception, SystemExit) as error:
                self._raised(job, error, handler_answers.raised(error))
        except Exception:
            # not the handler's: the fabric's, or the disk's
            log.exception("event=%s could not be answered", job.event.name)

    def _call_batch(self, run: HandlerCall, jobs: list[HandlerJob]) -> None:
        """Call the handler with all of them, and answer each."""
        bound, number = jobs[0].bound, len(jobs)
        try:
            result = self._resolve(run, bound.function([job.event for job in jobs], *bound.args))
            wrong = handler_answers.batch_failure(bound.event, result, number)
        except (Exception, SystemExit) as error:
            what = bound.event.name, bound.name, number
            log.exception("event=%s handler=%s raised for a batch of %d", *what)
            wrong = handler_answers.raised(error)
        for index, job in enumerate(jobs):
            if wrong is not None:
                self._attempt(job, partial(self._reply, job, wrong))
            else:
                self._attempt(job, partial(self._settle, job, result[index]))

    def _settle(self, job: HandlerJob, answer: Any) -> None:
        if isinstance(answer, Exception | SystemExit):
            raise answer
        self._reply(job, handler_answers.answer_to(job.event, answer))

    def _raised(self, job: HandlerJob, error: BaseException, told: Answer) -> None:
        """Whatever a handler raises becomes a status, and the log says where."""
        name, where = job.event.name, job.event.assoc_id
        log.error(
            "event=%s assoc=%s handler=%s raised", name, where, job.bound.name, exc_info=error
        )
        self._reply(job, told)

    def _call(self, job: HandlerJob) -> None:
        result = self._resolve(job.run, job.bound.function(job.event, *job.bound.args))
        if not getattr(job.event.event, "streams", False):
            self._reply(job, handler_answers.answer_to(job.event, result))
        elif (wrong := streams.stream_failure(job.event, result)) is not None:
            self._reply(job, wrong)
        else:
            self._stream(job, result)

    def _stream(self, job: HandlerJob, result: Any) -> None:
        """Send what the handler yields; what it means that it raises depends on how far it is."""
        values = self._drive(job, result) if hasattr(result, "__aiter__") else iter(result)
        convert = streams.converter(job.event, self._routes, partial(self._peer_time, job))
        try:
            self._send_values(job, convert, values)
        except (Exception, SystemExit) as error:
            self._raised(job, error, convert.raised(error))
        finally:
            if (close := getattr(values, "close", None)) is not None:
                close()
            convert.close()

    def _send_values(
        self, job: HandlerJob, convert: streams.StreamAnswers, values: Iterator[Any]
    ) -> None:
        """Send each value until one is final, nobody wants more, or there are no more."""
        for value in values:
            if job.unwanted:
                self._reply(job, handler_answers.UNWANTED)
                return
            told = convert.cancelled(value) if job.event.cancellation.is_set() else convert(value)
            if told is None:
                self._start_anew(job)
            elif not self._reply(job, told) or told.final:
                return
        self._reply(job, convert.end(is_cancelled=job.event.cancellation.is_set()))

    def _drive(self, job: HandlerJob, generator: Any) -> Iterator[Any]:
        """The values of an asynchronous generator, made on the loop."""
        iterator = generator.__aiter__()
        try:
            with suppress(StopAsyncIteration):
                while True:
                    yield self._resolve(job.run, iterator.__anext__())
        finally:
            if hasattr(iterator, "aclose"):
                self._loop.submit(iterator.aclose())

    def _resolve(self, run: HandlerCall | None, result: Any) -> Any:
        if run is None or not inspect.isawaitable(result):
            return result
        run.future = self._loop.submit(result)
        run.cancel_if_unwanted()
        try:
            return run.future.result()
        finally:
            run.future = None

    def _reply(self, job: HandlerJob, told: Answer) -> bool:
        """Send; the deadline rests meanwhile, and starts anew for the next value."""
        if job.abandoned:
            self._send(job.token, handler_answers.TOO_LATE)
            return False
        job.deadline_at = None
        wanted = self._send(job.token, told)
        if not wanted and not told.final:
            self._send(job.token, handler_answers.UNWANTED)
        job.deadline_at = self._clock() + job.bound.deadline
        return wanted

    # Time that is not the handler's

    @contextmanager
    def _peer_time(self, job: HandlerJob) -> Iterator[None]:
        """Others are waited for: the deadline rests, and the acceptor is told so."""
        if job.abandoned:
            yield
            return
        job.deadline_at, job.extended_at = None, self._clock()
        self._extend(job.token)
        try:
            yield
        finally:
            job.extended_at = None
            self._start_anew(job)

    def _start_anew(self, job: HandlerJob) -> None:
        """The handler has given what it had to give: a new deadline, without an answer."""
        self._extend(job.token)
        job.deadline_at = self._clock() + job.bound.deadline

    def _keep_waiting(self, job: HandlerJob, now: float) -> None:
        at = job.extended_at
        if at is not None and now - at >= job.bound.deadline * _PART:
            job.extended_at = now
            self._extend(job.token)
