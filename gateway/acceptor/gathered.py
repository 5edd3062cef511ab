"""Requests whose data set is gathered in memory: the N-services, C-ECHO, and queries."""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gateway.acceptor.answer_status import status_of_whole
from gateway.acceptor.asking import WorkerRequest
from gateway.association.message_counts import command_name
from gateway.dimse.status import PROCESSING_FAILURE, RESOURCE_LIMITATION, has_data_set
from gateway.events import EVT_OPERATION_BEGUN, EVT_OPERATION_ENDED, EXCERPT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.acceptor.asking import ReceivedRequest
    from gateway.acceptor.shares import Holder
    from gateway.fabric import Answer

log = logging.getLogger("gateway.acceptor")


class GatheredRequest(WorkerRequest):
    """A request with its data set, which a worker answers."""

    window = 0
    """Answers that may be under way at once; 0: there is a single answer."""
    told: Mapping[str, Any] = MappingProxyType({})
    """What the worker is told beside the request."""

    def __init__(self, received: ReceivedRequest) -> None:
        super().__init__(received)
        self._data = bytearray()
        self._budget = self.association.shared.budget
        self._too_much = ""
        """The reason why the data set was discarded."""

    @property
    def limit(self) -> int:
        """The longest data set in bytes."""
        return self.association.shared.settings.limits.data_set

    @property
    def holder(self) -> Holder:
        return self.association.holder

    def fragment(self, data: memoryview) -> None:
        if self._too_much:
            return
        if len(self._data) + len(data) > self.limit:
            self._throw_away(f"The data set is longer than {self.limit} bytes")
        elif not self._budget.take(self, len(data)):
            self._throw_away("Too many bytes of requests are in memory")
        else:
            self._data += data

    def give_way(self) -> None:
        self._throw_away("Its memory is needed for other peers")

    def _throw_away(self, why: str) -> None:
        log.warning("association=%s %s: %s", self.engine.name, self.event, why)
        self._too_much = why
        self._let_go()

    def _let_go(self) -> None:
        self._data = bytearray()
        self._budget.give_back(self)

    def discard(self) -> None:
        super().discard()
        self._let_go()

    def perform(self) -> None:
        if self._too_much:
            status = self.failures.unanswered
            status = RESOURCE_LIMITATION if status == PROCESSING_FAILURE else status
            self.finish(status, {"ErrorComment": self._too_much})
            return
        self._budget.complete(self)
        data, self._data = bytes(self._data), bytearray()
        if EVT_OPERATION_BEGUN.name in self.engine.notifications.watched:
            self.engine.notifications.tell(EVT_OPERATION_BEGUN, **self._begun(data))
        self.ask(data or None, window=self.window, **self.told)

    def take_answer(self, answer: Answer) -> None:
        status, elements = status_of_whole(self.event, self.request, answer.payload, self.engine)
        self.finish(status, elements, answer.data if has_data_set(status) else None)

    def finish(
        self, status: int, elements: dict[str, Any] | None = None, data_set: bytes | None = None
    ) -> None:
        self._let_go()
        if EVT_OPERATION_ENDED.name in self.engine.notifications.watched:
            self.engine.notifications.tell(EVT_OPERATION_ENDED, **self._ended(status, elements))
        super().finish(status, elements, data_set)

    # notifications

    def _operation(self) -> dict[str, Any]:
        return {
            "operation": command_name(self.request.command_field),
            "sop_class_uid": self.context.abstract_syntax,
            "parameters": self.request.parameters(),
            "message_id": self.message_id,
        }

    def _begun(self, data: bytes) -> dict[str, Any]:
        return {
            **self._operation(),
            "transfer_syntax_uid": self.context.transfer_syntax,
            "query": data[:EXCERPT],
            "length": len(data),
            "truncated": len(data) > EXCERPT,
        }

    def _ended(self, status: int, elements: dict[str, Any] | None) -> dict[str, Any]:
        told = elements or {}
        return {
            **self._operation(),
            "status": status,
            "completed": told.get("NumberOfCompletedSuboperations", 0),
            "failed": told.get("NumberOfFailedSuboperations", 0),
            "warnings": told.get("NumberOfWarningSuboperations", 0),
        }
