"""Operations in flight: message IDs, the asynchronous window, C-CANCEL (PS3.7 9, 10, D.3.3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.dimse.errors import abort
from gateway.dimse.message import CCancelRQ
from gateway.dimse.status import DUPLICATE_INVOCATION, is_pending
from gateway.errors import DimseError, LocalProtocolError

if TYPE_CHECKING:
    from gateway.dimse.message import Request, Response

UNLIMITED = 0
"""A window of 0 operations has no limit (PS3.7 D.3.3.3.1)."""

_IDS = 0x10000


class Operations:
    """The operations that this side performs for its peer, from first byte to final response."""

    def __init__(self, window: int = 1) -> None:
        self.window = window
        self._cancelled: dict[int, bool] = {}

    def begin(self, request: Request) -> None:
        """A request came; raises DimseError 0210H if its message ID is in flight."""
        if request.message_id in self._cancelled:
            raise DimseError(
                DUPLICATE_INVOCATION, f"message ID {request.message_id} is already in flight"
            )
        self._cancelled[request.message_id] = False

    def cancel(self, message_id: int) -> bool:
        """A C-CANCEL-RQ came; tells whether there is something to cancel.

        It has no response and may come after the final response has left: then there is not.
        """
        if message_id not in self._cancelled:
            return False
        self._cancelled[message_id] = True
        return True

    def is_cancelled(self, message_id: int) -> bool:
        """A C-CANCEL-RQ came for this operation; stays so until it ends."""
        return self._cancelled.get(message_id, False)

    def end(self, message_id: int) -> None:
        """The final response left, or never will; the message ID is free again."""
        self._cancelled.pop(message_id, None)

    @property
    def full(self) -> bool:
        """The negotiated window has no room: what comes now has to wait."""
        return self.window != UNLIMITED and len(self._cancelled) >= self.window

    def __contains__(self, message_id: object) -> bool:
        return message_id in self._cancelled

    def __len__(self) -> int:
        return len(self._cancelled)


class Invocations:
    """The operations that this side asked its peer for, from request to final response."""

    def __init__(self, window: int = 1) -> None:
        self.window = window
        self._requests: dict[int, Request] = {}
        self._last = 0

    def next_message_id(self) -> int:
        """A message ID that is not in flight: 1, 2, ... 65535, 0, 1, ..."""
        if len(self._requests) >= _IDS:
            raise LocalProtocolError("every message ID is in flight")
        candidate = (self._last + 1) % _IDS
        while candidate in self._requests:
            candidate = (candidate + 1) % _IDS
        self._last = candidate
        return candidate

    def begin(self, request: Request) -> None:
        """A request is sent; raises LocalProtocolError if its ID is in use or the window full."""
        if request.message_id in self._requests:
            raise LocalProtocolError(f"message ID {request.message_id} is in flight")
        if self.full:
            raise LocalProtocolError(f"the window of {self.window} operations is full")
        self._requests[request.message_id] = request

    def receive(self, response: Response) -> Request:
        """The request that `response` answers; after a final response it is out of flight.

        Raises RemoteProtocolError if there is none.
        """
        message_id = response.message_id_being_responded_to
        request = self._requests.get(message_id)
        if request is None:
            raise abort(f"response to message ID {message_id}, which is not in flight")
        if response.command_field != request.command_field | 0x8000:
            raise abort(f"{response.command_field.name} to a {request.command_field.name}")
        if not is_pending(response.status):
            del self._requests[message_id]
        return request

    def cancel(self, message_id: int) -> CCancelRQ | None:
        """The C-CANCEL-RQ to send, or None if the operation is already over."""
        return CCancelRQ(message_id) if message_id in self._requests else None

    def end(self, message_id: int) -> None:
        """Give up waiting for a response."""
        self._requests.pop(message_id, None)

    @property
    def full(self) -> bool:
        """The negotiated window has no room."""
        return self.window != UNLIMITED and len(self._requests) >= self.window

    def __contains__(self, message_id: object) -> bool:
        return message_id in self._requests

    def __len__(self) -> int:
        return len(self._requests)
