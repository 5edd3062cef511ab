"""The queue between the thread that receives notifications and the one that prints them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from gateway.events import EVT_GAP

if TYPE_CHECKING:
    from gateway.fabric import LeaseState, Notification

LIMIT = 64 * 1024 * 1024
"""Bytes in the queue; beyond it, the newest notifications are dropped."""
_OVERHEAD = 1024
"""Bytes that a notification counts in addition to its values."""


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """The acceptors of the gateway were lost or found again, or ended the subscription."""

    state: LeaseState
    detail: str


class NotificationQueue:
    """A bounded queue that never blocks the thread that receives.

    When the output is read too slowly, the newest notifications are dropped, and a gap notification
    takes their place.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._queue: SimpleQueue[Notification | ConnectionChange | None] = SimpleQueue()
        self._put = 0
        self._taken = 0
        self._dropped: dict[tuple[str, str], tuple[int, int]] = {}
        self._lock = threading.Lock()

    def put(self, item: ConnectionChange | None) -> None:
        """Add a change; None only wakes the reader. May be called by a signal handler."""
        self._queue.put(item)

    def notify(self, notification: Notification) -> None:
        """Add a notification, or drop it if the queue is full."""
        size = _size(notification)
        if self._put - self._taken + size > self._limit:
            key = notification.stream, notification.topic
            with self._lock:
                first, _ = self._dropped.get(key, (notification.seq, 0))
                self._dropped[key] = (first, notification.seq)
            return
        for gap in self._gaps():
            self._queue.put(gap)
        self._put += size
        self._queue.put(notification)

    def take(self, timeout: float) -> list[Notification | ConnectionChange]:
        """Wait until there is something or the time is over; return everything there is."""
        items: list[Notification | ConnectionChange | None] = []
        try:
            items.append(self._queue.get(timeout=timeout))
            while True:
                items.append(self._queue.get_nowait())
        except Empty:
            items += [] if items else self._gaps()
        taken = [item for item in items if item is not None]
        self._taken += sum(_size(item) for item in taken if not isinstance(item, ConnectionChange))
        return taken

    def _gaps(self) -> list[Notification]:
        from gateway.fabric import Notification

        with self._lock:
            dropped, self._dropped = self._dropped, {}
        return [
            Notification(EVT_GAP.name, stream, 0, time.time(), _gap(stream, topic, *span))
            for (stream, topic), span in dropped.items()
        ]


def _gap(stream: str, topic: str, first: int, last: int) -> dict[str, Any]:
    return {"stream": stream, "topic": topic, "first": first, "last": last}


def _size(notification: Notification) -> int:
    """Return about as many bytes as it takes; 0 for a gap, which must always fit."""
    if notification.topic == EVT_GAP.name:
        return 0
    values = (notification.assoc, *notification.body.values())
    return _OVERHEAD + sum(len(value) for value in values if isinstance(value, bytes))
