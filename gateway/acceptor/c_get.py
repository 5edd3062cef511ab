"""C-GET (PS3.4 C.4.3): sub-operations go out on the same association.

So the acceptor performs them, one after the other, and keeps the counters. Reading files and
waiting for the peer's C-STORE-RSP is what takes time here: one task works off the worker's answers
while there are any.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from gateway.acceptor.answer_queue import AnswerQueue
from gateway.acceptor.instance import READ_AHEAD, Unsendable, length_of, locate_all
from gateway.acceptor.streamed import StreamedRequest
from gateway.association.errors import AssociationError
from gateway.datasets.failed_list import encode_failed_list
from gateway.dimse.message import CStoreRQ
from gateway.dimse.status import CANCEL, PENDING, SUCCESS
from gateway.dimse.suboperations import COUNTERS, MOST, PendingResponses, SuboperationCounters
from gateway.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.acceptor.asking import ReceivedRequest
    from gateway.acceptor.instance import Located
    from gateway.errors import Unanswered
    from gateway.fabric import Answer

log = logging.getLogger("gateway.acceptor")


AHEAD = 15
"""Answers behind the first one at most whose instances are located with it."""


def _names_file(answer: Answer) -> bool:
    return "failed" not in answer.payload and (
        "path" in answer.payload or "claim" in answer.payload
    )


class GetState(Enum):
    """The progress of a C-GET."""

    ASKED = auto()
    """Expects the number of sub-operations, or a status that ends the operation."""
    SENDING = auto()
    """Expects instances, and a final status."""
    OVER = auto()


class GetRequest(StreamedRequest):
    """One C-GET."""

    def __init__(self, received: ReceivedRequest) -> None:
        super().__init__(received)
        self.state = GetState.ASKED
        self._tally = SuboperationCounters()
        self._pending = PendingResponses(self.request)  # type: ignore[arg-type]
        self._answers = AnswerQueue(self.consumed)
        self._located: deque[Located | Unsendable] = deque()
        """The instances of the next answers."""
        self._work: asyncio.Task[None] | None = None

    def take_answer(self, answer: Answer) -> None:
        self._enqueue(answer)

    def take_failure(self, error: Unanswered) -> None:
        self._enqueue(error)

    def discard(self) -> None:
        super().discard()
        self.state = GetState.OVER
        if self._work is not None:
            self._work.cancel()

    async def answers_performed(self) -> None:
        if self._work is not None:
            await asyncio.wait([self._work])

    def _enqueue(self, answer: Answer | Unanswered) -> None:
        self._answers.put(answer)
        if self._work is None:
            self._work = asyncio.get_running_loop().create_task(
                self._work_off(), name=self.association.id
            )

    async def _work_off(self) -> None:
        try:
            while self._answers and self.state is not GetState.OVER:
                answer = self._answers.take()
                if isinstance(answer, Exception):
                    self._end_unanswered(answer)
                else:
                    await self._one(answer)
        except Exception:
            log.exception("association=%s an operation failed", self.engine.name)
            self.engine.fail()
        finally:
            self._work = None

    async def _one(self, answer: Answer) -> None:
        if self.state is GetState.ASKED:
            self._begin(answer)
        elif answer.final:
            self._end_as_answered(answer)
        elif self.is_cancelled:
            if self.is_unheeded():
                self._end(CANCEL)
            else:
                await self._answers.skip()
                self.consumed()
        else:
            await self._send(answer)

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

    async def _send(self, answer: Answer) -> None:
        """Perform one sub-operation and tell the peer the counters."""
        try:
            status, uid = await self._suboperation(answer)
        except AssociationError:
            self.is_cancelled = True  # in Sta8 there may still be a final response
            return
        await self._answers.skip()
        self._tally.count(status, uid)
        self._tell(answer.payload.get("elements", {}))
        await self.engine.transport.drain()
        self.consumed()

    def _tell(self, elements: Any) -> None:
        """Send the counters in a pending response, with further elements of the handler."""
        counters = self._tally.elements(with_remaining=True)
        if elements == {}:
            command_set = self._pending.encode(*map(counters.__getitem__, COUNTERS))
            self.engine.outbox.send_soon(self.context.id, command_set)
        else:
            _, sound = self.status({"status": PENDING, "elements": elements})
            self.respond(PENDING, {**sound, **counters})

    async def _suboperation(self, answer: Answer) -> tuple[int | None, str]:
        """Send an instance; return the status of its response (None: no response) and its UID."""
        payload, association, engine = answer.payload, self.association, self.engine
        if "failed" in payload:
            log.error(
                "association=%s C-GET sub-operation: %s",
                association.engine.name,
                payload.get("error"),
            )
            return None, str(payload.get("sop_instance_uid", ""))
        try:
            context, instance = await self._locate(answer)
            sop_class, uid = instance.sop_class_uid, instance.sop_instance_uid
            request = CStoreRQ(engine.in_flight.next_message_id(), sop_class, uid)
        except Unsendable as error:
            log.warning("association=%s C-GET sub-operation: %s", association.engine.name, error)
            return None, error.sop_instance_uid
        try:
            data_set = self._answers.pieces(answer) if "more" in payload else instance.data_set()
            operation = await engine.in_flight.invoke(context, request, data_set)
        except OSError as error:
            log.warning("association=%s C-GET sub-operation: %s", association.engine.name, error)
            return None, uid
        except LocalProtocolError as error:  # the worker's answer does not have UIDs
            log.error("association=%s C-GET sub-operation: %s", association.engine.name, error)  # noqa: TRY400 - no bug here
            return None, ""
        return (await operation.final()).status, uid

    async def _locate(self, answer: Answer) -> Located:
        """Return the instance of an answer; those behind it are located in the same go.

        Opening and reading files is for a thread, and a hop to it costs more than a small file.
        """
        if not self._located:
            contexts = self.engine.upper.accepted_contexts.values()
            answers = [answer]
            if "more" not in answer.payload:
                answers += self._ahead(READ_AHEAD - length_of(answer))
            if _names_file(answer):
                found = await asyncio.to_thread(locate_all, answers, contexts)
            else:
                found = locate_all([answer], contexts)
            self._located.extend(found)
        located = self._located.popleft()
        if isinstance(located, Unsendable):
            raise located
        return located

    def _ahead(self, room: int) -> Iterator[Answer]:
        """Yield answers behind the one that is being performed, while their files fit."""
        for answer in self._answers.ahead(AHEAD):
            room -= length_of(answer)
            if room < 0 or not _names_file(answer):
                return
            yield answer

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
