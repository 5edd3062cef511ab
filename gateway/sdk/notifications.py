"""Call notification handlers in one thread, in the order in which notifications arrived.

The queue of that thread is bounded. When it is full, the newest notifications are dropped and
counted, and the handlers of EVT_GAP are called in the place of what was lost.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.events import CATALOGUE, EVT_GAP
from gateway.sdk.event import Event
from gateway.sdk.handler_errors import log_raised

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.sdk.bound_handler import BoundHandler
    from gateway.sdk.command_sender import SendCommand
    from gateway.sdk.event import Publish
    from gateway.sdk.executor import HandlerLoop

log = logging.getLogger("gateway.sdk")

QUEUE = 10_000
"""Notifications that may wait for their handlers."""


@dataclass(frozen=True, slots=True)
class QueuedNotification:
    """A notification that waits for its handlers."""

    topic: str
    stream: str
    seq: int
    timestamp: float
    body: dict[str, Any]
    blob: bytes = b""
    publish: Publish | None = None
    send_command: SendCommand | None = None


class NotificationThread:
    """The thread and its queue.

    `bound` returns the handlers of a topic at the moment of the call.
    """

    def __init__(
        self,
        bound: Callable[[str, bytes], tuple[BoundHandler, ...]],
        *,
        loop: HandlerLoop,
        limit: int = QUEUE,
    ) -> None:
        self._bound = bound
        self._loop = loop
        self._limit = limit
        self._queue: deque[QueuedNotification] = deque()
        self._gaps: dict[tuple[str, str], tuple[int, int]] = {}
        self._changed = threading.Condition()
        self._running = False
        self._busy = False
        self.lost = 0
        """Notifications that were lost: the queue was full, or they did not arrive."""

    def start(self) -> None:
        self._running = True
        threading.Thread(target=self._work, name="notifications", daemon=True).start()

    def stop(self, timeout: float) -> bool:
        """Handle what is queued, and end; False if that takes longer than `timeout` seconds."""
        with self._changed:
            done = self._changed.wait_for(self._idle, timeout)
            self._running = False
            self._changed.notify_all()
        return done

    def _idle(self) -> bool:
        return not (self._queue or self._gaps or self._busy)

    def put(self, notification: QueuedNotification) -> None:
        """Queue a notification, or count it as lost. Never blocks."""
        with self._changed:
            if notification.topic == EVT_GAP.name:
                self.lost += notification.body["last"] - notification.body["first"] + 1
            if len(self._queue) < self._limit:
                self._queue.extend(self._take_gaps())
                self._queue.append(notification)
                self._changed.notify_all()
                return
            self.lost += 1
            first, _ = self._gaps.get(
                (notification.stream, notification.topic), (notification.seq, 0)
            )
            self._gaps[notification.stream, notification.topic] = (first, notification.seq)

    def _take_gaps(self) -> list[QueuedNotification]:
        gaps = [_gap(*key, *span) for key, span in self._gaps.items()]
        self._gaps.clear()
        return gaps

    def _work(self) -> None:
        while (notification := self._next()) is not None:
            self._notify(notification)

    def _next(self) -> QueuedNotification | None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._queue or self._gaps or not self._running)
            if not self._running:
                return None
            if not self._queue:  # nothing came since the loss
                self._queue.extend(self._take_gaps())
            self._busy = True
            return self._queue.popleft()

    def _notify(self, notification: QueuedNotification) -> None:
        for bound in self._bound(notification.topic, notification.blob):
            event = Event(
                CATALOGUE[notification.topic],
                notification.body,
                blob=notification.blob,
                timestamp=notification.timestamp,
                publish=notification.publish,
                send_command=notification.send_command,
            )
            try:
                result = bound.function(event, *bound.args)
                if inspect.isawaitable(result):
                    self._loop.submit(result).result()
            except BaseException as error:
                # an error of one handler: the others must still be called
                log_raised(error, notification.topic, bound.name)


def _gap(stream: str, topic: str, first: int, last: int) -> QueuedNotification:
    log.warning("topic=%s stream=%s first=%d last=%d lost: queue full", topic, stream, first, last)
    body = {"stream": stream, "topic": topic, "first": first, "last": last}
    return QueuedNotification(EVT_GAP.name, stream, 0, 0.0, body)
