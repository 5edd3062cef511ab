"""Partners of the neighbouring versions of the protocol, emulated: PROTOCOL.md, *Versions*."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

from gateway.fabric import Answer
from gateway.fabric.acceptor.lease import FAULTS
from gateway.fabric.wire import envelopes
from gateway.fabric.wire.frames import VERSION
from gateway.fabric.wire.gateway_places import RunDirectory
from tests.fabric.world import ECHO, WAIT, Member, acceptor, members, take

if TYPE_CHECKING:
    from pathlib import Path

UNKNOWN_KIND = 200


def newer(envelope: envelopes.Envelope) -> bytes:
    """Return an envelope as the next version may send it: with a key that nobody knows here."""
    values = msgpack.unpackb(envelope.encode())
    values[-1]["of_the_next_version"] = [1, {"deep": b"x"}]
    packed: bytes = msgpack.packb(values)
    return packed


class Neighbour:
    """A worker of some version, on a plain socket."""

    def __init__(self, run_dir: Path, version: int) -> None:
        (found,) = RunDirectory(run_dir).find()
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self.socket = found.requests_socket(self._context, 100)
        found.connect(self.socket, None)
        self._version = version

    def send(self, envelope: envelopes.Envelope) -> None:
        is_newer = self._version > VERSION
        self.socket.send(newer(envelope) if is_newer else envelope.encode())

    def register(self) -> None:
        self.send(envelopes.Register(self._version, "w", 1, 0, 8, 0, "", "i", False, 1, (ECHO,)))

    async def heard(self, kind: type) -> Any:
        while True:
            assert await asyncio.to_thread(self.socket.poll, int(WAIT * 1000))
            envelope = envelopes.decode(self.socket.recv_multipart()[0])
            if isinstance(envelope, kind):
                return envelope

    def close(self) -> None:
        self.socket.close(0)
        self._context.term()


@pytest.mark.parametrize("version", [VERSION - 1, VERSION, VERSION + 1])
def test_a_worker_of_a_neighbouring_version_works(run_dir: Path, version: int) -> None:
    async def scene() -> None:
        async with acceptor(run_dir) as server:
            worker = Neighbour(run_dir, version)
            worker.register()
            grant = await worker.heard(envelopes.Grant)
            if version > VERSION:
                for _ in range(FAULTS + 1):
                    worker.socket.send(msgpack.packb([UNKNOWN_KIND, "of the next version", {}]))
            worker.send(envelopes.Heartbeat(grant.lease))
            assert (await worker.heard(envelopes.Heartbeat)).lease == grant.lease
            asked = asyncio.ensure_future(server.ask_once("EVT_C_ECHO", {}, assoc=b""))
            (item,) = (await worker.heard(envelopes.Requested)).items
            worker.send(envelopes.Answered(((item[0], True, {"status": 0, "new": 1}, None),)))
            assert (await asked).payload["status"] == 0
            worker.send(envelopes.Bye(grant.lease))
            worker.close()

    asyncio.run(scene())


@pytest.mark.parametrize("version", [VERSION - 2, VERSION + 2])
def test_a_version_further_away_is_refused_in_words(run_dir: Path, version: int) -> None:
    async def scene() -> None:
        async with acceptor(run_dir):
            worker = Neighbour(run_dir, version)
            worker.register()
            refuse = await worker.heard(envelopes.Refuse)
            assert refuse.refusal is envelopes.Refusal.INVALID
            assert f"protocol version {version}" in refuse.text
            worker.close()

    asyncio.run(scene())


def test_unknown_kinds_of_this_version_are_faults(run_dir: Path) -> None:
    async def scene() -> None:
        async with acceptor(run_dir):
            worker = Neighbour(run_dir, VERSION)
            worker.register()
            await worker.heard(envelopes.Grant)
            for _ in range(FAULTS):
                worker.socket.send(msgpack.packb([UNKNOWN_KIND, {}]))
            await worker.heard(envelopes.End)
            worker.close()

    asyncio.run(scene())


def test_an_acceptor_of_the_next_version_is_understood(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that it sends has an unknown key, and unknown kinds come between."""

    async def scene() -> None:
        member = Member(run_dir, ECHO)
        async with acceptor(run_dir) as server:
            send = server._requests.send

            def send_newer(frames: Any) -> Any:
                peer, header, *data = frames
                send((peer, msgpack.packb([UNKNOWN_KIND, "of the next version", {}])))
                return send((peer, newer(envelopes.decode(header)), *data))

            monkeypatch.setattr(server._requests, "send", send_newer)
            async with members(member):
                asked = asyncio.ensure_future(server.ask_once("EVT_C_ECHO", {}, assoc=b""))
                request = await take(member.requests)
                member.client.answer(request.token, Answer({"status": 0}))
                assert (await asked).payload == {"status": 0}

    asyncio.run(scene())
