"""What an acceptor asks of its peer: in turn, whole, and finished also when nobody waits."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.acceptor.outgoing import AssociationEnded, Outgoing
from gateway.dimse.message import (
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CStoreRQ,
    decode_message,
)
from gateway.errors import RemoteProtocolError
from gateway.settings import AssociationSettings
from gateway.uid import KEYWORDS
from gateway.ul.fsm import State
from gateway.ul.pdu import PDataTF, decode_pdu
from tests.patience import WALL

FIND = KEYWORDS["PatientRootQueryRetrieveInformationModelFind"]
CT = KEYWORDS["CTImageStorage"]


class Wire:
    """The end of the association that the test holds: what was sent, as messages."""

    def __init__(self, *, dimse_timeout: float = 30.0) -> None:
        self.state = State.Sta6
        self.peer_max_length = 16 * 1024
        self.last_received = 0.0
        self.aborted = False
        self.sent: list[Any] = []
        self.written = asyncio.Event()
        limits = AssociationSettings(dimse_timeout=dimse_timeout)
        self.house = SimpleNamespace(settings=SimpleNamespace(association=limits))
        self.notifier = SimpleNamespace(sent=lambda *_: None)
        # one object plays actor, association and transport
        self.association = self.transport = self

    def send_pdata(self, pdus: list[bytes], _now: float) -> None:
        for pdu in pdus:
            parsed = decode_pdu(pdu)
            assert isinstance(parsed, PDataTF)
            for pdv in parsed.pdvs:
                self.sent.append(decode_message(pdv.data) if pdv.command else pdv.data)
        self.written.set()

    def flush(self) -> None: ...

    def settle(self) -> None: ...

    def abort(self) -> None:
        self.aborted = True

    async def drain(self) -> None:
        await asyncio.sleep(0)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(WALL):
            while len(self.sent) < count:
                self.written.clear()
                await self.written.wait()


def respond(outgoing: Outgoing, response: Any, data: bytes = b"") -> None:
    reply = outgoing.receive(response)
    if data:
        reply.fragment(memoryview(data))
    reply.start()


def test_a_final_response_ends_a_request() -> None:
    async def run() -> None:
        wire = Wire()
        outgoing = Outgoing(wire)  # type: ignore[arg-type]
        task = asyncio.create_task(outgoing.request(1, CEchoRQ(7)))
        await wire.until(1)
        respond(outgoing, CEchoRSP(7, 0x0000))
        assert (await task).response.status == 0x0000
        assert outgoing.is_idle

    asyncio.run(run())


def test_pending_responses_are_told_as_they_come() -> None:
    async def run() -> None:
        wire, told = Wire(), []
        outgoing = Outgoing(wire)  # type: ignore[arg-type]
        request = outgoing.request(1, CFindRQ(1, FIND), b"id", on_pending=told.append)
        task = asyncio.create_task(request)
        await wire.until(2)
        respond(outgoing, CFindRSP(1, 0xFF00), b"one")
        respond(outgoing, CFindRSP(1, 0xFF00), b"two")
        respond(outgoing, CFindRSP(1, 0x0000))
        assert (await task).response.status == 0x0000
        assert [answered.data_set for answered in told] == [b"one", b"two"]

    asyncio.run(run())


def test_a_second_request_waits_for_its_turn() -> None:
    async def run() -> None:
        wire = Wire()
        outgoing = Outgoing(wire)  # type: ignore[arg-type]
        first = asyncio.create_task(outgoing.request(1, CEchoRQ(1)))
        second = asyncio.create_task(outgoing.request(1, CEchoRQ(2)))
        await wire.until(1)
        respond(outgoing, CEchoRSP(1, 0x0000))
        await first
        await wire.until(2)
        respond(outgoing, CEchoRSP(2, 0x0000))
        await second
        assert [message.message_id for message in wire.sent] == [1, 2]

    asyncio.run(run())


def test_who_stops_waiting_has_the_peer_asked_to_stop() -> None:
    async def run() -> None:
        wire = Wire()
        outgoing = Outgoing(wire)  # type: ignore[arg-type]
        task = asyncio.create_task(outgoing.request(1, CFindRQ(5, FIND), b"id"))
        await wire.until(2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert wire.sent[-1] == CCancelRQ(5)
        respond(outgoing, CFindRSP(5, 0xFF00), b"late")  # is no breach of protocol
        following = asyncio.create_task(outgoing.request(1, CEchoRQ(6)))
        respond(outgoing, CFindRSP(5, 0xFE00))
        await wire.until(4)
        respond(outgoing, CEchoRSP(6, 0x0000))
        await following

    asyncio.run(run())


def test_a_request_whose_turn_has_not_come_is_never_sent() -> None:
    async def run() -> None:
        wire = Wire()
        outgoing = Outgoing(wire)  # type: ignore[arg-type]
        first = asyncio.create_task(outgoing.request(1, CEchoRQ(1)))
        second = asyncio.create_task(outgoing.request(1, CEchoRQ(2)))
        await wire.until(1)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        respond(outgoing, CEchoRSP(1, 0x0000))
        await first
        assert [message.message_id for message in wire.sent] == [1]

    asyncio.run(run())


def test_messages_wait_behind_a_data_set_that_is_read() -> None:
    async def run() -> None:
        wire, gate = Wire(), asyncio.Event()
        outgoing = Outgoing(wire)  # type: ignore[arg-type]

        async def parts() -> Any:
            yield b"a" * 20_000
            await gate.wait()
            yield b"b" * 20_000

        request = CStoreRQ(1, CT, "1.2.3")
        task = asyncio.create_task(outgoing.request(1, request, parts()))
        await wire.until(2)
        outgoing.send(3, CEchoRSP(9, 0x0000))
        assert not any(isinstance(one, CEchoRSP) for one in wire.sent)
        gate.set()
        async with asyncio.timeout(WALL):
            while not isinstance(wire.sent[-1], CEchoRSP):
                wire.written.clear()
                await wire.written.wait()
        data = b"".join(one for one in wire.sent if isinstance(one, bytes))
        assert data == b"a" * 20_000 + b"b" * 20_000
        outgoing.stop()
        with pytest.raises(AssociationEnded):
            await task

    asyncio.run(run())


def test_silence_aborts() -> None:
    async def run() -> None:
        wire = Wire(dimse_timeout=0.01)
        outgoing = Outgoing(wire)  # type: ignore[arg-type]
        with pytest.raises(TimeoutError):
            await outgoing.request(1, CEchoRQ(1))
        assert wire.aborted

    asyncio.run(run())


def test_a_response_that_nobody_asked_for_breaks_the_protocol() -> None:
    async def run() -> None:
        outgoing = Outgoing(Wire())  # type: ignore[arg-type]
        with pytest.raises(RemoteProtocolError):
            outgoing.receive(CEchoRSP(1, 0x0000))

    asyncio.run(run())
