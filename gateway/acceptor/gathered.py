"""Requests whose data set is gathered in memory: the N-services, C-ECHO, and queries."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gateway.acceptor.asking import WorkerRequest
from gateway.dimse.status import PROCESSING_FAILURE, RESOURCE_LIMITATION, has_data_set

if TYPE_CHECKING:
    from gateway.acceptor.asking import ReceivedRequest
    from gateway.fabric import Answer

log = logging.getLogger("gateway.acceptor")

LIMIT = 32 * 1024 * 1024
"""Bytes of an identifier or of an N-service's data set."""
TOTAL = 64 * 1024 * 1024
"""Bytes of all such data sets of one association: being received, waiting or with a worker."""


class GatheredRequest(WorkerRequest):
    """A request with its data set, which a worker answers."""

    window = 0
    """Answers that may be under way at once; 0: there is a single answer."""

    def __init__(self, received: ReceivedRequest) -> None:
        super().__init__(received)
        self._data = bytearray()
        self._held = 0
        """Bytes that count against the association's total."""
        self._too_much = ""
        """The reason why the data set was discarded."""

    def fragment(self, data: memoryview) -> None:
        if self._too_much:
            return
        inbox, size = self.engine.inbox, len(data)
        if self._held + size > LIMIT:
            self._throw_away(f"The data set is longer than {LIMIT} bytes")
        elif inbox.gathered + size > TOTAL:
            self._throw_away("Too much is waiting on this association")
        else:
            self._data += data
            self._held += size
            inbox.gathered += size

    def _throw_away(self, why: str) -> None:
        log.warning("association=%s %s: %s", self.association.id, self.event, why)
        self._too_much = why
        self._let_go()

    def _let_go(self) -> None:
        self._data = bytearray()
        self.engine.inbox.gathered -= self._held
        self._held = 0

    def discard(self) -> None:
        super().discard()
        self._let_go()

    def perform(self) -> None:
        if self._too_much:
            status = self.failures.unanswered
            status = RESOURCE_LIMITATION if status == PROCESSING_FAILURE else status
            self.finish(status, {"ErrorComment": self._too_much})
            return
        data, self._data = bytes(self._data), bytearray()
        self.ask(data or None, window=self.window)

    def take_answer(self, answer: Answer) -> None:
        status, elements = self.status(answer.payload)
        self.finish(status, elements, answer.data if has_data_set(status) else None)

    def finish(
        self, status: int, elements: dict[str, Any] | None = None, data_set: bytes | None = None
    ) -> None:
        self._let_go()
        super().finish(status, elements, data_set)
