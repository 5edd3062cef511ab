"""The sub-operations in flight of one C-MOVE, and the counters of their results (PS3.4 C.4.2).

As many are in flight at once as the destination and the configuration allow. The handler is asked
for its next value while there is room for one more, so a file that it has yielded may still be read
then: it has to stay until the handler is closed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeAlias

from pydicom.dataset import Dataset

from gateway.datasets import DatasetError, Instance
from gateway.datasets.conversion import instance_in, is_file
from gateway.datasets.errors import TranscodingError
from gateway.datasets.instances import in_memory
from gateway.dimse.command_set import is_ae_title
from gateway.dimse.suboperations import SuboperationCounters
from gateway.errors import GatewayError
from gateway.sdk.move.destination import IN_MEMORY, NoRoute, StartedStore, pair_of
from gateway.sdk.move.store_queue import FEW, QueuedStore, StoreQueue
from gateway.sdk.stream_values import uid_of

if TYPE_CHECKING:
    from gateway.association.operation import ReceivedResponse
    from gateway.requestor.plan import Pair
    from gateway.sdk.event import Event
    from gateway.sdk.move.routes import Route
    from gateway.sdk.move.store_queue import Outcome

PeerTime: TypeAlias = Callable[[], AbstractContextManager[None]]
"""A context in which the handler's deadline is stopped, for waits for the destination."""

log = logging.getLogger("gateway.sdk")


class SuboperationsInFlight:
    """Begins sub-operations over a route, and counts their responses in any order."""

    def __init__(
        self, event: Event, peer_time: PeerTime, counted: Callable[[], None] = lambda: None
    ) -> None:
        """`counted` is called for instances of lists, mostly in the associations' thread."""
        self.counters = SuboperationCounters()
        self._counted = counted
        self._counting = threading.Lock()
        self._queue = StoreQueue(self._queued_counted, lambda: event.is_cancelled)
        self._originator = _originator(event)
        self.route: Route | None = None
        self.is_unreachable = False
        """Whether the destination did not accept even one association."""
        self._event = event
        self._peer_time = peer_time
        self._number_begun = 0
        self._open: dict[Future[ReceivedResponse], tuple[int, str]] = {}
        """The number of each sub-operation, and its SOP Instance UID."""
        self._failed: list[tuple[int, str]] = []
        self.why = ""
        """Why pixel data could not be transcoded, for the first instance of which that is so."""

    def begin(self, instance: Any) -> None:
        """Begin one, and wait for room for another.

        At a destination that cannot be reached all of them fail, and are listed as failed.
        """
        self.wait_for_lists()
        self._begin(self._next_number(), instance)

    def begin_all(self, instances: list[Any]) -> None:
        """Begin those of a list, and wait until few are left.

        What is not in memory or a file as it is to be sent is begun as `begin` does, in its turn.
        """
        kind: Pair | None = None
        for instance in instances:
            if self._event.is_cancelled:
                return
            if not self._can_be_queued(instance):
                self.begin(instance)
                if self.count_answered():
                    self._counted()
                continue
            if self._queue.is_full or kind not in (None, pair_of(instance)):
                self._drain(most=FEW)
            kind = pair_of(instance)
            if not self._queue.takes_files:
                instance = in_memory(instance, IN_MEMORY)
            self._queue.put(QueuedStore(self._next_number(), instance))
        self._drain(most=FEW)

    def wait_for_lists(self) -> None:
        """Wait until everything of the lists so far has been counted."""
        self._drain(most=0)

    def _can_be_queued(self, instance: Any) -> bool:
        if not isinstance(instance, Instance) or instance.make is not None:
            return False
        return self._the_route.takes_lists and not self.is_unreachable

    def _drain(self, most: int) -> None:
        """Have instances taken out of the queue until at most so many are left."""
        queue = self._queue
        while True:
            if len(queue):
                self._start_lanes()
            if queue.is_attended:
                with self._peer_time():
                    queue.wait_until(most)
            for store in queue.take_unfit():
                self._begin(store.number, store.instance)
            if queue.is_attended:
                if most:
                    return
            elif not len(queue):
                return

    def _start_lanes(self) -> None:
        """Start lanes; without an association, what is in the queue fails."""
        first = self._queue.first
        if first is None:
            return
        try:
            with self._peer_time():
                self._the_route.drain(self._queue, pair_of(first.instance), self._originator)
        except Exception as error:  # errors of the handler's options, or of the destination
            self._warn(error)
            if isinstance(error, NoRoute) and not self._the_route.was_reached:
                self.is_unreachable = True
            for store in self._queue.take_all():
                self._count(None, store.number, store.instance.sop_instance_uid)

    def _queued_counted(self, store: QueuedStore, outcome: Outcome) -> None:
        """Count an instance of a list; in the associations' thread."""
        if isinstance(outcome, Exception):
            self._warn(outcome)
        status = None if isinstance(outcome, Exception) else outcome
        self._count(status, store.number, store.instance.sop_instance_uid)
        self._counted()

    def _next_number(self) -> int:
        number, self._number_begun = self._number_begun, self._number_begun + 1
        return number

    @property
    def _the_route(self) -> Route:
        if self.route is None:
            raise RuntimeError("a sub-operation without a destination")
        return self.route

    def _begin(self, number: int, instance: Any) -> None:
        route = self._the_route
        started = None if self.is_unreachable else self._started(route, instance)
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
            except Exception as error:  # this sub-operation failed, the others continue
                self._warn(error)
            self._count(status, number, uid)
        return bool(over)

    def _count(self, status: int | None, number: int, uid: str) -> None:
        with self._counting:
            known = len(self.counters.failed)
            self.counters.count(status, uid)
            self._failed += [(number, failed) for failed in self.counters.failed[known:]]

    def wait(self) -> None:
        """Wait for the open sub-operations."""
        self.wait_for_lists()
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
                return route.begin(instance, self._originator)
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
        if isinstance(error, TranscodingError):
            self.why = self.why or str(error)
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
