"""C-MOVE: the destination, the number of sub-operations, then pairs of a status and an instance.

The sub-operations are performed here, over associations of the worker's own (PS3.4 C.4.2).

At a destination that accepts no association every instance is listed as failed. An AE of the
configuration is a known destination, so the status is that of sub-operations which all failed
(A702). For the address of a handler it is the one that pynetdicom sends (A801).
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from gateway.datasets.failed_list import encode_failed_list
from gateway.dimse import status as codes
from gateway.fabric import Answer
from gateway.sdk import stream_values
from gateway.sdk.handler_answers import MAX_COMMENT, SUCCEEDED, failure, raised
from gateway.sdk.move.in_flight import SuboperationsInFlight
from gateway.sdk.move.progress import Progress

if TYPE_CHECKING:
    from gateway.sdk.event import Event
    from gateway.sdk.move.in_flight import PeerTime
    from gateway.sdk.move.progress import Offer
    from gateway.sdk.move.routes import Routes

log = logging.getLogger("gateway.sdk")

UNKNOWN = Answer({"status": codes.MOVE_DESTINATION_UNKNOWN, "elements": {}})
_UNKNOWN_NAME = Answer(
    {
        "status": codes.MOVE_DESTINATION_UNKNOWN,
        "elements": {"ErrorComment": "The move destination is not known"},
    }
)
_NO_ASSOCIATION = "No association with the move destination"
_MAX_PORT = 0xFFFF


class MoveHandlerState(Enum):
    """The value expected next; each member names the failure of a handler that raises then."""

    DESTINATION = "first"
    """The destination, or a status that ends the operation."""
    NUMBER = "number"
    """The number of sub-operations, or a status."""
    PAIRS = "raised"
    """A pending status with an instance, or a final status."""


class MoveAnswers:
    """Converts the values of a C-MOVE handler."""

    def __init__(
        self, event: Event, routes: Routes, peer_time: PeerTime, offer: Offer = len
    ) -> None:
        self._event = event
        self._routes = routes
        self._state = MoveHandlerState.DESTINATION
        self._unreachable = codes.MOVE_DESTINATION_UNKNOWN
        """The status if the destination accepts no association."""
        self._elements: dict[str, Any] = {}
        """Of the handler's last pending status."""
        self._in_flight = SuboperationsInFlight(event, peer_time, self._counted)
        self._progress = Progress(offer, self._counters)

    def __call__(self, value: Any) -> Answer | None:
        value = stream_values.as_pair(value)
        match self._state:
            case MoveHandlerState.DESTINATION:
                return self._destination(value)
            case MoveHandlerState.NUMBER:
                return self._number(value)
            case MoveHandlerState.PAIRS:
                answer, instance = stream_values.suboperation_pair(self._event, value)
                if answer.final:
                    return self._final(answer)
                self._elements = answer.payload.get("elements", {})
                return self._suboperation(instance)

    def rest(self) -> tuple[Answer, ...]:
        """Return nothing: each value is one answer."""
        return ()

    def settle(self) -> Answer | None:
        self._in_flight.wait()
        return self._pending()

    def _counted(self) -> None:
        """Tell the counters while the handler does something else; in another thread."""
        self._progress.tell()

    def cancelled(self, value: Any) -> Answer:
        if self._state is MoveHandlerState.PAIRS:
            answer, _ = stream_values.suboperation_pair(self._event, stream_values.as_pair(value))
            if answer.final:
                return self._final(answer)
        return self._final(stream_values.CANCELLED)

    def end(self, *, is_cancelled: bool = False) -> Answer:
        if self._state is MoveHandlerState.PAIRS:
            self._in_flight.finish()
            is_cancelled |= self._event.is_cancelled  # the rest of a list may not have been sent
            is_cancelled = is_cancelled and self._in_flight.counters.remaining > 0
            return self._final(stream_values.CANCELLED if is_cancelled else SUCCEEDED)
        if is_cancelled:
            return stream_values.CANCELLED
        error = f"{self._event.name}: the handler ended before it yielded a number"
        return failure(self._state.value, error)

    def raised(self, error: BaseException) -> Answer:
        answer = raised(error)
        if self._state is not MoveHandlerState.PAIRS:
            return Answer({**answer.payload, "failed": self._state.value})
        failures = self._event.event.failures  # type: ignore[union-attr]
        status = failures.of("raised") if failures else codes.UNABLE_TO_PERFORM_SUBOPERATIONS
        comment = {"ErrorComment": answer.payload["error"][:MAX_COMMENT]}
        return self._final(Answer({"status": status, "elements": comment}))

    def close(self) -> None:
        self._progress.close()
        self._in_flight.abort()

    def _destination(self, value: Any) -> Answer | None:
        options: dict[str, Any] = {}
        if isinstance(value, str):
            value = value, {}
        match value:
            case (str(name), dict(more)):
                if (value := self._named(name, more)) is None:
                    return _UNKNOWN_NAME
        match value:
            case Dataset() | (int(), None | Dataset()):
                return stream_values.early_status(self._event, value, "destination")
            case (None, *_) | (_, None) | (_, None, _) if not isinstance(value[0], int):
                return UNKNOWN
            case (str(host), int(port)) if 0 < port <= _MAX_PORT:
                pass
            case (str(host), int(port), None | dict()) if 0 < port <= _MAX_PORT:
                options = value[2] or {}
            case _:
                error = f"{self._event.name}: a {type(value).__name__} is not a valid destination"
                return failure("destination", error)
        return self._route_to((host, port), options)

    def _named(self, name: str, more: dict[str, Any]) -> tuple[str, int, dict[str, Any]] | None:
        """Return a destination of the table, with more options than stand there."""
        named = self._routes.named(name)
        if named is None:
            log.warning(
                "association=%s C-MOVE to an unknown destination=%r", self._event.assoc_name, name
            )
            return None
        self._unreachable = codes.UNABLE_TO_PERFORM_SUBOPERATIONS
        host, port, options = named
        return host, port, {**options, **more}

    def _route_to(self, address: tuple[str, int], options: dict[str, Any]) -> Answer | None:
        titles = self._event.assoc.ae.ae_title or "GATEWAY", str(self._event.move_destination)
        try:
            self._in_flight.route = self._routes.to(address, options, titles)
        except (TypeError, ValueError, AttributeError) as error:
            return failure("destination", f"{self._event.name}: {error}")
        self._state = MoveHandlerState.NUMBER
        return None

    def _number(self, value: Any) -> Answer:
        answer = stream_values.number_answer(self._event, value)
        if not answer.final:
            self._in_flight.counters.announced = answer.payload["number"]
            self._state = MoveHandlerState.PAIRS
        return answer

    def _suboperation(self, instance: Any) -> Answer | None:
        """Begin sub-operations; return the counters if some were answered meanwhile."""
        if isinstance(instance, list):
            self._in_flight.begin_all(instance)
        else:
            self._in_flight.begin(instance)
        return self._pending()

    def _pending(self) -> Answer | None:
        if not self._in_flight.count_answered():
            return None
        self._progress.flush()  # counters never go back
        return self._counters()

    def _counters(self) -> Answer:
        counters = self._in_flight.counters.elements(with_remaining=True)
        elements = {**self._elements, **counters}
        return Answer({"status": codes.PENDING, "elements": elements}, final=False)

    def _final(self, answer: Answer) -> Answer:
        """Return the last answer with its counters, once the associations are released."""
        self._in_flight.finish()
        self._progress.close()
        if "failed" in answer.payload:
            return answer
        counters, data = self._in_flight.counters, answer.data
        status, elements = answer.payload["status"], answer.payload["elements"]
        if self._in_flight.is_unreachable and status != codes.CANCEL:
            status, elements = self._unreachable, {"ErrorComment": _NO_ASSOCIATION}
        status = counters.conclude(status)
        if self._in_flight.why:
            elements = {"ErrorComment": self._in_flight.why[:MAX_COMMENT], **elements}
        if status == codes.SUCCESS:
            data = None
        elif data is None:
            data = encode_failed_list(counters.failed, self._event.context.transfer_syntax)
        elements = elements | counters.elements(with_remaining=status == codes.CANCEL)
        return Answer({"status": status, "elements": elements}, data)
