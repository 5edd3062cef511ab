"""The messages of workers on other hosts: what a key may not do is refused, counted and told.

What is permitted is handled as a message of a local worker. Three things differ: a process id of
another host means nothing, a path on it as little, and its data sets travel in chunks.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway.errors import FabricError
from gateway.fabric.acceptor.remote_workers import key_of
from gateway.fabric.wire import address, envelopes
from gateway.fabric.wire.envelopes import Refusal
from gateway.fabric.wire.fields import MAX_NAME
from gateway.fabric.wire.terms import CommandFailure

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.fabric.acceptor.allowed_keys import KeyPermission
    from gateway.fabric.acceptor.claim_chunks import ClaimChunks
    from gateway.fabric.acceptor.reception import Reception
    from gateway.fabric.acceptor.remote_workers import RemoteWorkers
    from gateway.fabric.wire.sockets import Frames

LOOK = 0.1
"""Seconds between two looks for other acceptors: each connects to all of them."""
_NO_FILE = {"failed": "encoding", "error": "a worker on another host cannot name files of this one"}


class RemoteReception:
    """Takes every message of the requests socket for other hosts."""

    def __init__(
        self, reception: Reception, remote: RemoteWorkers, chunks: ClaimChunks, run_dir: Path
    ) -> None:
        self._reception = reception
        self._remote = remote
        self._chunks = chunks
        self._run_dir = run_dir
        self._numbers: tuple[int, ...] = ()
        self._look_again = 0.0

    def receive(self, peer: bytes, frames: Frames) -> None:
        """Take one message: the routing id, the envelope, and perhaps a data frame."""
        permission = self._remote.keys.of(key_of(peer))
        if permission is None:
            self._remote.refusals.add("key", f"key={key_of(peer).hex()} is revoked or blocked")
            self._reception.end(peer)
            return
        envelope = self._reception.decode(peer, frames)
        if envelope is None:
            self._remote.refusals.add("envelope", f"worker={permission.worker!r} undecodable")
            return
        if refusal := self._refusal(envelope, permission):
            self._refuse(peer, envelope, refusal, permission)
            return
        self._take(peer, envelope, frames[2] if len(frames) == 3 else None)

    def _refusal(self, envelope: envelopes.Envelope, permission: KeyPermission) -> str:
        told = permission.refusal(envelope)
        if not told and isinstance(envelope, envelopes.Register):
            told = self._remote.refused_topics.pop(permission.key, "")
        return told

    def _refuse(
        self,
        peer: bytes,
        envelope: envelopes.Envelope,
        refusal: str,
        permission: KeyPermission,
    ) -> None:
        self._remote.refusals.add("permission", f"worker={permission.worker!r} {refusal}")
        match envelope:
            case envelopes.Register() | envelopes.NextGeneration():
                revision = getattr(envelope, "revision", 0)
                told = envelopes.Refuse(Refusal.INVALID, "", "", refusal[:MAX_NAME], revision)
                self._reception.post(peer, told)
            case envelopes.Command(command):
                failed = {"error": refusal, "kind": CommandFailure.REFUSED.value}
                self._reception.post(peer, envelopes.CommandResult(command, True, failed))
            case _:
                self._reception.fault(peer, FabricError(refusal))

    def _take(self, peer: bytes, envelope: envelopes.Envelope, data: Any) -> None:
        match envelope:
            case envelopes.Register():
                own = f"{key_of(peer).hex()}.{envelope.instance}"[:MAX_NAME]
                self._reception.take(peer, replace(envelope, place="", pid=0, instance=own), data)
                self._tell_acceptors(peer)
            case envelopes.Heartbeat() | envelopes.NextGeneration():
                self._tell_acceptors(peer)
                self._reception.take(peer, envelope, data)
            case envelopes.Answered(items):
                sound = tuple((t, final, _sound(p), size) for t, final, p, size in items)
                self._reception.take(peer, envelopes.Answered(sound), data)
            case envelopes.Fetch():
                self._count(peer, taken=self._chunks.fetch(peer, envelope), what="FETCH")
            case envelopes.ChunkTaken(receipt):
                self._count(peer, taken=self._chunks.received(peer, receipt), what="CHUNKTAKEN")
            case _:
                self._reception.take(peer, envelope, data)

    def _count(self, peer: bytes, *, taken: bool, what: str) -> None:
        if not taken:
            self._remote.refusals.add("envelope", f"key={key_of(peer).hex()} {what} out of place")
            self._reception.fault(peer, FabricError(f"{what} out of place"))

    def _tell_acceptors(self, peer: bytes) -> None:
        """Tell which acceptors there are: a worker on another host cannot look for them."""
        if (now := time.monotonic()) >= self._look_again:
            self._look_again = now + LOOK
            self._numbers = tuple(a.index for a in address.find(self._run_dir) if a.lives)
        self._reception.post(peer, envelopes.Acceptors(self._numbers))


_FILES = frozenset(("path", "claim", "instances"))
"""The keys of an answer that name files."""


def _sound(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the payload of an answer without files that this host does not mean to give away."""
    if payload.keys().isdisjoint(_FILES):
        return payload
    return {**_NO_FILE, "sop_instance_uid": str(payload.get("sop_instance_uid", ""))}
