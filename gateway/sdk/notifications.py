"""Calls notification handlers: one thread, in the order in which notifications came.

The queue before it is bounded. When it is full the newest notifications are dropped and counted,
and the loss is told to the handlers of EVT_GAP in the place of what was lost.
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.sdk.bound_handler import BoundHandler
    from gateway.sdk.command_sender import SendCommand
    from gateway.sdk.event import Publish
    from gateway.sdk.executor import HandlerLoop

log = logging.getLogger("gateway.sdk")

QUEUE = 10_000
"""Notifications that wait for their handlers at the most."""


@dataclass(frozen=True, slots=True)
class QueuedNotification:
    """A notification on its way to the handlers."""

    topic: str
    stream: str
    seq: int
    timestamp: float
    body: dict[str, Any]
    blob: bytes = b""
    publish: Publish | None = None
    send_command: SendCommand | None = None


class NotificationThread:
    """The handlers' thread and the queue before it.

    `bound` gives the handlers of a topic at the moment of the call.
    """

    def __init__(
        self,
        bound: Callable[[str], tuple[BoundHandler, ...]],
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
        self.dropped = 0
        """Notifications that were lost for a full queue."""

    def start(self) -> None:
        self._running = True
        threading.Thread(target=self._work, name="notifications", daemon=True).start()

    def stop(self, timeout: float) -> bool:
        """Handle what is queued and end; False if that takes too long."""
        with self._changed:
            done = self._changed.wait_for(self._idle, timeout)
            self._running = False
            self._changed.notify_all()
        return done

    def _idle(self) -> bool:
        return not (self._queue or self._gaps or self._busy)

    def put(self, told: QueuedNotification) -> None:
        """Queue a notification, or count it as lost. Never blocks."""
        with self._changed:
            if len(self._queue) < self._limit:
                self._queue.extend(self._take_gaps())
                self._queue.append(told)
                self._changed.notify_all()
                return
            self.dropped += 1
            first, _ = self._gaps.get((told.stream, told.topic), (told.seq, 0))
            self._gaps[told.stream, told.topic] = (first, told.seq)

    def _take_gaps(self) -> list[QueuedNotification]:
        gaps = [_gap(*key, *span) for key, span in self._gaps.items()]
        self._gaps.clear()
        return gaps

    def _work(self) -> None:
        while (told := self._next()) is not None:
            self._tell(told)

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

    def _tell(self, told: QueuedNotification) -> None:
        for bound in self._bound(told.topic):
            event = Event(
                CATALOGUE[told.topic],
                told.body,
                blob=told.blob,
                timestamp=told.timestamp,
                publish=told.publish,
                send_command=told.send_command,
            )
            try:
                result = bound.function(event, *bound.args)
                if inspect.isawaitable(result):
                    self._loop.submit(result).result()
            except (Exception, SystemExit):
                # the handler's: the others must still be called
                log.exception("event=%s handler=%s raised", told.topic, bound.name)


def _gap(stream: str, topic: str, first: int, last: int) -> QueuedNotification:
    log.warning("topic=%s stream=%s first=%d last=%d lost: queue full", topic, stream, first, last)
    body = {"stream": stream, "topic": topic, "first": first, "last": last}
    return QueuedNotification(EVT_GAP.name, stream, 0, 0.0, body)
