"""The sockets for workers on other hosts: TCP with CURVE, in a ZeroMQ context of their own.

They have a thread of their own for input and output, so that nothing which arrives there disturbs
the workers of this host. What a message says is handled like a message of a local worker, after its
key was looked up and what the key may do: `remote_reception.py`.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

import zmq

from gateway.errors import ConfigError, FabricError
from gateway.fabric.acceptor.allowed_keys import ALLOWED_KEYS, AllowedKeys
from gateway.fabric.acceptor.authenticator import Authenticator
from gateway.fabric.acceptor.connection_watch import ConnectionWatch
from gateway.fabric.acceptor.refusals import Refusals
from gateway.fabric.wire import curve_keys
from gateway.fabric.wire.frames import topic_frame, topic_of
from gateway.fabric.wire.gateway_places import NONCE, tcp_address
from gateway.fabric.wire.sockets import (
    REQUESTS_HWM,
    Frames,
    KeyedPort,
    LoopPort,
    SendResult,
    make_server,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gateway.settings import FabricSettings

logger = logging.getLogger("gateway.fabric")

REMOTE = b"\0tcp"
"""The beginning of the names of peers on other hosts; no routing id of a local one is like it."""
_KEY = slice(len(REMOTE), len(REMOTE) + 32)
SUBSCRIPTIONS = 512
"""Subscriptions of one key at most."""
REFUSED_TOPICS = 256
"""Subscriptions of a key that are refused until it is blocked for a while, and all watchers on
other hosts connect anew."""


def key_of(peer: bytes) -> bytes:
    """Return the public key of a peer on another host."""
    return peer[_KEY]


class RemoteWorkers:
    """Takes connections of workers on other hosts; raises FabricError if it cannot.

    `receive` is called with each message: the peer, and the frames of the message. `subscribed` is
    called with a subscription, or the end of one, in the form in which a local one arrives.
    """

    def __init__(
        self,
        settings: FabricSettings,
        keys_dir: Path,
        index: int,
        receive: Callable[[bytes, Frames], None],
        subscribed: Callable[[Frames], None],
    ) -> None:
        self.refusals = Refusals()
        self._settings = settings
        self._receive = receive
        self._subscribed = subscribed
        try:
            self._at = tcp_address(settings.listen).of(index)
            self._pair = curve_keys.read(keys_dir / curve_keys.GATEWAY_KEY)
            self.keys = AllowedKeys(keys_dir / ALLOWED_KEYS)
        except ConfigError as error:
            raise FabricError(f"fabric.listen: {error}") from None
        self.refused_topics: dict[bytes, str] = {}
        """For each key, why a subscription was refused that the worker has not been told of."""
        self._subscriptions: dict[bytes, Counter[bytes]] = {}
        """Those of each key, by topic and nonce."""
        self._refused: Counter[bytes] = Counter()
        """Subscriptions of each key that were refused since the watchers connected anew."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        try:
            self._authenticator = Authenticator(self._context, self.keys, self.refusals)
            self._open_requests()
            self._open_events()
        except (FabricError, zmq.ZMQError) as error:
            self._context.destroy(linger=0)
            raise error if isinstance(error, FabricError) else FabricError(str(error)) from error
        logger.info("workers of other hosts at=%s key=%s", self._at[0], self._pair.public.hex())

    def _make(self, kind: int, hwm: int) -> zmq.Socket[bytes]:
        return make_server(self._context, kind, hwm, self._pair.secret, self._settings.heartbeat)

    def _open_requests(self) -> None:
        router = self._make(zmq.ROUTER, REQUESTS_HWM)
        self._requests_watch = self._watch(router, self._at[0])
        self._requests = LoopPort(router, 3, self._on_message, KeyedPort)

    def _open_events(self, *, again: bool = False) -> None:
        self._xpub = self._make(zmq.XPUB, self._settings.high_water_mark)
        self._events_watch = self._watch(self._xpub, self._at[1], again=again)
        self._events = LoopPort(self._xpub, 2, self._on_subscription, KeyedPort)

    def _watch(self, socket: zmq.Socket[bytes], at: str, *, again: bool = False) -> ConnectionWatch:
        limit = self._settings.connections
        return ConnectionWatch(socket, at, limit, self.refusals, again=again)

    @property
    def connections(self) -> int:
        """The number of connections that are open."""
        return self._requests_watch.open + self._events_watch.open

    def send(self, peer: bytes, frames: Sequence[bytes | memoryview]) -> bool:
        """Send a message if that is possible at once."""
        return self._requests.send((peer[_KEY.stop :], *frames)) is SendResult.DONE

    def publish(self, frames: tuple[bytes, bytes]) -> None:
        """Send a notification to those who watch its topic."""
        self._events.send(frames)

    def drain(self) -> None:
        """Handle the messages that have arrived."""
        self._requests.drain()

    def _on_message(self, frames: Frames) -> None:
        try:
            key = bytes.fromhex(bytes(frames[0]).decode())
        except ValueError:
            key = b""
        if len(key) == 32:  # the authenticator says so of each connection
            self._receive(REMOTE + key + bytes(frames[1]), frames[1:])

    # -- notifications

    def _on_subscription(self, frames: Frames) -> None:
        user, said = bytes(frames[0]), bytes(frames[1])
        name = said[1:]
        topic = topic_of(name[:-NONCE])
        if topic is None or said[0] > 1:
            if user and said[:1] == b"\1":
                self._refuse_topic(
                    bytes.fromhex(user.decode()), "a subscription is not as PROTOCOL.md says"
                )
        elif said[0] == 0:
            self._unsubscribe(name, topic, user)
        else:
            self._subscribe(name, topic, user)

    def _subscribe(self, name: bytes, topic: str, user: bytes) -> None:
        key = bytes.fromhex(user.decode())
        permission = self.keys.of(key)
        why = "it is revoked" if permission is None else permission.refusal_of_topic(topic)
        own = self._subscriptions.setdefault(key, Counter())
        if not why and own.total() >= SUBSCRIPTIONS:
            why = f"it has {SUBSCRIPTIONS} subscriptions already"
        if why:
            self.refused_topics[key] = why
            self._refuse_topic(key, why)
            return
        self._xpub.setsockopt(zmq.SUBSCRIBE, topic_frame(topic))
        own[name] += 1
        self._subscribed([b"\1" + topic_frame(topic)])

    def _unsubscribe(self, name: bytes, topic: str, user: bytes) -> None:
        """Take the end of a subscription: of one that was granted, nobody else knows the nonce."""
        own = next((each for each in self._subscriptions.values() if name in each), None)
        if own is None:
            return
        if user:  # not the end of the connection, which needs no help
            self._xpub.setsockopt(zmq.UNSUBSCRIBE, topic_frame(topic))
        own[name] -= 1
        if not own[name]:
            del own[name]
        self._subscribed([b"\0" + topic_frame(topic)])

    def _refuse_topic(self, key: bytes, why: str) -> None:
        self.refusals.add("topic", f"key={key.hex()} {why}")
        self._refused[key] += 1
        if self._refused[key] >= REFUSED_TOPICS:  # ZeroMQ keeps each of them
            self.keys.block(key)
            self.reopen_events()

    def forget_unwatchable(self) -> None:
        """Cut off the watchers whose keys do not permit what they watch any more."""
        for key, own in self._subscriptions.items():
            permission = self.keys.of(key)
            topics = [topic_of(name[:-NONCE]) or "" for name in own]
            if topics and (permission is None or any(map(permission.refusal_of_topic, topics))):
                self.reopen_events()
                return

    def reopen_events(self) -> None:
        """Have all watchers connect anew, so that what they were refused or lost is forgotten."""
        self._refused.clear()
        self._events_watch.close()
        self._events.close(0)
        ended, self._subscriptions = self._subscriptions, {}
        for name in [name for own in ended.values() for name in own.elements()]:
            self._subscribed([b"\0" + name[:-NONCE]])
        self._open_events(again=True)

    def close(self, grace: float) -> None:
        """Close the sockets; `term` then waits until what was sent has left."""
        for watch in (self._requests_watch, self._events_watch):
            watch.close()
        self._events.close(grace)
        self._requests.close(grace)
        self._authenticator.close()

    def term(self) -> None:
        """Wait until the sockets are closed; this blocks."""
        self._context.term()
