"""A server of known latency and failures: the load generator must say of it what is true.

It runs in a thread with a loop of its own, takes any number of associations, and keeps count of
what it did. Its delays are its script; no test waits for anything but the end of a load.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.patience import WALL
from tests.peers import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ABORT = -1
"""As a status: the association is aborted instead of answered."""
SILENT = -2
"""As a status: no answer."""


@dataclass
class Script:
    """The behaviour of the server. Operations and associations are numbered from 0."""

    status: Callable[[int], int] = lambda number: 0
    delay: Callable[[int], float] = lambda number: 0.0
    """Seconds before an answer."""
    freeze: tuple[int, float] | None = None
    """From which operation on nothing is answered, and for how many seconds."""
    reject: Callable[[int], tuple[int, int, int] | None] = lambda number: None
    refuse_contexts: bool = False
    stop_after: int | None = None
    """Operations after which the server is gone: connections cut, nobody listens."""
    max_length: int = 65536


@dataclass
class Done:
    """A record of what the server received and did."""

    operations: int = 0
    associations: int = 0
    released: int = 0
    most_at_once: int = 0
    fields: Counter[int] = field(default_factory=Counter)
    acknowledged: list[str] = field(default_factory=list)
    data_sets: dict[str, bytes] = field(default_factory=dict)
    calling: set[str] = field(default_factory=set)
    lengths: set[int] = field(default_factory=set)


class Fake:
    """The server, inside its loop."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.done = Done()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._thawed: asyncio.Task | None = None
        self._tasks: set[asyncio.Task] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        others = self._tasks - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if self._thawed is not None:
            self._thawed.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.done.most_at_once = max(self.done.most_at_once, len(self._writers))
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await self._association(reader, writer)
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _association(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        request = await _pdu(reader)
        number = self.done.associations
        self.done.associations += 1
        self.done.calling.add(request[26:42].decode().strip())
        if (rejection := self.script.reject(number)) is not None:
            writer.write(wire.associate_rj(*rejection))
            await reader.read(1)
            return
        writer.write(self._answer(request))
        command, data = b"", []
        while True:
            pdu = await _pdu(reader)
            if pdu[0] == 5:
                self.done.released += 1
                writer.write(wire.release_rp())
                await reader.read(1)
                return
            if pdu[0] != 4:
                return
            self.done.lengths.add(len(pdu) - 6)
            for context_id, header, piece in wire.parse_pdvs(pdu):
                if header & 1:
                    command += piece
                else:
                    data.append(piece)
                elements = wire.parse_command(command) if header & 2 else {}
                if header & 2 and (not header & 1 or elements[0x0800] == wire.us(wire.NO_DATA_SET)):
                    await self._operation(writer, context_id, elements, b"".join(data))
                    command, data = b"", []

    def _answer(self, request: bytes) -> bytes:
        answers = []
        for kind, body in wire.items_of(request[74:]):
            if kind == 0x20:
                syntaxes = [b.decode() for k, b in wire.items_of(body[4:]) if k == 0x40]
                answers.append((body[0], 3 if self.script.refuse_contexts else 0, syntaxes[0]))
        return wire.associate_ac(*answers, user=wire.default_user(self.script.max_length))

    async def _operation(
        self, writer: asyncio.StreamWriter, context_id: int, elements: dict, data: bytes
    ) -> None:
        script, done = self.script, self.done
        number = done.operations
        done.operations += 1
        kind = int.from_bytes(elements[0x0100], "little")
        done.fields[kind] += 1
        uid = elements.get(0x1000, b"").decode().rstrip("\0")
        if script.freeze is not None and number == script.freeze[0]:
            self._thawed = asyncio.create_task(asyncio.sleep(script.freeze[1]))
        if self._thawed is not None:
            await asyncio.shield(self._thawed)
        if delay := script.delay(number):
            await asyncio.sleep(delay)
        if script.stop_after is not None and number >= script.stop_after:
            await self.stop()
            return
        status = script.status(number)
        if status == ABORT:
            writer.write(wire.abort(2, 0))
        elif status != SILENT:
            if not status:
                done.acknowledged.append(uid)
                done.data_sets[uid] = data
            writer.write(_response(context_id, elements, kind, status))
            await writer.drain()


async def _pdu(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(6)
    return head + await reader.readexactly(struct.unpack(">L", head[2:])[0])


def _response(context_id: int, elements: dict, kind: int, status: int) -> bytes:
    command = wire.command_set(
        wire.element(0x0002, elements[0x0002]),
        wire.element(0x0100, wire.us(kind | 0x8000)),
        wire.element(0x0120, elements[0x0110]),
        wire.element(0x0800, wire.us(wire.NO_DATA_SET)),
        wire.element(0x0900, wire.us(status)),
    )
    return wire.message(context_id, command)


@contextmanager
def serving(script: Script | None = None) -> Iterator[Fake]:
    """A fake server until the end of the block."""
    fake = Fake(script or Script())
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    leave = asyncio.Event()

    async def main() -> None:
        await fake.start()
        ready.set()
        await leave.wait()
        await fake.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert ready.wait(WALL)
    try:
        yield fake
    finally:
        loop.call_soon_threadsafe(leave.set)
        thread.join(WALL)
        assert not thread.is_alive(), "the fake server still runs"
        loop.close()
