"""The calls of handlers, in the caller's thread, and the sending of their answers.

Whatever a handler returns, yields or raises becomes an answer here, so that the thread lives on and
no other request notices. Coroutines run on the one loop while the thread waits for them.
"""

from __future__ import annotations

import inspect
import logging
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from types import GeneratorType
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.dimse.status import SUCCESS
from gateway.events import StatusEvent
from gateway.sdk import streams
from gateway.sdk.handler_answers import (
    SUCCEEDED,
    TOO_LATE,
    UNWANTED,
    answer_to,
    batch_failure,
    failure,
    raised,
)
from gateway.sdk.handler_errors import log_raised
from gateway.sdk.handler_order import answering

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from gateway.fabric import Answer
    from gateway.sdk.handler_loop import HandlerLoop
    from gateway.sdk.jobs import HandlerCall, HandlerJob
    from gateway.sdk.move.routes import Routes

    Send: TypeAlias = Callable[[str, Answer], bool]
    SendStream: TypeAlias = Callable[[str, Sequence[Answer]], bool]
    Offer: TypeAlias = Callable[[str, Sequence[Answer]], int]
    SendMany: TypeAlias = Callable[[list[tuple[str, Answer]]], None]

log = logging.getLogger("gateway.sdk")

TOGETHER = 32
"""Answers that leave in one message at most."""
TOGETHER_BYTES = 256 * 1024
"""Bytes of data sets after which no further answer is added to a message."""
_NEGLIGIBLE = 0.01
"""The part of a deadline by which the acceptor's may end before the one here."""
_PART = 0.25
"""The part of a deadline after which the acceptor is told again that a handler waits."""


class HandlerCaller:
    """Performs calls; any number of threads may use it.

    `send` gives an answer to the fabric, and returns False if nobody waits for it any more.
    `send_many` gives it the final answers to several requests at once, all of them or none: it
    raises FabricError for what cannot be encoded. `send_stream` gives it several answers to one
    request, none of them final, and returns as `send` does. `offer` does that without a wait for
    credit, and returns how many there was credit for. `extend` restarts the acceptor's
    deadline of a request. `take_turn` lets the next call of a batch handler begin and waits until
    the one before has ended; it returns False for a call that is given up meanwhile.
    """

    def __init__(  # noqa: PLR0913 - the ways out of a worker
        self,
        send: Send,
        send_many: SendMany | None,
        extend: Callable[[str], None],
        *,
        send_stream: SendStream | None = None,
        offer: Offer | None = None,
        routes: Routes,
        loop: HandlerLoop,
        clock: Callable[[], float],
        take_turn: Callable[[HandlerCall], bool] = lambda _call: True,
    ) -> None:
        self._take_turn = take_turn
        self._send = send
        self._send_many = send_many
        self._send_stream = send_stream or self._one_by_one
        self._offer = offer or self._offer_all
        self._extend = extend
        self._routes = routes
        self._loop = loop
        self._clock = clock
        self.failures = 0
        """How often a handler raised."""
        self.last_exception = ""
        """The last time, without the exception's text, which may be a patient's data."""

    def perform(self, call: HandlerCall) -> Answer | None:
        """Call the handler, and answer each request of the call.

        Returns the answer instead if there is one request and it has one answer, which the caller
        sends by `answer_many`: its deadline is stopped.
        """
        wanted = []
        for job in call.jobs:
            if job.unwanted:
                self._try_to_answer(job, failure("raised", "cancelled before it began"))
            else:
                wanted.append(job)
        if wanted and call.batch is not None:
            self._call_batch(call, wanted)
        elif wanted:
            return self._call(wanted[0])
        return None

    def answer(self, job: HandlerJob, answer: Answer) -> bool:
        """Send an answer; the deadline is stopped meanwhile, and restarted for the next value."""
        if job.abandoned:
            self._send(job.token, TOO_LATE)
            return False
        job.deadline_at = None
        wanted = self._send(job.token, answer)
        if answer.final:
            return wanted
        job.told_at = self._clock()
        if not wanted:
            self._send(job.token, UNWANTED)
        job.deadline_at = self._clock() + job.bound.deadline
        return wanted

    def _answer_together(self, job: HandlerJob, answers: list[Answer]) -> bool:
        """Send answers, of which none is final, as `answer` sends one."""
        if len(answers) == 1 or job.abandoned:
            return self.answer(job, answers[0])
        job.deadline_at = None
        wanted = self._send_stream(job.token, answers)
        job.told_at = self._clock()
        if not wanted:
            self._send(job.token, UNWANTED)
        job.deadline_at = self._clock() + job.bound.deadline
        return wanted

    def _offer_for(self, job: HandlerJob, answers: Sequence[Answer]) -> int:
        """Send answers that are not final, as far as there is credit; return how many."""
        if job.abandoned or job.unwanted:
            return 0
        job.told_at = self._clock()
        return self._offer(job.token, answers)

    def _one_by_one(self, token: str, answers: Sequence[Answer]) -> bool:
        return all(self._send(token, answer) for answer in answers)

    def _offer_all(self, token: str, answers: Sequence[Answer]) -> int:
        return len([self._send(token, answer) for answer in answers])

    # Batches

    def _call_batch(self, call: HandlerCall, jobs: list[HandlerJob]) -> None:
        """Call the handler with all events of a batch, and answer each."""
        bound, number = jobs[0].bound, len(jobs)
        returned: Any = None
        try:
            returned = bound.function([job.event for job in jobs], *bound.args)
            if isinstance(returned, GeneratorType):
                returned = self._in_two_parts(call, returned)
            else:
                returned = self._resolve(call, returned)
            wrong = batch_failure(bound.event, returned, number)
        except BaseException as error:  # a handler may raise anything: it becomes the answer
            log_raised(error, bound.event.name, bound.name, f" for a batch of {number}")
            wrong = raised(error)
        if wrong is not None:
            self.answer_many([(job, wrong) for job in jobs])
        else:
            pairs = zip(jobs, returned, strict=True)
            self.answer_many([(job, self._answer_in_batch(job, one)) for job, one in pairs])

    def _in_two_parts(self, call: HandlerCall, handling: Generator[Any, None, Any]) -> Any:
        """Return what a generator returns; what follows its `yield` runs in the order of calls."""
        try:
            next(handling)
            if not self._take_turn(call):
                raise TimeoutError("a call before this one hangs")
            next(handling)
            raise TypeError("the handler of a batch yields once at most")
        except StopIteration as end:
            return end.value
        finally:
            handling.close()

    def _answer_in_batch(self, job: HandlerJob, returned: Any) -> Answer:
        if type(returned) is int and returned == SUCCESS and type(job.event.event) is StatusEvent:
            return SUCCEEDED  # mostly
        try:
            if isinstance(returned, BaseException):
                raise returned
            return answer_to(job.event, returned)
        except BaseException as error:  # what the handler returned may raise anything
            return self._raised(job, error)

    def answer_many(self, answers: list[tuple[HandlerJob, Answer]]) -> None:
        """Send the final answers to several requests, or a failure for one that cannot be sent."""
        if self._send_many is not None and len(answers) > 1:
            try:
                self._send_many(
                    [(job.token, TOO_LATE if job.abandoned else answer) for job, answer in answers]
                )
            except Exception:  # each is answered alone below, where its error is told
                log.debug("a batch of answers cannot be sent at once", exc_info=True)
            else:
                return
        for job, answer in answers:
            self._try_to_answer(job, answer)

    # One by one

    def _call(self, job: HandlerJob) -> Answer | None:
        """Return the answer that is to be sent, or None: all are sent."""
        try:
            returned = self._resolve(job.call, job.bound.function(job.event, *job.bound.args))
            if not getattr(job.event.event, "streams", False):
                answer = answer_to(job.event, returned)
            elif (wrong := streams.stream_failure(job.event, returned)) is not None:
                answer = wrong
            else:
                self._stream(job, returned)
                return None
        except BaseException as error:  # a handler may raise anything: it becomes the answer
            answer = self._raised(job, error)
        if job.abandoned:
            self._try_to_answer(job, answer)
            return None
        job.deadline_at = None
        return answer

    def _stream(self, job: HandlerJob, returned: Any) -> None:
        """Send what the handler yields; an exception's meaning depends on the values so far."""
        values = self._drive(job, returned) if hasattr(returned, "__aiter__") else iter(returned)
        times, offer = partial(self.peer_time, job), partial(self._offer_for, job)
        convert = streams.converter(job.event, self._routes, times, offer)
        try:
            with answering(partial(self._settle, job, convert)):
                self._send_values(job, convert, values)
        except BaseException as error:  # a generator may raise anything: it becomes the answer
            self._raised(job, error)
            self._try_to_answer(job, convert.raised(error))
        finally:
            if (close := getattr(values, "close", None)) is not None:
                close()
            convert.close()

    def _send_values(
        self, job: HandlerJob, convert: streams.StreamAnswers, values: Iterator[Any]
    ) -> None:
        """Send values until one is final, nobody wants another, or the handler has ended."""
        for value in values:
            if job.unwanted:
                self.answer(job, UNWANTED)
                return
            is_cancelled = job.event.cancellation.is_set()
            answer = convert.cancelled(value) if is_cancelled else convert(value)
            if answer is None:
                self._start_anew(job)
            elif not self._answer_whole(job, answer, convert.rest()):
                return
        self.answer(job, convert.end(is_cancelled=job.event.cancellation.is_set()))

    def _settle(self, job: HandlerJob, convert: streams.StreamAnswers) -> str:
        """Send what the values so far led to; return the token of the request."""
        if (answer := convert.settle()) is not None:
            self.answer(job, answer)
        return job.token

    def _answer_whole(self, job: HandlerJob, answer: Answer, rest: Iterable[Answer]) -> bool:
        """Send an answer and those that belong to it; return whether others may follow."""
        for together in _gathered(chain((answer,), rest)):
            if not self._answer_together(job, together) or together[-1].final:
                return False
            if job.unwanted:
                break
        return True

    def _drive(self, job: HandlerJob, generator: Any) -> Iterator[Any]:
        """Yield the values of an asynchronous generator, which runs on the loop."""
        iterator = generator.__aiter__()
        try:
            with suppress(StopAsyncIteration):
                while True:
                    yield self._resolve(job.call, iterator.__anext__())
        finally:
            if hasattr(iterator, "aclose"):
                self._loop.submit(iterator.aclose())

    def _resolve(self, call: HandlerCall | None, returned: Any) -> Any:
        """Return what the handler returned; a coroutine first runs on the loop."""
        if call is None or not inspect.isawaitable(returned):
            return returned
        call.future = self._loop.submit(returned)
        call.cancel_if_unwanted()
        try:
            return call.future.result()
        finally:
            call.future = None

    # Errors

    def _raised(self, job: HandlerJob, error: BaseException) -> Answer:
        """Return the answer for a handler that raised, and log it."""
        self.failures += 1
        self.last_exception = f"{type(error).__name__} in {job.event.name} ({job.bound.name})"
        where = job.event.assoc_name
        log_raised(error, job.event.name, job.bound.name, association=where)
        return raised(error)

    def _try_to_answer(self, job: HandlerJob, answer: Answer) -> None:
        """Send the final answer, or a failure in its place if it cannot be sent."""
        try:
            try:
                self.answer(job, answer)
            except Exception as error:  # what cannot be sent becomes a failure that can
                self.answer(job, self._raised(job, error))
        except Exception:
            # not the handler's: the fabric's, or the disk's
            log.exception("event=%s could not be answered", job.event.name)

    # Waits for third parties

    def keep_waiting(self, job: HandlerJob, now: float) -> None:
        """Tell the acceptor from time to time that the handler is waiting for a third party."""
        at = job.extended_at
        if at is not None and now - at >= job.bound.deadline * _PART:
            job.extended_at = job.told_at = now
            self._extend(job.token)

    @contextmanager
    def peer_time(self, job: HandlerJob) -> Iterator[None]:
        """Stop the deadline while the handler is waiting for a third party; tell the acceptor."""
        if job.abandoned:
            yield
            return
        job.deadline_at = None
        self._say_that_it_waits(job)
        job.extended_at = job.told_at
        try:
            yield
        finally:
            job.extended_at = None
            self._start_anew(job)

    def _start_anew(self, job: HandlerJob) -> None:
        """Restart the deadline, although the handler has not given an answer."""
        self._say_that_it_waits(job)
        job.deadline_at = self._clock() + job.bound.deadline

    def _say_that_it_waits(self, job: HandlerJob) -> None:
        """Have the acceptor restart its deadline, unless it has just done so."""
        now = self._clock()
        if now - job.told_at >= job.bound.deadline * _NEGLIGIBLE:
            job.told_at = now
            self._extend(job.token)


def _gathered(answers: Iterable[Answer]) -> Iterator[list[Answer]]:
    """Yield answers in the groups that leave together; a final one is alone, and the last."""
    group: list[Answer] = []
    size = 0
    for answer in answers:
        if answer.final:
            if group:
                yield group
            yield [answer]
            return
        group.append(answer)
        size += len(answer.data or b"")
        if len(group) == TOGETHER or size >= TOGETHER_BYTES or answer.payload.get("more"):
            yield group
            group, size = [], 0
    if group:
        yield group
