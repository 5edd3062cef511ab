"""C-MOVE: the sub-operations are performed here, over associations of the worker's own.

As many of them are on their way at once as the destination and the configuration allow; a handler
is asked for its next value while there is room for one more. What it has yielded before may still
be read then: a file has to stay until the handler is closed.
"""

from __future__ import annotations

import logging
from concurrent.futures import FIRST_COMPLETED, Future, wait
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
from gateway.sdk.contexts import instance_in, is_file
from gateway.sdk.handler_answers import Reply, failure, raised
from gateway.sdk.move.destination import NoRoute, StartedStore
from gateway.sdk.streams import Getting, uid_of

if TYPE_CHECKING:
    from gateway.requestor.operation import Answered
    from gateway.sdk.event import Event
    from gateway.sdk.move.routes import Route, Routes
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
        self._number_begun = 0
        self._on_their_way: dict[Future[Answered], tuple[int, str]] = {}
        """Which sub-operation it is, and the UID."""
        self._failed: list[tuple[int, str]] = []

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

    def _suboperation(self, what: Any) -> Reply | None:
        """Begin one; tell of those that were answered meanwhile, if any were."""
        if (route := self._route) is None:
            raise RuntimeError("a sub-operation without a destination")
        sent = self._begun(route, what)
        if sent is None:
            return UNKNOWN
        self._on_their_way[sent.answered] = self._number_begun, sent.sop_instance_uid
        self._number_begun += 1
        with self._peer_time():
            while route.is_full:
                waiting = [one for one in self._on_their_way if not one.done()]
                wait(waiting, return_when=FIRST_COMPLETED)
        if not self._count_answered():
            return None
        counters = self._counters.elements(with_remaining=True)
        return Reply({"status": PENDING, "elements": counters}, final=False)

    def _begun(self, route: Route, what: Any) -> StartedStore | None:
        """A sub-operation on its way, or failed already; None: there is no way at all."""
        originator = self._event.assoc.requestor.ae_title, int(self._event.request.MessageID)
        try:
            if not (isinstance(what, Dataset) or is_file(what)):
                raise TypeError(f"{type(what).__name__} is nothing to send")
            with self._peer_time():
                return route.begin(what, originator)
        except Exception as error:
            # the handler's, the destination's, the file's, or pydicom's
            if isinstance(error, NoRoute) and not route.was_reached:
                self._warn(error)
                return None
            failed: Future[Answered] = Future()
            failed.set_exception(error)
            return StartedStore(_uid_of(what), failed)

    def _count_answered(self) -> bool:
        """Count the sub-operations that are over; were there any?"""
        over = [one for one in self._on_their_way if one.done()]
        for one in over:
            number, uid = self._on_their_way.pop(one)
            status = None
            try:
                status = one.result().status
            except Exception as error:
                self._warn(error)  # this sub-operation failed, the others go on
            known = len(self._counters.failed)
            self._counters.count(status, uid)
            self._failed += [(number, failed) for failed in self._counters.failed[known:]]
        return bool(over)

    def _warn(self, error: Exception) -> None:
        log.warning("association=%s C-MOVE sub-operation: %s", self._event.assoc_id, error)

    def _cancelled(self) -> Reply:
        return self._final(Reply({"status": CANCEL, "elements": {}}))

    def _ended(self, *, is_cancelled: bool) -> Reply:
        self._settle()
        if is_cancelled and self._counters.remaining:
            return self._cancelled()
        return self._final(Reply({"status": SUCCESS, "elements": {}}))

    def _settle(self) -> None:
        """Wait for what is on its way, and have the failures in the order of the handler's."""
        with self._peer_time():
            wait(self._on_their_way)
        self._count_answered()
        self._counters.failed = [uid for _, uid in sorted(self._failed)]

    def _final(self, told: Reply) -> Reply:
        """The last answer with its counters, once the association is released."""
        self._settle()
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
    if not is_file(what):
        return ""
    try:
        return instance_in(what).sop_instance_uid
    except (GatewayError, OSError):
        return ""
