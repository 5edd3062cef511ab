"""C-GET (PS3.4 C.4.3): sub-operations go out on the same association.

So the acceptor performs them, one after the other, and keeps the counters. The usual one costs no
task: its file was read together with others (module `read_ahead`); it leaves in the turn of the
loop in which the response to the one before arrives (`_go_on`). A task is for what takes time: a
long data set, one that comes in several answers, a peer that reads slowly.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gateway.acceptor.answer_queue import AnswerQueue, ListedInstance, has_more
from gateway.acceptor.instance import Unsendable, locate
from gateway.acceptor.read_ahead import ReadAhead
from gateway.acceptor.streamed import StreamedRequest
from gateway.association.errors import AssociationError
from gateway.datasets.failed_list import encode_failed_list
from gateway.dimse.message import CStoreRQ
from gateway.dimse.status import CANCEL, PENDING, SUCCESS
from gateway.dimse.suboperations import MOST, PendingResponses, SuboperationCounters
from gateway.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from gateway.acceptor.answer_queue import Item
    from gateway.acceptor.asking import ReceivedRequest
    from gateway.acceptor.instance import Sending
    from gateway.association.outbox import DataSource
    from gateway.errors import Unanswered
    from gateway.fabric import Answer
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.acceptor")


EACH = 16
"""Sub-operations of which each is told in a pending response by itself."""
MOMENT = 0.01
"""Seconds for which later ones are told together: pending responses are optional (PS3.4 C.4.3.3),
and a C-GET that is fast has no use for thousands of them."""


class GetState(Enum):
    """The progress of a C-GET."""

    ASKED = auto()
    """Expects the number of sub-operations, or a status that ends the operation."""
    SENDING = auto()
    """Expects instances, and a final status."""
    OVER = auto()


class GetRequest(StreamedRequest):
    """One C-GET."""

    told = MappingProxyType({"lists": True})

    def __init__(self, received: ReceivedRequest) -> None:
        super().__init__(received)
        self.state = GetState.ASKED
        self._tally = SuboperationCounters()
        self._pending = PendingResponses(self.request)  # type: ignore[arg-type]
        self._answers = AnswerQueue(self.consumed)
        self._ahead = ReadAhead(self._answers, self._contexts, self._resume, self._fail)
        self._in_flight: tuple[Item, str] | None = None
        """The answer, and the SOP Instance UID, of the sub-operation that is performed."""
        self._told, self._told_at = 0, 0.0
        """How many pending responses told counters, and when the last one did."""
        self._is_waiting = False
        """Whether the next answer has to wait: for a response, files, or the task."""
        self._work: asyncio.Task[None] | None = None
        self._rested: asyncio.Future[None] | None = None

    def take_answer(self, answer: Answer) -> None:
        self._answers.put(answer)
        self._go_on()

    def take_failure(self, error: Unanswered) -> None:
        self._answers.put(error)
        self._go_on()

    def discard(self) -> None:
        super().discard()
        self.state = GetState.OVER
        self._ahead.close()
        if self._work is not None:
            self._work.cancel()
        self._is_waiting = False
        self._rest()

    async def answers_performed(self) -> None:
        if self._is_waiting:
            self._rested = self._rested or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._rested)

    def _rest(self) -> None:
        """Let `answers_performed` return."""
        if self._rested is not None and not self._rested.done():
            self._rested.set_result(None)
        self._rested = None

    def _go_on(self) -> None:
        """Work off answers in this turn of the loop, up to one that has to wait."""
        if self._is_waiting:
            return
        try:
            while self._answers and not self._is_waiting and self.state is not GetState.OVER:
                self._next(self._answers.first)
        except Exception:  # a bug: it ends this association, not the acceptor
            self._fail()
        if not self._is_waiting:
            self._rest()

    def _fail(self) -> None:
        """End the association after an exception, which is logged."""
        log.exception("association=%s an operation failed", self.engine.name)
        self.engine.fail()

    def _resume(self) -> None:
        """Go on after a wait."""
        self._is_waiting = False
        self._go_on()

    def _wait_for(self, work: Coroutine[Any, Any, None]) -> None:
        """Go on when this is done."""
        self._is_waiting = True
        loop = asyncio.get_running_loop()
        self._work = loop.create_task(self._until_done(work), name=self.association.id)

    async def _until_done(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:  # the same: nobody awaits this task
            self._fail()
        finally:
            self._work = None
        self._resume()

    def _next(self, answer: Item | Unanswered) -> None:
        """Take the next answer, or wait for what it needs."""
        if isinstance(answer, ListedInstance):
            self._next_listed(answer)
        elif isinstance(answer, Exception):
            self._answers.take()
            self._end_unanswered(answer)
        elif self.state is GetState.ASKED:
            self._answers.take()
            self._begin(answer)
        elif answer.final:
            self._answers.take()
            self._end_as_answered(answer)
        elif self.is_cancelled:
            self._answers.take()
            self._pass_over()
        elif "failed" in answer.payload:
            self._answers.take()
            error = answer.payload.get("error")
            log.error("association=%s C-GET sub-operation: %s", self.engine.name, error)
            self._count(answer, None, str(answer.payload.get("sop_instance_uid", "")))
        elif has_more(answer):
            self._answers.take()
            self._wait_for(self._send_in_pieces(answer))
        else:
            self._send_located(answer)

    def _next_listed(self, item: ListedInstance) -> None:
        """Send an instance of a list, unless it comes after a C-CANCEL or before the number."""
        if self.state is GetState.ASKED:
            self._answers.take()
            self._over(*self.status({}))
        elif not self.is_cancelled:
            self._send_located(item)
        else:
            self._answers.take()
            if item.is_last:
                self._pass_over()

    def _pass_over(self) -> None:
        """Send no instance for an answer that comes after a C-CANCEL."""
        if self.is_unheeded():
            self._end(CANCEL)
        elif self._answers.has_more:
            self._wait_for(self._skip())
        else:
            self.consumed()

    async def _skip(self) -> None:
        await self._answers.skip()
        self.consumed()

    def _begin(self, answer: Answer) -> None:
        """Take the number of sub-operations, or a status that ends it before it began."""
        number = answer.payload.get("number")
        if type(number) is int and number >= 0 and not answer.final:
            if number > MOST:
                self._over(self.failures.of("too_many"))
                return
            self.state, self._tally = GetState.SENDING, SuboperationCounters(number)
            self.consumed()
            return
        self._over(*self.status(answer.payload))

    # sub-operations

    def _send_located(self, item: Item) -> None:
        """Send the instance of the next answer, or wait until it is located."""
        sending = self._ahead.next()
        if sending is None:
            self._is_waiting = True
        else:
            self._answers.take()
            self._send(item, sending)

    def _send(self, item: Item, sending: Sending | Unsendable) -> None:
        """Perform a sub-operation, and go on when it is answered."""
        try:
            if isinstance(sending, Unsendable):
                raise sending
            context, sop_class, uid, data_set = sending
            in_flight = self.engine.in_flight
            request = CStoreRQ(in_flight.next_message_id(), sop_class, uid)
            if isinstance(data_set, bytes | bytearray):
                self._is_waiting, self._in_flight = True, (item, uid)
                if in_flight.invoke_now(context, request, data_set, self._answered):
                    return
            self._wait_for(self._perform(item, context, request, data_set))
        except (Unsendable, LocalProtocolError) as error:
            self._is_waiting = False
            self._not_sent(item, error)

    def _answered(self, status: int | AssociationError) -> None:
        """Count the sub-operation in flight, and go on."""
        if self.state is GetState.OVER or self._in_flight is None:
            return
        if isinstance(status, AssociationError):
            self.is_cancelled = True
        else:
            self._count(self._in_flight[0], status, self._in_flight[1])
        if self.engine.transport.is_writable:
            self._resume()
        else:
            self._wait_for(self.engine.transport.drain())

    def _not_sent(
        self, item: Item, error: Unsendable | LocalProtocolError | OSError, uid: str = ""
    ) -> None:
        """Count a sub-operation that cannot be performed as failed."""
        is_ours = isinstance(error, LocalProtocolError)  # the worker's answer does not have UIDs
        level = logging.ERROR if is_ours else logging.WARNING
        log.log(level, "association=%s C-GET sub-operation: %s", self.engine.name, error)
        if isinstance(error, Unsendable):
            uid = error.sop_instance_uid
        self._count(item, None, uid)

    def _count(self, item: Item, status: int | None, uid: str) -> None:
        """Count a sub-operation, and tell the peer the counters."""
        self._tally.count(status, uid)
        if isinstance(item, ListedInstance):
            self._tell_some()
            if item.is_last:
                self.consumed()
        else:
            self._tell(item.payload.get("elements", {}))
            self.consumed()

    async def _send_in_pieces(self, answer: Answer) -> None:
        """Perform a sub-operation with a data set that comes in several answers."""
        try:
            context, instance = locate(answer.payload, answer.data, self._contexts())
            uids = instance.sop_class_uid, instance.sop_instance_uid
            request = CStoreRQ(self.engine.in_flight.next_message_id(), *uids)
            await self._perform(answer, context, request, self._answers.pieces(answer))
        except (Unsendable, LocalProtocolError) as error:
            self._not_sent(answer, error)
        await self._answers.skip()

    async def _perform(
        self, item: Item, context: AcceptedContext, request: CStoreRQ, data_set: DataSource
    ) -> None:
        """Perform a sub-operation that takes more than one turn of the loop."""
        uid = request.affected_sop_instance_uid
        try:
            operation = await self.engine.in_flight.invoke(context, request, data_set)
            status = (await operation.final()).status
        except LocalProtocolError as error:
            self._not_sent(item, error)
        except OSError as error:
            self._not_sent(item, error, uid)
        except AssociationError:
            self.is_cancelled = True  # in Sta8 there may still be a final response
            return
        else:
            self._count(item, status, uid)
        await self.engine.transport.drain()

    def _tell(self, elements: Any) -> None:
        """Send the counters in a pending response, with further elements of the handler."""
        if elements == {}:
            self._tell_some()
        else:
            _, sound = self.status({"status": PENDING, "elements": elements})
            self.respond(PENDING, {**sound, **self._tally.elements(with_remaining=True)})

    def _tell_some(self) -> None:
        """Send the counters in a pending response, unless that was done a moment ago."""
        now = self.engine.transport.last_received
        if self._told < EACH or now - self._told_at >= MOMENT:
            self._told, self._told_at = self._told + 1, now
            self.engine.outbox.send_soon(self.context.id, self._pending.of(self._tally))

    def _contexts(self) -> Mapping[int, AcceptedContext]:
        return self.engine.upper.accepted_contexts

    def _end_as_answered(self, answer: Answer) -> None:
        tally = self._tally
        status, elements = self.status(answer.payload)
        if self.is_cancelled and tally.remaining and status == SUCCESS:
            status = CANCEL
        self._end(tally.conclude(status), elements, answer.data)

    def _end_unanswered(self, error: Unanswered) -> None:
        if self.state is GetState.ASKED:
            self.state = GetState.OVER
            super().take_failure(error)
            return
        self._tally.give_up()
        self._end(self.failures.of("begun"), {"ErrorComment": str(error)})

    def _end(
        self, status: int, elements: dict[str, Any] | None = None, data_set: bytes | None = None
    ) -> None:
        counters = self._tally.elements(with_remaining=status == CANCEL)
        if status != SUCCESS and data_set is None:
            data_set = encode_failed_list(self._tally.failed, self.context.transfer_syntax)
        self._over(status, {**(elements or {}), **counters}, data_set)

    def _over(
        self, status: int, elements: dict[str, Any] | None = None, data_set: bytes | None = None
    ) -> None:
        self.state = GetState.OVER
        self.finish(status, elements, data_set)
