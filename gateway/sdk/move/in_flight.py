"""The sub-operations in flight of one C-MOVE, and the counters of their results (PS3.4 C.4.2).

As many are in flight at once as the destination and the configuration allow. The handler is asked
for its next value while there is room for one more, so a file that it has yielded may still be read
then: it has to stay until the handler is closed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeAlias

from pydicom.dataset import Dataset

from gateway.datasets import DatasetError, Instance
from gateway.datasets.conversion import instance_in, is_file
from gateway.dimse.command_set import is_ae_title
from gateway.dimse.suboperations import SuboperationCounters
from gateway.errors import GatewayError
from gateway.sdk.move.destination import NoRoute, StartedStore
from gateway.sdk.stream_values import uid_of

if TYPE_CHECKING:
    from gateway.association.operation import ReceivedResponse
    from gateway.sdk.event import Event
    from gateway.sdk.move.routes import Route

PeerTime: TypeAlias = Callable[[], AbstractContextManager[None]]
"""A context in which the handler's deadline is stopped, for waits for the destination."""

log = logging.getLogger("gateway.sdk")


class SuboperationsInFlight:
    """Begins sub-operations over a route, and counts their responses in any order."""

    def __init__(self, event: Event, peer_time: PeerTime) -> None:
        self.counters = SuboperationCounters()
        self.route: Route | None = None
        self.is_unreachable = False
        """Whether the destination did not accept even one association."""
        self._event = event
        self._peer_time = peer_time
        self._number_begun = 0
        self._open: dict[Future[ReceivedResponse], tuple[int, str]] = {}
        """The number of each sub-operation, and its SOP Instance UID."""
        self._failed: list[tuple[int, str]] = []

    def begin(self, instance: Any) -> None:
        """Begin one, and wait for room for another.

        At a destination that cannot be reached all of them fail, and are listed as failed.
        """
        if (route := self.route) is None:
            raise RuntimeError("a sub-operation without a destination")
        started = None if self.is_unreachable else self._started(route, instance)
        number, self._number_begun = self._number_begun, self._number_begun + 1
        if started is None:
            self._count(None, number, _uid_in(instance))
            return
        self._open[started.answered] = number, started.sop_instance_uid
        if not route.is_full:
            return
        with self._peer_time():
            while route.is_full:
                waiting = [one for one in self._open if not one.done()]
                wait(waiting, return_when=FIRST_COMPLETED)

    def count_answered(self) -> bool:
        """Count the sub-operations that have ended; return whether there were any."""
        over = [one for one in self._open if one.done()]
        for one in over:
            number, uid = self._open.pop(one)
            status = None
            try:
                status = one.result().status
            except Exception as error:
                self._warn(error)  # this sub-operation failed, the others continue
            self._count(status, number, uid)
        return bool(over)

    def _count(self, status: int | None, number: int, uid: str) -> None:
        known = len(self.counters.failed)
        self.counters.count(status, uid)
        self._failed += [(number, failed) for failed in self.counters.failed[known:]]

    def wait(self) -> None:
        """Wait for the open sub-operations."""
        with self._peer_time():
            wait(self._open)

    def finish(self) -> None:
        """Wait for the open sub-operations, and release the associations."""
        self.wait()
        self.count_answered()
        self.counters.failed = [uid for _, uid in sorted(self._failed)]  # in the handler's order
        route, self.route = self.route, None
        if route is not None:
            with self._peer_time():
                route.release()

    def abort(self) -> None:
        """Abort the associations of an operation that ends early."""
        if self.route is not None:
            with self._peer_time():
                self.route.abort()

    def _started(self, route: Route, instance: Any) -> StartedStore | None:
        """Return a sub-operation that was begun or has failed; None without an association."""
        try:
            if not (isinstance(instance, Dataset | Instance) or is_file(instance)):
                raise TypeError(f"a {type(instance).__name__} cannot be sent")
            if isinstance(instance, Dataset) and "SOPClassUID" not in instance:
                raise DatasetError("a data set without SOPClassUID is not sent")
            with self._peer_time():
                return route.begin(instance, _originator(self._event))
        except Exception as error:
            # errors of the handler, the destination, the file or pydicom
            if isinstance(error, NoRoute) and not route.was_reached:
                self._warn(error)
                self.is_unreachable = True
                return None
            failed: Future[ReceivedResponse] = Future()
            failed.set_exception(error)
            return StartedStore(_uid_in(instance), failed)

    def _warn(self, error: Exception) -> None:
        log.warning("association=%s C-MOVE sub-operation: %s", self._event.assoc_name, error)


def _originator(event: Event) -> tuple[str, int] | None:
    """Return AE title and message ID of the C-MOVE; None for a title that no AE element can hold.

    A calling AE title is checked by no association (PS3.8 9.3.2), and must not make every
    sub-operation fail.
    """
    title = event.assoc.requestor.ae_title
    return (title, int(event.request.MessageID)) if is_ae_title(title) else None


def _uid_in(instance: Any) -> str:
    if isinstance(instance, Dataset | Instance):
        return uid_of(instance)
    if not is_file(instance):
        return ""
    try:
        return instance_in(instance).sop_instance_uid
    except (GatewayError, OSError):
        return ""
