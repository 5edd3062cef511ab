"""C-FIND (PS3.4 C.4.1): each answer of the worker becomes a response at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.acceptor.streamed import StreamedRequest
from gateway.dimse.status import CANCEL, is_pending

if TYPE_CHECKING:
    from gateway.fabric import Answer


class FindRequest(StreamedRequest):
    """One C-FIND."""

    def take_answer(self, answer: Answer) -> None:
        status, elements = self.status(answer.payload)
        if self.is_last(answer, status):
            self.finish(status, elements)
        elif is_pending(status) and answer.data is None:
            self.finish(self.failures.of("encoding"), {"ErrorComment": "A match without data"})
        elif not self.is_cancelled:
            self.respond(status, elements, answer.data)
            self.consumed()
        elif self.is_unheeded():
            self.finish(CANCEL)
        else:
            self.consumed()
