"""C-FIND (PS3.4 C.4.1): each answer of the worker becomes a response at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.acceptor.streamed import StreamedRequest
from gateway.dimse.status import CANCEL, is_pending

if TYPE_CHECKING:
    from typing import Any

    from gateway.acceptor.asking import ReceivedRequest
    from gateway.fabric import Answer


class FindRequest(StreamedRequest):
    """One C-FIND."""

    def __init__(self, received: ReceivedRequest) -> None:
        super().__init__(received)
        self._pending: dict[int, bytes] = {}
        """The command sets of pending responses without further elements, by their status."""

    def take_answer(self, answer: Answer) -> None:
        if answer.data is not None and not answer.final and not self.is_cancelled:
            command_set = self._known(answer.payload)
            if command_set is not None:
                self.engine.outbox.send_soon(self.context.id, command_set, answer.data)
                self.consumed()
                return
        status, elements = self.status(answer.payload)
        if self.is_last(answer, status):
            self.finish(status, elements)
        elif is_pending(status) and answer.data is None:
            self.finish(self.failures.of("encoding"), {"ErrorComment": "A match without data"})
        elif not self.is_cancelled:
            self.respond(status, elements, answer.data)
            if not elements:
                self._pending[status] = self.request.response(status).encode(True)
            self.consumed()
        elif self.is_unheeded():
            self.finish(CANCEL)
        else:
            self.consumed()

    def _known(self, payload: dict[str, Any]) -> bytes | None:
        """Return the command set of a pending response that is like an earlier one."""
        status = payload.get("status")
        if type(status) is not int or payload.get("elements", {}) != {} or "failed" in payload:
            return None
        return self._pending.get(status)
