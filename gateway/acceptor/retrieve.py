"""C-GET and C-MOVE (PS3.4 C.4.2, C.4.3).

The sub-operations of a C-GET go out on the same association, so the acceptor performs them and
keeps the counters. Those of a C-MOVE go out from the worker's process, which answers with counters.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gateway.acceptor.find import Streaming, pending_counters
from gateway.acceptor.instance import Unsendable, locate
from gateway.acceptor.outgoing import AssociationEnded
from gateway.datasets.failed_list import encode_failed_list
from gateway.dimse.message import CStoreRQ
from gateway.dimse.status import CANCEL, PENDING, Category, category
from gateway.dimse.suboperations import MOST, Tally
from gateway.errors import LocalProtocolError

if TYPE_CHECKING:
    from gateway.errors import FabricError
    from gateway.fabric import Answer

log = logging.getLogger("gateway.acceptor")


class Get(Streaming):
    """C-GET."""

    _tally: Tally | None = None

    async def _answered(self, answer: Answer) -> bool:
        tally = self._tally
        if tally is None:
            return self._begin(answer)
        if answer.final:
            self._finish(tally, answer)
            return False
        if not self._cancelled:
            try:
                await self._suboperation(tally, answer)
            except (AssociationEnded, TimeoutError):
                self._cancelled = True  # in Sta8 there may still be a final response
                return True
            self._respond(PENDING, tally.elements(with_remaining=True))
            await self._actor.transport.drain()
        elif self._is_unheeded():
            self._end(tally, CANCEL)
            return False
        return True

    def _unanswered(self, error: FabricError) -> None:
        if self._tally is None:
            super()._unanswered(error)
            return
        self._tally.give_up()
        self._end(self._tally, self._failures.of("begun"), {"ErrorComment": str(error)})

    def _begin(self, answer: Answer) -> bool:
        """The number of sub-operations, or a status that ends it before it began."""
        number = answer.payload.get("number")
        if type(number) is int and number >= 0 and not answer.final:
            if number > MOST:
                self._respond(self._failures.of("too_many"))
                return False
            self._tally = Tally(number)
            return True
        self._respond(*self._status(answer.payload))
        return False

    async def _suboperation(self, tally: Tally, answer: Answer) -> None:
        payload, actor = answer.payload, self._actor
        if "failed" in payload:
            log.error("association=%s C-GET sub-operation: %s", actor.id, payload.get("error"))
            tally.count(None, str(payload.get("sop_instance_uid", "")))
            return
        outgoing = actor.outgoing
        try:
            contexts = actor.association.accepted_contexts.values()
            context, instance = await locate(payload, answer.data, contexts)
            sop_class, uid = instance.sop_class_uid, instance.sop_instance_uid
            request = CStoreRQ(outgoing.next_message_id(), sop_class, uid)
            request.encode(has_data_set=True)
        except Unsendable as error:
            log.warning("association=%s C-GET sub-operation: %s", actor.id, error)
            tally.count(None, error.sop_instance_uid)
            return
        except LocalProtocolError as error:  # what the worker gives for UIDs are none
            log.error("association=%s C-GET sub-operation: %s", actor.id, error)  # noqa: TRY400 - no bug here
            tally.count(None, "")
            return
        answered = await outgoing.request(context.id, request, instance.data_set())
        tally.count(answered.response.status, uid)

    def _finish(self, tally: Tally, answer: Answer) -> None:
        status, elements = self._status(answer.payload)
        if self._cancelled and tally.remaining and category(status) is Category.SUCCESS:
            status = CANCEL
        if category(status) is not Category.CANCEL:
            tally.give_up()
        if category(status) is Category.SUCCESS:
            status = tally.status()
        self._end(tally, status, elements, answer.data)

    def _end(
        self,
        tally: Tally,
        status: int,
        elements: dict[str, Any] | None = None,
        data_set: bytes | None = None,
    ) -> None:
        cancelled = category(status) is Category.CANCEL
        counters = tally.elements(with_remaining=cancelled)
        if category(status) is not Category.SUCCESS and data_set is None:
            data_set = encode_failed_list(tally.failed, self._context.transfer_syntax)
        self._respond(status, {**(elements or {}), **counters}, data_set)


class Move(Streaming):
    """C-MOVE, as the worker that performs it reports."""

    _number: int | None = None
    _counters: dict[str, int] | None = None

    async def _answered(self, answer: Answer) -> bool:
        number = answer.payload.get("number")
        if type(number) is int and not answer.final:
            self._number = number
            return True
        status, elements = self._status(answer.payload)
        if answer.final or category(status) is not Category.PENDING:
            self._respond(status, elements, answer.data)
            return False
        self._counters = pending_counters(answer.payload)
        if not self._cancelled:
            self._respond(status, elements)
            await self._actor.transport.drain()
        elif self._is_unheeded():
            self._respond(CANCEL, self._counters)
            return False
        return True

    def _unanswered(self, error: FabricError) -> None:
        if self._number is None:
            super()._unanswered(error)
            return
        tally = Tally(self._number)
        counters = self._counters or {}
        tally.completed = counters.get("NumberOfCompletedSuboperations", 0)
        tally.warnings = counters.get("NumberOfWarningSuboperations", 0)
        tally.give_up()
        elements = tally.elements(with_remaining=False)
        comment = {"ErrorComment": str(error)}
        self._respond(self._failures.of("begun"), {**comment, **elements})
