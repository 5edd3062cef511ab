"""The messages of members: each is a stimulus of the registry, the commands or the feed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from gateway.errors import FabricError
from gateway.fabric.wire import address, envelopes
from gateway.fabric.wire.frames import VERSION, split_data
from gateway.fabric.wire.terms import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.fabric.acceptor.commands import OpenCommands
    from gateway.fabric.acceptor.effects import Effect
    from gateway.fabric.acceptor.feed import Feed
    from gateway.fabric.acceptor.registry import Registry
    from gateway.fabric.wire.sockets import Frames

logger = logging.getLogger("gateway.fabric")


class EffectPerformer(Protocol):
    """The part of the server that the reception calls."""

    def do(self, effects: list[Effect]) -> None: ...
    def send(self, peer: bytes, *frames: bytes | memoryview) -> bool: ...
    def publish(self, topic: str, body: dict[str, Any], assoc: bytes = b"") -> None: ...


class Reception:
    """Takes every message of the requests socket."""

    def __init__(
        self,
        registry: Registry,
        commands: OpenCommands,
        feed: Feed,
        server: EffectPerformer,
        clock: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._commands = commands
        self._feed = feed
        self._server = server
        self._clock = clock
        self._place = address.place()
        self.may_publish: Callable[[bytes], Callable[[str], bool] | None] = lambda _peer: None
        """Returns which topics a peer may publish; None: all of them."""
        self._take: dict[type[envelopes.Envelope], Callable[[bytes, Any, Any], None]] = {
            envelopes.Answered: self._on_answered,
            envelopes.Heartbeat: self._on_heartbeat,
            envelopes.Register: self._on_register,
            envelopes.Bye: self._on_bye,
            envelopes.Publish: self._on_publish,
            envelopes.Replay: self._on_replay,
            envelopes.NextGeneration: self._on_next_generation,
            envelopes.Command: self._on_command,
            envelopes.CommandCancel: self._on_command_cancel,
            envelopes.Extend: self._on_extend,
        }

    def receive(self, frames: Frames) -> None:
        """Take one message: the peer, the envelope, and perhaps a data frame."""
        peer = bytes(frames[0])
        if (envelope := self.decode(peer, frames)) is not None:
            self.take(peer, envelope, frames[2] if len(frames) == 3 else None)

    def decode(self, peer: bytes, frames: Frames) -> envelopes.Envelope | None:
        """Return the envelope of a message; None if it is none of a worker, which is counted.

        A worker of the next version may send kinds that are not known here.
        """
        try:
            if not 2 <= len(frames) <= 3:
                raise FabricError(f"{len(frames)} frames")
            envelope = envelopes.decode(frames[1])
        except envelopes.UnknownKind as error:
            member = self._registry.members.get(peer)
            if member is None or member.register.version <= VERSION:
                self.fault(peer, error)
        except FabricError as error:
            self.fault(peer, error)
        else:
            return envelope
        return None

    def take(self, peer: bytes, envelope: envelopes.Envelope, data: Any) -> None:
        """Handle an envelope with its data frame, if it has one."""
        take = self._take.get(type(envelope))
        if take is None:
            name = type(envelope).__name__
            self.fault(peer, FabricError(f"{name} is not an envelope of a worker"))
        else:
            take(peer, envelope, data)

    def tell_what_is_watched(self, peer: bytes) -> None:
        """Send the watched topics to a member, before any request that follows."""
        if peer in self._registry.members:
            wanted = sorted(filter(self.may_publish(peer), self._feed.wanted))
            self.post(peer, envelopes.WatchedTopics(tuple(wanted)))

    def end(self, peer: bytes) -> None:
        """End the lease of a peer that has no right to one any more."""
        member = self._registry.members.get(peer)
        if member is not None:
            self.post(peer, envelopes.End(member.lease, "its key was revoked or blocked"))
            self._server.do(self._registry.gone(peer, self._clock()))

    def fault(self, peer: bytes, error: FabricError) -> None:
        logger.warning("undecodable message peer=%s error=%r", peer.hex(), str(error))
        self._server.do(self._registry.fault(peer, self._clock()))

    def post(self, peer: bytes, envelope: envelopes.Envelope) -> None:
        self._server.send(peer, envelope.encode())

    def _on_answered(
        self, peer: bytes, envelope: envelopes.Answered, frame: memoryview | None
    ) -> None:
        try:
            sets = split_data([item[-1] for item in envelope.items], frame)
        except FabricError as error:
            self.fault(peer, error)
            return
        answers = [
            (token, Answer(payload, None if data is None else bytes(data), final))
            for (token, final, payload, _), data in zip(envelope.items, sets, strict=True)
        ]
        self._server.do(self._registry.answer(peer, answers, self._clock()))

    def _on_heartbeat(self, peer: bytes, envelope: envelopes.Heartbeat, _data: object) -> None:
        self._server.do(self._registry.heartbeat(peer, envelope.lease, self._clock()))

    def _on_register(self, peer: bytes, envelope: envelopes.Register, _data: object) -> None:
        local = bool(self._place) and envelope.place == self._place
        self._server.do(self._registry.register(peer, envelope, self._clock(), local=local))
        self.tell_what_is_watched(peer)

    def _on_bye(self, peer: bytes, envelope: envelopes.Bye, _data: object) -> None:
        self._server.do(self._registry.bye(peer, envelope.lease, self._clock()))

    def _on_publish(self, peer: bytes, envelope: envelopes.Publish, _data: object) -> None:
        if peer not in self._registry.members:
            self.post(peer, envelopes.Unknown(""))
        elif self._feed.knows(envelope.topic):
            self._server.publish(envelope.topic, envelope.body, envelope.assoc)
        else:
            self._server.do(self._registry.fault(peer, self._clock()))

    def _on_replay(self, peer: bytes, envelope: envelopes.Replay, _data: object) -> None:
        end, kept = self._feed.replay(envelope)
        repeat = envelopes.Repeat(envelope.topic).encode()
        if all(self._server.send(peer, repeat, encoded) for encoded in kept):
            self.post(
                peer, envelopes.Replayed(envelope.topic, envelope.stream, envelope.first, end)
            )

    def _on_next_generation(
        self, peer: bytes, envelope: envelopes.NextGeneration, _data: object
    ) -> None:
        promised = self._registry.generations.promise(envelope.worker)
        self.post(peer, envelopes.Generation(envelope.worker, promised))

    def _on_command(
        self, peer: bytes, envelope: envelopes.Command, data: memoryview | None
    ) -> None:
        whole = None if data is None else bytes(data)
        self._commands.take(peer, envelope, whole, member=peer in self._registry.members)

    def _on_command_cancel(
        self, peer: bytes, envelope: envelopes.CommandCancel, _data: object
    ) -> None:
        self._commands.cancel(peer, envelope.command)

    def _on_extend(self, peer: bytes, envelope: envelopes.Extend, _data: object) -> None:
        self._registry.extend(peer, envelope.token, self._clock())
