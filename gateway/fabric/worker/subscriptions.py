"""The watcher's side of notifications: subscriptions, gaps, replay."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from gateway.errors import FabricError
from gateway.events import EVT_GAP
from gateway.fabric.wire import envelopes
from gateway.fabric.wire.frames import topic_of
from gateway.fabric.wire.terms import Notification
from gateway.fabric.worker.gaps import Ask, Emit, Gap, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.fabric.wire.sockets import Frames
    from gateway.fabric.worker.gaps import Tracker
    from gateway.fabric.worker.link import Link

logger = logging.getLogger("gateway.fabric")


class Subscriptions:
    """Hands notifications on in order, and reports a gap where some are lost."""

    def __init__(self, notify: Callable[[Notification], None]) -> None:
        self._notify = notify
        self.topics: set[str] = set()
        self.history = 0
        """Earlier notifications of each topic that are asked for at the start."""
        self.news = threading.Condition()
        """Notified when an acceptor confirmed a subscription."""
        self.on_confirmed: Callable[[], None] = lambda: None
        self.take: dict[type[envelopes.Envelope], Callable[[Link, Any, Any], None]] = {
            envelopes.Repeat: self._on_repeat,
            envelopes.Replayed: self._on_replayed,
            envelopes.WatchedTopics: self._on_watched,
        }

    def confirmed(self, links: Iterable[Link]) -> bool:
        """Return whether each of the acceptors knows of every subscription."""
        return all(self.topics <= link.confirmed for link in links)

    def tick(self, links: Iterable[Link], now: float) -> None:
        for link in links:
            for topic, tracker in list(link.trackers.items()):
                self._do(link, topic, tracker.tick(now))

    def on_message(self, link: Link, frames: Frames) -> None:
        """Handle a message of the events socket."""
        link.heard = now = time.monotonic()
        topic = topic_of(bytes(frames[0]))
        tracker = None if topic is None else link.trackers.get(topic)
        if topic is None or tracker is None or len(frames) != 2:
            return
        envelope = _decoded(frames[1])
        if isinstance(envelope, envelopes.Notified):
            self._do(link, topic, tracker.notified(envelope, now))
        elif isinstance(envelope, envelopes.Beacon):
            self._do(link, topic, tracker.beacon(envelope, now))
            self._confirm(link, topic, tracker)

    def _on_repeat(self, link: Link, envelope: envelopes.Repeat, data: memoryview | None) -> None:
        tracker = link.trackers.get(envelope.topic)
        notified = None if data is None else _decoded(data)
        if tracker is not None and isinstance(notified, envelopes.Notified):
            steps = tracker.notified(notified, time.monotonic())
            self._do(link, envelope.topic, steps)

    def _on_replayed(self, link: Link, envelope: envelopes.Replayed, _data: object) -> None:
        tracker = link.trackers.get(envelope.topic)
        if tracker is not None:
            now = time.monotonic()
            self._do(link, envelope.topic, tracker.replayed(envelope.stream, envelope.last, now))
            self._confirm(link, envelope.topic, tracker)

    def _on_watched(self, link: Link, envelope: envelopes.WatchedTopics, _data: object) -> None:
        link.watched = frozenset(envelope.topics)

    def _confirm(self, link: Link, topic: str, tracker: Tracker) -> None:
        """Note that the subscription is in effect and that earlier notifications have arrived."""
        if topic not in link.confirmed and (tracker.is_current or not self.history):
            with self.news:
                link.confirmed.add(topic)
                self.news.notify_all()
            self.on_confirmed()

    def _do(self, link: Link, topic: str, steps: list[Step]) -> None:
        for step in steps:
            match step:
                case Emit(n):
                    self._notify(Notification(topic, n.stream, n.seq, n.timestamp, n.body, n.assoc))
                case Ask(stream, first, last):
                    link.offer(envelopes.Replay(topic, stream, first, last))
                case Gap(stream, first, last):
                    body = {"stream": stream, "topic": topic, "first": first, "last": last}
                    self._notify(Notification(EVT_GAP.name, stream, 0, time.time(), body))


def _decoded(frame: bytes | memoryview) -> envelopes.Envelope | None:
    try:
        return envelopes.decode(frame)
    except FabricError as error:
        logger.warning("undecodable notification error=%r", str(error))
        return None
