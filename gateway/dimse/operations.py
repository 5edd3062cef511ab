"""Operations in flight: message IDs, the operations window, C-CANCEL (PS3.7 9, 10, D.3.3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from gateway.dimse.errors import abort
from gateway.dimse.message import CCancelRQ, CFindRQ
from gateway.dimse.status import DUPLICATE_INVOCATION, RESPONSE_LIMIT, is_pending
from gateway.errors import DimseError, LocalProtocolError
from gateway.uid import REPOSITORY_QUERY

if TYPE_CHECKING:
    from gateway.dimse.message import Request, Response

UNLIMITED = 0
"""A window of 0 operations has no limit (PS3.7 D.3.3.3.1)."""

_IDS = 0x10000

Value = TypeVar("Value")


class _InFlight(Generic[Value]):
    """Operations from request to final response, by message ID."""

    def __init__(self, window: int = 1) -> None:
        self.window = window
        self._in_flight: dict[int, Value] = {}

    def end(self, message_id: int) -> None:
        """Remove an operation: its final response was sent or received, or will never be."""
        self._in_flight.pop(message_id, None)

    @property
    def full(self) -> bool:
        """Whether the negotiated window is full, so that further requests must wait."""
        return self.window != UNLIMITED and len(self._in_flight) >= self.window

    def __contains__(self, message_id: object) -> bool:
        return message_id in self._in_flight

    def __len__(self) -> int:
        return len(self._in_flight)


class Operations(_InFlight[bool]):
    """The operations that this side performs for its peer; True: a C-CANCEL-RQ was received."""

    def begin(self, request: Request) -> None:
        """Add a received request; raises DimseError 0210H if its message ID is in flight."""
        if request.message_id in self._in_flight:
            raise DimseError(
                DUPLICATE_INVOCATION, f"message ID {request.message_id} is already in flight"
            )
        self._in_flight[request.message_id] = False

    def add(self, message_id: int) -> None:
        """Add a request whose message ID is known not to be in flight."""
        self._in_flight[message_id] = False

    def cancel(self, message_id: int) -> bool:
        """Process a C-CANCEL-RQ; return whether the operation is in flight.

        It may arrive after the final response was sent; it has no response itself.
        """
        if message_id not in self._in_flight:
            return False
        self._in_flight[message_id] = True
        return True

    def is_cancelled(self, message_id: int) -> bool:
        """Return whether a C-CANCEL-RQ was received for this operation."""
        return self._in_flight.get(message_id, False)


def more_follow(request: Request, status: int) -> bool:
    """Return whether a response with this status is not the last one to the request.

    Of a repository query, 0xB001 says that the limit of matches is reached, and the final response
    is still to come.
    """
    return is_pending(status) or (
        status == RESPONSE_LIMIT
        and isinstance(request, CFindRQ)
        and request.affected_sop_class_uid == REPOSITORY_QUERY
    )


class Invocations(_InFlight["Request"]):
    """The operations that the peer performs for this side."""

    def __init__(self, window: int = 1) -> None:
        super().__init__(window)
        self._last = 0

    def next_message_id(self) -> int:
        """Return a message ID that is not in flight: 1, 2, ... 65535, 0, 1, ..."""
        if len(self._in_flight) >= _IDS:
            raise LocalProtocolError("every message ID is in flight")
        candidate = (self._last + 1) % _IDS
        while candidate in self._in_flight:
            candidate = (candidate + 1) % _IDS
        self._last = candidate
        return candidate

    def begin(self, request: Request) -> None:
        """Add a sent request; raises LocalProtocolError if its ID is in use or the window full."""
        if request.message_id in self._in_flight:
            raise LocalProtocolError(f"message ID {request.message_id} is in flight")
        if self.full:
            raise LocalProtocolError(f"the window of {self.window} operations is full")
        self._in_flight[request.message_id] = request

    def receive(self, response: Response) -> Request:
        """Return the request of a received response, and remove it after a final response.

        Raises RemoteProtocolError if there is none.
        """
        message_id = response.message_id_being_responded_to
        request = self._in_flight.get(message_id)
        if request is None:
            raise abort(f"response to message ID {message_id}, which is not in flight")
        if response.command_field != request.command_field | 0x8000:
            raise abort(f"{response.command_field.name} to a {request.command_field.name}")
        if not more_follow(request, response.status):
            del self._in_flight[message_id]
        return request

    def cancel(self, message_id: int) -> CCancelRQ | None:
        """Return the C-CANCEL-RQ to send, or None if the operation is over."""
        return CCancelRQ(message_id) if message_id in self._in_flight else None
