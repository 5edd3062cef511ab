"""C-STOREs of this side with short data sets, from the instance to the peer's success.

A retrieval sends hundreds of requests that differ in message ID, instance and data set. What they
have in common is encoded once, for each length of the instance's UID. Nearly all responses are what
the peer's earlier ones let expect: such a one is compared where it was read, as a whole PDU, and
never decoded. All else goes the general way (`operations_in_flight`): requests with long data sets,
other responses, and everything while somebody watches messages or PDUs.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from gateway.dimse.command_elements import CommandField
from gateway.dimse.fragmenter import CHUNK
from gateway.dimse.likely_response import LikelyResponse
from gateway.dimse.message import store_request_parts
from gateway.dimse.status import SUCCESS
from gateway.uid import is_tolerable
from gateway.ul.pdu import PDU_AND_PDV, PDU_HEADER, PDV_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.association.message_counts import MessageCounts
    from gateway.association.notify import Notifications
    from gateway.association.operation import Operation
    from gateway.association.outbox import Outbox
    from gateway.association.transport import Transport
    from gateway.dimse.message import CStoreRQ, CStoreRSP, Request
    from gateway.log import AssociationName
    from gateway.ul.negotiation import AcceptedContext
    from gateway.ul.upper_layer import UpperLayer

    Kind = tuple[str, int, str | None, int | None]
    Parts = tuple[bytes, bytes, bytes, int]

log = logging.getLogger("gateway.association")

SHORT = 32 * 1024
"""Bytes of a data set above which it is not copied into a PDU."""
_P_DATA_TF = 4
_COMMAND_ENDS, _DATA_ENDS = 3, 2
"""Message control headers of a command set and of a data set in one fragment (PS3.8 E.2)."""
_HEADER, _HEADERS = PDU_HEADER.size, PDU_AND_PDV.size + PDV_HEADER.size
_LONGEST = 1024
"""Bytes of a PDU that may be an expected response: one with the longest UIDs has some 250."""
_KEPT = 128
"""Kinds of requests that are kept at most."""
_STORED = CommandField.C_STORE_RQ, SUCCESS


class ArrivalsInHand(Protocol):
    """The part of the inbox that operations use."""

    @property
    def is_receiving(self) -> bool: ...


class RequestingEngine(Protocol):
    """The part of the engine that operations use."""

    upper: UpperLayer
    transport: Transport
    outbox: Outbox
    counts: MessageCounts
    notifications: Notifications

    @property
    def inbox(self) -> ArrivalsInHand: ...

    @property
    def name(self) -> AssociationName: ...

    def settle(self) -> None: ...

    def fail(self) -> None: ...


class PlainOperations(Protocol):
    """The operations in flight, as they are used here."""

    def put_in_flight(self, context: AcceptedContext, request: Request) -> Operation: ...

    def succeeded(self, operation: Operation) -> None: ...


class PlainRequests:
    """The C-STOREs of one association that take the short way."""

    def __init__(self, engine: RequestingEngine, in_flight: PlainOperations) -> None:
        self._engine = engine
        self._in_flight = in_flight
        self._time = asyncio.get_running_loop().time
        self._parts: dict[Kind, Parts] = {}
        """Requests without message ID and UID, and the length of the whole."""
        self._form = LikelyResponse()
        self._expected: dict[bytes, Operation] = {}
        """Operations by the PDU of the response that is most likely."""
        self._takes_others: Callable[[memoryview, int], int] | None = None
        """What takes other messages of the peer whole, while `take` is in its place."""
        self._is_taking = False

    # requests

    def send(
        self, context: AcceptedContext, request: CStoreRQ, data_set: bytes | bytearray
    ) -> Operation | None:
        """Send a request for which there is room; None if it cannot take the short way."""
        engine = self._engine
        if engine.upper.is_traced or engine.notifications.has_messages:
            return None
        pdu = self._encoded(context.id, request, data_set)
        if not pdu:
            return None
        operation = self._in_flight.put_in_flight(context, request)
        operation.since = self._time()
        engine.transport.send(pdu)
        return operation

    def expect(self, operation: Operation, request: CStoreRQ) -> None:
        """Recognize the response to a request that was sent, in whatever way, if it is usual."""
        if expected := self._form.to(request, operation.context.id):
            operation.expected = expected
            self._expected[expected] = operation
            if not self._is_taking:
                upper = self._engine.upper
                self._is_taking, self._takes_others = True, upper.take_whole
                upper.take_whole = self.take

    def _encoded(self, context_id: int, request: CStoreRQ, data_set: bytes | bytearray) -> bytes:
        """Return the PDU of a request with its data set; empty if that is not for the short way."""
        uid, size = request.affected_sop_instance_uid, len(data_set)
        if size > SHORT or not is_tolerable(uid) or request.priority:
            return b""
        originator = request.move_originator_ae_title, request.move_originator_message_id
        kind = request.affected_sop_class_uid, len(uid), *originator
        before, between, after, command = self._parts.get(kind) or self._made(kind)
        length = _HEADERS - _HEADER + command + size
        if length > min(self._engine.upper.peer_max_length or CHUNK, CHUNK):
            return b""
        return b"".join(
            (
                PDU_AND_PDV.pack(_P_DATA_TF, length, command + 2, context_id, _COMMAND_ENDS),
                before,
                request.message_id.to_bytes(2, "little"),
                between,
                uid.encode("ascii"),
                after,
                PDV_HEADER.pack(size + 2, context_id, _DATA_ENDS),
                data_set,
            )
        )

    def _made(self, kind: Kind) -> Parts:
        sop_class, length, title, number = kind
        parts = store_request_parts(sop_class, length, 0, title, number, True)
        if len(self._parts) >= _KEPT:
            self._parts.clear()
        self._parts[kind] = made = (*parts, sum(map(len, parts)) + 2 + length)
        return made

    # responses

    def learn(self, request: CStoreRQ, response: CStoreRSP, command_set: bytes) -> None:
        """Take the form of a response that was decoded."""
        self._form.learn(request, response, command_set)

    def take(self, view: memoryview, position: int) -> int:
        """Take the response at a position of a read, and return the position behind it.

        Returns the same position, with nothing changed, if it is to be decoded. The UpperLayer
        calls this in Sta6, between two PDUs, while nothing is traced (`UpperLayer.take_whole`).
        """
        begin, engine = position + _HEADER, self._engine
        if not self._expected or len(view) < begin or engine.notifications.has_messages:
            return self._take_other(view, position)
        end: int = begin + PDU_HEADER.unpack_from(view, position)[1]
        pdu = view[position:end].tobytes() if end - position <= _LONGEST else b""
        operation = self._expected.get(pdu)
        if operation is None or operation.answered is None or engine.inbox.is_receiving:
            return self._take_other(view, position)
        del self._expected[pdu]
        engine.counts.invoked[_STORED] += 1
        self._in_flight.succeeded(operation)
        try:
            operation.answered(SUCCESS)
        except Exception:  # a bug: it ends this association, not the process
            log.exception("association=%s failed", engine.name)
            engine.fail()
        return end

    def _take_other(self, view: memoryview, position: int) -> int:
        return position if self._takes_others is None else self._takes_others(view, position)

    def forget(self, operation: Operation) -> None:
        """Expect no response to an operation any more."""
        self._expected.pop(operation.expected, None)

    def stop(self) -> None:
        """Expect nothing any more: the association has ended."""
        self._expected.clear()
        if self._is_taking:
            self._is_taking, self._engine.upper.take_whole = False, self._takes_others
            self._takes_others = None
