"""A client's connection to one acceptor."""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING

from gateway.fabric.wire.sockets import REQUESTS_HWM, SendResult, SocketPort
from gateway.fabric.worker.connection_events import ConnectionEvents
from gateway.fabric.worker.gaps import Tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import zmq

    from gateway.fabric.wire.envelopes import Envelope
    from gateway.fabric.wire.gateway_places import ReachableAcceptor


class Stage(Enum):
    """The stage of a client's registration with one acceptor."""

    IDLE = auto()
    """No lease; REGISTER is to be sent."""
    ASKED = auto()
    """REGISTER is on its way."""
    REFUSED = auto()
    """REGISTER is sent again at the next heartbeat."""
    GRANTED = auto()
    SUPERSEDED = auto()
    ENDED = auto()
    """The acceptor ended the lease."""


class Link:
    """The two sockets, the lease and the numbers of one acceptor.

    Any thread may post; everything else belongs to the client's.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: ReachableAcceptor,
        hwm: int,
        wake: Callable[[SocketPort], None],
    ) -> None:
        self.address = address
        self.name = address.name
        self.max_data = address.max_data
        dealer = address.requests_socket(context, REQUESTS_HWM)
        sub, port = address.events_socket(context, hwm)
        self.requests = SocketPort(dealer, 1, lambda: wake(self.requests))
        self.events = port(sub, 2, lambda: wake(self.events))
        self.connection = ConnectionEvents(dealer) if address.max_data else None
        """What becomes of the connection to another host; None: it is on this one."""
        address.connect(dealer, sub)
        self.stage = Stage.IDLE
        self.lease = ""
        self.connected_at = 0.0
        self.heard = 0.0
        self.watched: frozenset[str] | None = None
        """The topics that have a watcher there; None: unknown."""
        self.revision = 0
        """The events of the registration that was granted."""
        self.topics: set[str] = set()
        self.confirmed: set[str] = set()
        self.trackers: dict[str, Tracker] = {}
        self._outbox: deque[Sequence[bytes | memoryview]] = deque()

    def post(self, envelope: Envelope, data: bytes | memoryview | None = None) -> None:
        """Send an envelope, or queue it while the acceptor does not read."""
        header = envelope.encode()
        self.post_frames([header] if data is None else [header, data])

    def post_frames(self, frames: Sequence[bytes | memoryview]) -> None:
        """Send an encoded message, or queue it while the acceptor does not read."""
        if self._outbox or self.requests.send(frames) is SendResult.FULL:
            self._outbox.append(frames)

    def offer(self, envelope: Envelope) -> bool:
        """Send an envelope if that is possible at once; return False if it is dropped."""
        return not self._outbox and self.requests.send((envelope.encode(),)) is SendResult.DONE

    def flush(self) -> None:
        """Send what is queued."""
        while self._outbox and self.requests.send(self._outbox[0]) is not SendResult.FULL:
            self._outbox.popleft()

    def follow(self, topics: set[str], patience: float, history: int = 0) -> None:
        """Subscribe to exactly these topics; `history`: earlier notifications to ask for."""
        for topic in topics - self.topics:
            self.trackers[topic] = Tracker(patience, history)
            self.events.subscribe(self.address.subscription(topic))
        for topic in self.topics - topics:
            del self.trackers[topic]
            self.events.unsubscribe(self.address.subscription(topic))
        self.topics = set(topics)
        self.confirmed &= topics

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.requests.close(0)
        self.events.close(0)
