"""The files of claims for workers on other hosts, which fetch them in chunks.

Few chunks are on their way to a member at a time, whatever it asks for: each has a receipt, drawn
at random, and only who returns it gets another one. So a worker that does not read costs no
memory.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.fabric.wire.envelopes import Chunk, Fetch

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.fabric.acceptor.registry import Registry

ON_THEIR_WAY = 8
"""Chunks on their way to one member at most."""
MAX_CHUNK = 1024 * 1024
"""Bytes of a chunk."""
ASKED = 64
"""Chunks that a member may have asked for and not got."""


def travelling(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the payload of a request as a worker on another host gets it.

    Its claim has no path, which means nothing there, but a key below the directory of the spool.
    """
    claim = payload.get("claim")
    if claim is None or claim["path"] is None:
        return payload
    key = "/".join(claim["path"].rsplit("/", 2)[-2:])
    return {**payload, "claim": {**claim, "path": None, "synced": False}, "spool_key": key}


@dataclass(eq=False, slots=True)
class _Demand:
    """What one member has asked for, and the chunks on their way to it."""

    asked: deque[Fetch] = field(default_factory=deque)
    receipts: set[str] = field(default_factory=set)


class ClaimChunks:
    """Sends parts of files; `send` takes a peer, an envelope, and a data frame."""

    def __init__(
        self, registry: Registry, send: Callable[[bytes, Chunk, bytes | None], None]
    ) -> None:
        self._registry = registry
        self._send = send
        self._demands: dict[bytes, _Demand] = {}
        self._reading: set[asyncio.Task[None]] = set()

    def fetch(self, peer: bytes, asked: Fetch) -> bool:
        """Send a chunk as soon as few are on their way; False if too many have been asked for."""
        if peer not in self._registry.members:
            return True
        demand = self._demands.setdefault(peer, _Demand())
        if len(demand.asked) >= ASKED:
            return False
        demand.asked.append(asked)
        self._next(peer, demand)
        return True

    def received(self, peer: bytes, receipt: str) -> bool:
        """Take the receipt of a chunk; False if there is no such chunk on its way."""
        demand = self._demands.get(peer)
        if demand is None:
            return peer not in self._registry.members
        if receipt not in demand.receipts:
            return False
        demand.receipts.discard(receipt)
        self._next(peer, demand)
        return True

    def lose(self, peer: bytes) -> None:
        """Forget a member whose lease has ended."""
        self._demands.pop(peer, None)

    def close(self) -> None:
        self._demands.clear()
        for task in self._reading:
            task.cancel()

    def _next(self, peer: bytes, demand: _Demand) -> None:
        while demand.asked and len(demand.receipts) < ON_THEIR_WAY:
            asked = demand.asked.popleft()
            receipt = secrets.token_hex(8)
            demand.receipts.add(receipt)
            chunk = Chunk(asked.token, asked.offset, receipt)
            if (path := self._path_of(peer, asked.token)) is None:
                self._send(peer, chunk, None)
                continue
            work = self._read(peer, path, chunk, min(asked.size, MAX_CHUNK))
            task = asyncio.get_running_loop().create_task(work, name="chunk")
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)

    def _path_of(self, peer: bytes, token: str) -> str | None:
        """Return the file that a member may have: that of a request that it has in hand."""
        member = self._registry.members.get(peer)
        intervention = None if member is None else member.in_hand.get(token)
        claim = None if intervention is None else intervention.payload.get("claim")
        return None if claim is None else claim["path"]

    async def _read(self, peer: bytes, path: str, chunk: Chunk, size: int) -> None:
        try:
            data = await asyncio.to_thread(_read_part, path, chunk.offset, size)
        except OSError:
            data = b""
        if peer in self._demands:
            self._send(peer, chunk, data or None)


def _read_part(path: str, offset: int, size: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)
