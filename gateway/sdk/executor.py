"""Runs intervention handlers: one thread for each request in hand, one loop for `async def`.

Theory of operation. The fabric gives a member as many requests as it has credit, and there are as
many threads, so a request never waits for a thread while all handlers keep their deadlines. A
thread calls the handler; a coroutine or asynchronous generator that comes back runs on the one
loop while the thread waits for it. Results go out through `send`, which may block a stream until
the acceptor wants more.

A thread cannot be killed. A handler that is past its deadline is *abandoned*: it is told by
`event.is_cancelled`, a coroutine is cancelled, and its answer no longer counts. Until it returns
its thread is lost; past the deadline and a grace the member counts as *hung*, and whoever calls
`tick` must take no more requests and have the process replaced.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.sdk import answers, streams
from gateway.sdk.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from concurrent.futures import Future

    from gateway.sdk.answers import Reply
    from gateway.sdk.event import Event
    from gateway.sdk.handlers import BoundHandler

    Send: TypeAlias = Callable[[str, Reply], bool]

log = logging.getLogger("gateway.sdk")

GRACE = 5.0
"""Seconds past its deadline after which a handler counts as hung; never more than the deadline."""
_PART = 0.25
"""Of a deadline, after which the acceptor is told once more that others are waited for."""


class Job:
    """One request in hand."""

    def __init__(self, token: str, bound: BoundHandler, event: Event, deadline_at: float) -> None:
        self.token = token
        self.bound = bound
        self.event = event
        self.deadline_at: float | None = deadline_at
        """None while it is not the handler that we wait for."""
        self.extended_at: float | None = None
        """When the acceptor was last told that others are waited for; None: they are not."""
        self.abandoned = False
        self.given_up = False
        """Another thread has taken the place of the one that hangs in it."""
        self.unwanted = False
        """Nobody awaits an answer any more."""
        self.cancelled = event.cancellation
        self.future: Future[Any] | None = None
        """What its coroutine runs as, at the moment."""

    @property
    def grace(self) -> float:
        return min(GRACE, self.bound.deadline)

    def cancel(self, *, unwanted: bool) -> None:
        """Tell the handler, by `event.is_cancelled`."""
        self.unwanted = self.unwanted or unwanted
        self.cancelled.set()

    def abandon(self) -> None:
        self.abandoned = True
        self.cancel(unwanted=True)
        if (future := self.future) is not None:
            future.cancel()


class Loop:
    """An event loop in a thread of its own, made when the first coroutine needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, awaitable: Awaitable[Any]) -> Future[Any]:
        async def wait() -> Any:
            try:
                return await awaitable
            except SystemExit as error:  # would end the loop, and with it all other handlers
                raise RuntimeError(f"a handler must not exit: {error}") from error

        return asyncio.run_coroutine_threadsafe(wait(), self._running())

    def stop(self) -> None:
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._loop = None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=_run_loop, args=(self._loop,), name="handlers-async", daemon=True
                ).start()
            return self._loop


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


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
        loop: Loop,
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
        self._jobs: dict[str, Job] = {}
        self._changed = threading.Condition()
        self._holding_back = False
        self._queue: SimpleQueue[Job | None] = SimpleQueue()

    def start(self) -> None:
        for number in range(self._concurrency):
            threading.Thread(target=self._work, name=f"handler-{number}", daemon=True).start()

    def stop(self) -> None:
        """Let the threads end once they have nothing to do."""
        for _ in range(self._concurrency):
            self._queue.put(None)

    def submit(self, token: str, bound: BoundHandler, event: Event, deadline: float) -> None:
        """Take a request in hand; `deadline` is in seconds from now. Never blocks."""
        job = Job(token, bound, event, self._clock() + deadline)
        with self._changed:
            if self._holding_back and bound.redeliver:
                return
            self._jobs[token] = job
        self._queue.put(job)

    def hold_back(self) -> None:
        """Begin nothing more that may be given to another member once this one is gone."""
        with self._changed:
            self._holding_back = True

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
        for job in hung:
            log.error("event=%s handler=%s hangs: given up", job.event.name, job.bound.name)
            self._send(job.token, answers.TOO_LATE)
            threading.Thread(target=self._work, name="handler-more", daemon=True).start()
        return len(hung)

    def drain(self, timeout: float) -> bool:
        """Wait until nothing is in hand but hung handlers; False if that takes too long."""

        def finished() -> bool:
            return all(job.abandoned for job in self._jobs.values())

        with self._changed:
            return self._changed.wait_for(finished, timeout)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            try:
                self._perform(job)
                job.event.close()
            except Exception:
                # not the handler's: the fabric's, or the disk's; the thread must live on
                log.exception("event=%s could not be answered", job.event.name)
            with self._changed:
                self._jobs.pop(job.token, None)
                self._changed.notify_all()
            if job.given_up:
                return

    def _perform(self, job: Job) -> None:
        if job.unwanted:
            self._reply(job, answers.failure("raised", "cancelled before it began"))
            return
        try:
            self._call(job)
        except (Exception, SystemExit) as error:
            self._raised(job, error, answers.raised(error))

    def _raised(self, job: Job, error: BaseException, told: Reply) -> None:
        """Whatever a handler raises becomes a status, and the log says where."""
        name, where = job.event.name, job.event.assoc_id
        log.error(
            "event=%s assoc=%s handler=%s raised", name, where, job.bound.name, exc_info=error
        )
        self._reply(job, told)

    def _call(self, job: Job) -> None:
        result = self._resolve(job, job.bound.function(job.event, *job.bound.args))
        if not getattr(job.event.event, "streams", False):
            self._reply(job, answers.reply(job.event, result))
        elif (wrong := streams.refused(job.event, result)) is not None:
            self._reply(job, wrong)
        else:
            self._stream(job, result)

    def _stream(self, job: Job, result: Any) -> None:
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

    def _send_values(self, job: Job, convert: streams.Finding, values: Iterator[Any]) -> None:
        """Send each value until one is final, nobody wants more, or there are no more."""
        for value in values:
            if job.unwanted:
                self._reply(job, answers.PUT_DOWN)
                return
            told = convert.cancelled(value) if job.cancelled.is_set() else convert(value)
            if told is None:
                self._start_anew(job)
            elif not self._reply(job, told) or told.final:
                return
        self._reply(job, convert.end(is_cancelled=job.cancelled.is_set()))

    def _drive(self, job: Job, generator: Any) -> Iterator[Any]:
        """The values of an asynchronous generator, made on the loop."""
        iterator = generator.__aiter__()
        try:
            with suppress(StopAsyncIteration):
                while True:
                    yield self._resolve(job, iterator.__anext__())
        finally:
            if hasattr(iterator, "aclose"):
                self._loop.submit(iterator.aclose())

    def _resolve(self, job: Job, result: Any) -> Any:
        if not inspect.isawaitable(result):
            return result
        job.future = self._loop.submit(result)
        if job.abandoned:
            job.future.cancel()
        try:
            return job.future.result()
        finally:
            job.future = None

    def _reply(self, job: Job, told: Reply) -> bool:
        """Send; the deadline rests meanwhile, and starts anew for the next value."""
        if job.abandoned:
            self._send(job.token, answers.TOO_LATE)
            return False
        job.deadline_at = None
        wanted = self._send(job.token, told)
        if not wanted and not told.final:
            self._send(job.token, answers.PUT_DOWN)
        job.deadline_at = self._clock() + job.bound.deadline
        return wanted

    # Time that is not the handler's

    @contextmanager
    def _peer_time(self, job: Job) -> Iterator[None]:
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

    def _start_anew(self, job: Job) -> None:
        """The handler has given what it had to give: a new deadline, without an answer."""
        self._extend(job.token)
        job.deadline_at = self._clock() + job.bound.deadline

    def _keep_waiting(self, job: Job, now: float) -> None:
        at = job.extended_at
        if at is not None and now - at >= job.bound.deadline * _PART:
            job.extended_at = now
            self._extend(job.token)
