"""The instances of lists that a C-MOVE handler yields: sent in the thread of the associations.

The handler's thread puts them in and goes on to the next list. Lanes take them out in the
associations' thread, as many for each association as C-STOREs may be in flight on it. So an
instance follows the response to the one before in the same turn of the loop, and no thread waits
for each. Files that are in the page cache are read there, right before they are sent; from the
first one on that is not, the handler's thread reads them when it puts them in. A lane ends when the
queue is empty or its association has ended; the handler's thread then starts others
(`gateway.sdk.move.in_flight`).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gateway.association.errors import NotAccepted
from gateway.datasets.instances import CAN_READ_CACHED, SLOW, read_cached
from gateway.errors import LocalProtocolError
from gateway.sdk.move.destination import IN_MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.datasets import Instance
    from gateway.requestor.requestor_association import RequestorAssociation

    Originator: TypeAlias = tuple[str, int] | None

FEW = 16
"""Instances that are left when the handler is asked for the next list."""
MOST_BYTES = 2 * 1024 * 1024
"""Bytes in memory up to which another instance is put in."""


class QueuedStore(NamedTuple):
    """An instance to be sent, and its number among those of the C-MOVE."""

    number: int
    instance: Instance


Outcome: TypeAlias = "int | Exception"
"""The status of a response, or why there is none."""


class StoreQueue:
    """The queue of one C-MOVE.

    `counted` is called with each outcome, in the associations' thread; once `is_over` returns True,
    nothing more is begun.
    """

    def __init__(
        self, counted: Callable[[QueuedStore, Outcome], None], is_over: Callable[[], bool]
    ) -> None:
        self._counted = counted
        self._is_over = is_over
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting: deque[QueuedStore] = deque()
        self._unfit: list[QueuedStore] = []
        """Instances for which an association has no context."""
        self._lanes = 0
        self._bytes = 0
        self.takes_files = CAN_READ_CACHED
        """Whether files may be put in that are not read."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def first(self) -> QueuedStore | None:
        """The next instance to be sent, if there is one."""
        with self._changed:
            return self._waiting[0] if self._waiting else None

    @property
    def is_attended(self) -> bool:
        """Whether there is a lane."""
        return self._lanes > 0

    @property
    def unattended(self) -> int:
        """The number of instances above that of the lanes."""
        return len(self._waiting) - self._lanes

    @property
    def is_full(self) -> bool:
        """Whether enough bytes are in memory."""
        return self._bytes >= MOST_BYTES

    # the handler's thread

    def put(self, store: QueuedStore) -> None:
        with self._lock:
            self._waiting.append(store)
            self._bytes += _bytes_of(store)

    def begin_lane(self) -> None:
        """Count a lane that is about to start: `send_over`, and `end_lane` after it."""
        with self._changed:
            self._lanes += 1

    def wait_until(self, most: int) -> None:
        """Wait until at most so many are left, and few bytes, or no lane takes any; 0: all ended.

        A lane that ends may leave some in the queue: then others have to be started.
        """

        def is_so() -> bool:
            if not self._lanes:
                return True
            return most > 0 and len(self._waiting) <= most and not self.is_full

        with self._changed:
            self._changed.wait_for(is_so)

    def take_unfit(self) -> list[QueuedStore]:
        """Return the instances for which an association has no context, and forget them."""
        unfit, self._unfit = self._unfit, []
        return unfit

    def take_all(self) -> list[QueuedStore]:
        """Return what is left, and forget it."""
        with self._changed:
            left = list(self._waiting)
            self._waiting.clear()
            self._bytes = 0
        return left

    # the associations' thread

    async def send_over(self, association: RequestorAssociation, originator: Originator) -> None:
        """Send one after the other, until there are none or the association has ended.

        What is in memory leaves in the turn of the loop in which the response to the one before
        arrives; this coroutine goes on only for what takes longer.
        """
        loop = asyncio.get_running_loop()
        while True:
            rest: asyncio.Future[QueuedStore | None] = loop.create_future()
            self._send_next(association, originator, rest)
            store = await rest
            if store is None:
                return
            await self._send(association, store, originator)

    def _send_next(
        self,
        association: RequestorAssociation,
        originator: Originator,
        rest: asyncio.Future[QueuedStore | None],
    ) -> None:
        """Send the next instance at once, and go on with its response.

        `rest` gets one that cannot be sent at once; None: there are no more.
        """

        def answered(outcome: Outcome) -> None:
            try:
                self._counted(store, outcome)
                self._send_next(association, originator, rest)
            except Exception as error:
                if not rest.done():
                    rest.set_exception(error)
                raise

        while association.ended is None and (found := self._take()) is not None:
            store = found
            try:
                data = self._data_of(store.instance)
                if not association.c_store_now(
                    store.instance, answered, originator=originator, data=data
                ):
                    _give(rest, store)
                return
            except NotAccepted:
                self._unfit.append(store)
            except LocalProtocolError as error:  # this sub-operation failed, the others continue
                self._counted(store, error)
        _give(rest, None)

    def _data_of(self, instance: Instance) -> bytes | bytearray | None:
        """Return the data set of an instance that is in memory; None if that takes a thread."""
        if instance.data is not None or not self.takes_files or instance.path is None:
            return instance.data
        if instance.size > IN_MEMORY or instance.is_padded:
            return None
        begun = time.monotonic()
        try:
            return read_cached(instance.path, instance.offset, instance.size)
        except BlockingIOError:
            self.takes_files = False
            return None
        except OSError:  # the error comes when it is sent
            return None
        finally:
            self.takes_files = self.takes_files and time.monotonic() - begun < SLOW

    def end_lane(self) -> None:
        """Count a lane that has ended, for whatever reason."""
        with self._changed:
            self._lanes -= 1
            self._changed.notify_all()

    async def _send(
        self, association: RequestorAssociation, store: QueuedStore, originator: Originator
    ) -> None:
        outcome: Outcome
        try:
            outcome = (await association.c_store(store.instance, originator=originator)).status
        except NotAccepted:
            self._unfit.append(store)
            return
        except Exception as error:  # this sub-operation failed, the others continue
            outcome = error
        self._counted(store, outcome)

    def _take(self) -> QueuedStore | None:
        with self._lock:
            if self._is_over():
                self._waiting.clear()
            if not self._waiting:
                return None
            was_full, store = self.is_full, self._waiting.popleft()
            self._bytes -= _bytes_of(store)
            left = len(self._waiting)
            if left == FEW or (left < FEW and was_full):  # else nobody waits, or not for this
                self._changed.notify_all()
        return store


def _give(rest: asyncio.Future[QueuedStore | None], store: QueuedStore | None) -> None:
    if not rest.done():  # cancelled
        rest.set_result(store)


def _bytes_of(store: QueuedStore) -> int:
    return len(store.instance.data or b"")
