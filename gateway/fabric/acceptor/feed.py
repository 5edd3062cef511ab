"""The acceptor's notifications: subscriptions, sequence numbers, and a ring for replay."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from gateway.fabric.wire.envelopes import Beacon, Notified, Replay
from gateway.fabric.wire.frames import topic_frame, topic_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

RING_BYTES = 4 * 1024 * 1024
"""Bytes of notifications kept for replay of one topic; their number is limited as well."""
REPEATS = 256
"""Notifications repeated for one REPLAY."""


class Ring:
    """The last notifications of one topic, bounded in number and bytes."""

    def __init__(self, topic: str, limit: int) -> None:
        self.frame = topic_frame(topic)
        self.seq = 0
        self._limit = limit
        self._kept: deque[bytes] = deque()
        self._bytes = 0

    def keep(self, encoded: bytes) -> None:
        self._kept.append(encoded)
        self._bytes += len(encoded)
        while len(self._kept) > self._limit or self._bytes > RING_BYTES:
            self._bytes -= len(self._kept.popleft())

    def between(self, first: int, last: int) -> tuple[int, list[bytes]]:
        """Return what is kept of `first` to `last`, and the number up to which it is complete."""
        oldest = self.seq - len(self._kept) + 1
        begin = max(first, oldest)
        end = min(last, self.seq, begin + REPEATS - 1)
        kept = [self._kept[seq - oldest] for seq in range(begin, end + 1)]
        return (end if kept else last), kept


class Feed:
    """Publishes through `send`, which never waits."""

    def __init__(
        self,
        stream: str,
        topics: Collection[str],
        limit: int,
        send: Callable[[tuple[bytes, bytes]], object],
    ) -> None:
        self.stream = stream
        self.wanted: set[str] = set()
        self._send = send
        self._rings = {topic: Ring(topic, limit) for topic in topics}
        self._watchers: Counter[str] = Counter()

    def also_send(self, send: Callable[[tuple[bytes, bytes]], object]) -> None:
        """Publish through a second function as well."""
        first = self._send

        def both(frames: tuple[bytes, bytes]) -> None:
            first(frames)
            send(frames)

        self._send = both

    def knows(self, topic: str) -> bool:
        return topic in self._rings

    def subscription(self, frame: bytes | memoryview) -> bool:
        """Take what XPUB received; True if the wanted topics changed.

        A beacon confirms the subscription to the new watcher, with the last number.
        """
        frame = bytes(frame)
        topic = topic_of(frame[1:])
        if topic not in self._rings or frame[0] > 1:
            return False
        if frame[0] == 0:
            self._watchers[topic] -= self._watchers[topic] > 0
        else:
            self._watchers[topic] += 1
            self.beacon(topic)
        wanted = {t for t, watchers in self._watchers.items() if watchers > 0}
        changed, self.wanted = wanted != self.wanted, wanted
        return changed

    def publish(self, topic: str, body: dict[str, Any], assoc: bytes, timestamp: float) -> None:
        """Number, send and keep; raises FabricError for a body that cannot be encoded."""
        ring = self._rings[topic]
        encoded = Notified(self.stream, ring.seq + 1, timestamp, body, assoc).encode()
        ring.seq += 1
        ring.keep(encoded)
        self._send((ring.frame, encoded))

    def beacon(self, topic: str) -> None:
        ring = self._rings[topic]
        self._send((ring.frame, Beacon(self.stream, ring.seq).encode()))

    def beacons(self) -> None:
        """Publish the last number of each wanted topic, so that watchers notice what they lost."""
        for topic in self.wanted:
            self.beacon(topic)

    def replay(self, asked: Replay) -> tuple[int, list[bytes]]:
        """Return the encoded notifications that are still kept, and the last number looked at."""
        ring = self._rings.get(asked.topic)
        if ring is None or asked.stream != self.stream:
            return asked.last, []
        return ring.between(asked.first, asked.last)
