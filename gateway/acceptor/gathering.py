"""Requests whose data set is gathered in memory, and the N-services that answer once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gateway.acceptor.answers import failures_of, status_of
from gateway.dimse.status import (
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
    Category,
    category,
)
from gateway.errors import FabricError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from gateway.acceptor.actor import AssociationActor
    from gateway.dimse.message import Request
    from gateway.events import InterventionEvent
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.acceptor")

LIMIT = 32 * 1024 * 1024
"""Bytes of an identifier or of an N-service's data set."""
TOTAL = 64 * 1024 * 1024
"""Bytes of those that one association has in hand: being received, waiting, asked about."""


class Gathering:
    """A request that is asked of a worker with its data set beside it."""

    def __init__(
        self,
        actor: AssociationActor,
        context: AcceptedContext,
        request: Request,
        event: InterventionEvent,
    ) -> None:
        self.message_id: int | None = request.message_id
        self._actor = actor
        self._context = context
        self._request = request
        self._event = event
        self._failures = failures_of(event)
        self._data = bytearray()
        self._held = 0
        """Bytes that count against the association's total."""
        self._too_much = ""
        """Why the data set was thrown away."""
        self._cancelled = False

    def fragment(self, data: memoryview) -> None:
        if self._too_much:
            return
        messages, size = self._actor.messages, len(data)
        if self._held + size > LIMIT:
            self._throw_away(f"The data set is longer than {LIMIT} bytes")
        elif messages.gathered + size > TOTAL:
            self._throw_away("Too much is waiting on this association")
        else:
            self._data += data
            self._held += size
            messages.gathered += size

    def flush(self) -> None:
        """The bytes were copied as they came."""

    def discard(self) -> None:
        self._data = bytearray()
        self._actor.messages.gathered -= self._held
        self._held = 0

    def _throw_away(self, why: str) -> None:
        log.warning("association=%s %s: %s", self._actor.id, self._event, why)
        self._too_much = why
        self.discard()

    def cancel(self) -> None:
        """The peer sent a C-CANCEL-RQ, or wants to release; sticky."""
        self._cancelled = True

    def start(self) -> Coroutine[None, None, None]:
        return self._guarded()

    async def _guarded(self) -> None:
        if self._too_much:
            status = self._failures.unanswered
            status = RESOURCE_LIMITATION if status == PROCESSING_FAILURE else status
            self._respond(status, {"ErrorComment": self._too_much})
            return
        try:
            await self._perform()
        except FabricError as error:
            log.warning("association=%s %s unanswered: %s", self._actor.id, self._event, error)
            self._unanswered(error)
        finally:
            self.discard()

    async def _perform(self) -> None:
        """Ask, and respond; raises FabricError when there is no answer."""
        answer = await self._actor.house.fabric.ask_once(
            self._event.name, self._payload(), assoc=self._actor.blob(), data=self._taken()
        )
        status, elements = self._status(answer.payload)
        carries = category(status) in (Category.SUCCESS, Category.WARNING)
        self._respond(status, elements, answer.data if carries else None)

    def _unanswered(self, error: FabricError) -> None:
        status = self._failures.unanswered
        self._respond(status, {"ErrorComment": str(error)} if status else None)

    def _payload(self) -> dict[str, Any]:
        return self._actor.describe_request(self._context, self._request)

    def _taken(self) -> bytes | None:
        """The data set, which is not kept any longer; None: there was none, or nothing in it."""
        data, self._data = bytes(self._data), bytearray()
        return data or None

    def _status(self, payload: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return status_of(self._event, self._request, payload, self._actor.id)

    def _respond(
        self, status: int, elements: dict[str, Any] | None = None, data_set: bytes | None = None
    ) -> None:
        response = self._request.response(status, elements)
        self._actor.outgoing.send(self._context.id, response, data_set)
