"""C-MOVE: the sub-operations are performed here, over an association of the worker's own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from gateway.dimse.status import (
    CANCEL,
    MOVE_DESTINATION_UNKNOWN,
    PENDING,
    SUCCESS,
    UNABLE_TO_PERFORM_SUBOPERATIONS,
    Category,
    category,
)
from gateway.dimse.suboperations import MOST, Tally
from gateway.errors import GatewayError
from gateway.sdk.answers import Reply, failure, raised
from gateway.sdk.contexts import instance_in, is_file
from gateway.sdk.routes import NoRoute
from gateway.sdk.streams import Getting, uid_of

if TYPE_CHECKING:
    from gateway.sdk.event import Event
    from gateway.sdk.routes import Route, Routes
    from gateway.sdk.streams import PeerTime

log = logging.getLogger("gateway.sdk")

UNKNOWN = Reply({"status": MOVE_DESTINATION_UNKNOWN, "elements": {}})


class Moving(Getting):
    """Where to, the number of sub-operations, then pairs of a status and what is to be sent."""

    def __init__(self, event: Event, routes: Routes, peer_time: PeerTime) -> None:
        super().__init__(event)
        self._routes = routes
        self._peer_time = peer_time
        self._takes = self._destination
        self._route: Route | None = None
        self._counters = Tally()

    def raised(self, error: BaseException) -> Reply:
        if self._takes != self._pair:
            return super().raised(error)
        failures = self._event.event.failures  # type: ignore[union-attr]
        status = failures.of("raised") if failures else UNABLE_TO_PERFORM_SUBOPERATIONS
        comment = {"ErrorComment": raised(error).payload["error"][:64]}
        return self._final(Reply({"status": status, "elements": comment}))

    def close(self) -> None:
        if self._route is not None:
            with self._peer_time():
                self._route.abort()

    @property
    def _failing(self) -> str:
        return "number" if self._takes == self._number else super()._failing

    def _destination(self, value: Any) -> Reply | None:
        if isinstance(value, Dataset):
            return self._status_first((value, None), "destination")
        options: dict[str, Any] = {}
        if isinstance(value, str):
            named = self._routes.named(value)
            if named is None:
                log.warning("event=%s the destination is in no table", self._event.name)
                return UNKNOWN
            value, options = named[:2], named[2]
        match value:
            case (None, *_) | (_, None) | (_, None, _) if not isinstance(value[0], int):
                return UNKNOWN
            case (int(), None | Dataset()):
                return self._status_first(value, "destination")
            case (str(host), int(port)) if 0 < port <= MOST:
                pass
            case (str(host), int(port), None | dict()) if 0 < port <= MOST:
                options = value[2] or {}
            case _:
                return failure("destination", f"{self._event.name}: that is no destination")
        return self._route_to((host, port), options)

    def _route_to(self, address: tuple[str, int], options: dict[str, Any]) -> Reply | None:
        titles = self._event.assoc.ae.ae_title or "GATEWAY", str(self._event.move_destination)
        try:
            self._route = self._routes.to(address, options, titles)
        except (TypeError, ValueError, AttributeError) as error:
            return failure("destination", f"{self._event.name}: {error}")
        self._takes = self._number
        return None

    def _number(self, value: Any) -> Reply | None:
        told = super()._number(value)
        if told is not None and not told.final:
            self._counters.announced = told.payload["number"]
        return told

    def _pair(self, value: Any) -> Reply | None:
        told = super()._pair(value)
        return self._final(told) if told is not None and told.final else told

    def _suboperation(self, what: Any) -> Reply:
        counters = self._counters
        if not (isinstance(what, Dataset) or is_file(what)):
            log.error("event=%s %s is nothing to send", self._event.name, type(what).__name__)
            counters.count(None, "")
        elif (route := self._route) is not None:
            with self._peer_time():
                lost = self._store(route, what)
            if lost:
                return UNKNOWN
        return Reply(
            {"status": PENDING, "elements": counters.elements(with_remaining=True)}, final=False
        )

    def _store(self, route: Route, what: Any) -> bool:
        """Perform one sub-operation; True: the destination cannot be reached at all."""
        request = self._event.request
        originator = self._event.assoc.requestor.ae_title, int(request.MessageID)
        try:
            uid, status = route.store(what, originator)
        except Exception as error:
            # the destination's, the file's, or pydicom's: this sub-operation failed
            where = self._event.assoc_id
            log.warning("association=%s C-MOVE sub-operation: %s", where, error)
            if isinstance(error, NoRoute) and not route.was_reached:
                return True
            self._counters.count(None, _uid_of(what))
            return False
        self._counters.count(status, uid)
        return False

    def _cancelled(self) -> Reply:
        return self._final(Reply({"status": CANCEL, "elements": {}}))

    def _ended(self, *, is_cancelled: bool) -> Reply:
        if is_cancelled and self._counters.remaining:
            return self._cancelled()
        return self._final(Reply({"status": SUCCESS, "elements": {}}))

    def _final(self, told: Reply) -> Reply:
        """The last answer with its counters, once the association is released."""
        route, self._route = self._route, None
        if route is not None:
            with self._peer_time():
                route.release()
        if "failed" in told.payload:
            return told
        counters, status = self._counters, told.payload["status"]
        is_cancel = category(status) is Category.CANCEL
        if not is_cancel:
            counters.give_up()
        if category(status) is Category.SUCCESS:
            status = counters.status()
        data = told.data if category(status) is not Category.SUCCESS else None
        if data is None and category(status) is not Category.SUCCESS:
            data = counters.failed_list(self._event.context.transfer_syntax)
        elements = counters.elements(with_remaining=is_cancel)
        return Reply({"status": status, "elements": {**told.payload["elements"], **elements}}, data)


def _uid_of(what: Any) -> str:
    if isinstance(what, Dataset):
        return uid_of(what)
    try:
        return instance_in(what).sop_instance_uid
    except (GatewayError, OSError):
        return ""
