"""All that an acceptor has for workers on other hosts, behind one object that its server calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.fabric.acceptor.claim_chunks import ClaimChunks, travelling
from gateway.fabric.acceptor.remote_reception import RemoteReception
from gateway.fabric.acceptor.remote_workers import REMOTE, RemoteWorkers, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gateway.fabric.acceptor.feed import Feed
    from gateway.fabric.acceptor.reception import Reception
    from gateway.fabric.acceptor.registry import Registry
    from gateway.fabric.wire.envelopes import Chunk
    from gateway.fabric.wire.sockets import Frames
    from gateway.settings import FabricSettings


class RemoteSide:
    """The workers on other hosts of one acceptor; raises FabricError if it cannot listen."""

    def __init__(
        self,
        settings: FabricSettings,
        place: tuple[Path, int],
        registry: Registry,
        reception: Reception,
        feed: Feed,
        subscribed: Callable[[Frames], None],
    ) -> None:
        """`place`: the run directory and the number of the acceptor."""
        run_dir, index = place
        self._registry = registry
        self._reception = reception
        self._chunks = ClaimChunks(registry, self._send_chunk)
        keys_dir = settings.keys_dir(run_dir)
        self._workers = RemoteWorkers(settings, keys_dir, index, self._receive, subscribed)
        self._remote = RemoteReception(reception, self._workers, self._chunks, run_dir)
        self._revision = self._workers.keys.revision
        reception.may_publish = self._may_publish
        feed.also_send(self._workers.publish)

    def has(self, peer: bytes) -> bool:
        """Return whether a peer is on another host."""
        return peer.startswith(REMOTE)

    def send(self, peer: bytes, frames: Sequence[bytes | memoryview]) -> bool:
        """Send a message if that is possible at once."""
        return self._workers.send(peer, frames)

    def payload_of(self, peer: bytes) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
        """Return what makes the payload of a request for a peer; None: it is sent as it is."""
        return travelling if self.has(peer) else None

    def refresh(self) -> None:
        """Read the list of keys again if it has changed; end what is not permitted any more."""
        keys = self._workers.keys
        keys.refresh()
        if keys.revision == self._revision:
            return
        self._revision = keys.revision
        for peer, member in list(self._registry.members.items()):
            if self.has(peer):
                permission = keys.of(key_of(peer))
                if permission is None or permission.refusal(member.register):
                    self._reception.end(peer)
        self._workers.forget_unwatchable()

    def drain(self) -> None:
        """Handle the messages that have arrived."""
        self._workers.drain()

    def lose(self, peer: bytes) -> None:
        """Forget a member whose lease has ended."""
        self._chunks.lose(peer)

    def facts(self) -> dict[str, Any]:
        """Return the number of connections, and what was refused, by kind."""
        refused = dict(self._workers.refusals.counts)
        return {"connections": self._workers.connections, "refused": refused}

    def close(self, grace: float) -> None:
        """Close the sockets."""
        self._chunks.close()
        self._workers.close(grace)

    def term(self) -> None:
        """Wait until what was sent has left; this blocks."""
        self._workers.term()

    def _receive(self, peer: bytes, frames: Frames) -> None:
        self._remote.receive(peer, frames)

    def _send_chunk(self, peer: bytes, chunk: Chunk, data: bytes | None) -> None:
        self._workers.send(peer, (chunk.encode(), *(() if data is None else (data,))))

    def _may_publish(self, peer: bytes) -> Callable[[str], bool] | None:
        if not self.has(peer):
            return None
        permission = self._workers.keys.of(key_of(peer))
        return (lambda _topic: False) if permission is None else permission.may_publish
