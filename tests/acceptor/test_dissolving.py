"""Connections of which nothing came leave no work for the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from typing import TYPE_CHECKING

import pytest

from gateway.acceptor import server
from gateway.acceptor.acceptor_association import AcceptorAssociation
from gateway.acceptor.server import Acceptor
from gateway.settings import AcceptorSettings, ContextSettings
from tests.conftest import short_folder
from tests.patience import WALL
from tests.peers import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.acceptor.shared import Shared

ECHO = ContextSettings("1.2.840.10008.1.1", ("1.2.840.10008.1.2",))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[weakref.ref[AcceptorAssociation]]]:
    """Yield weak references to the associations that are made; nothing is collected meanwhile."""
    found: list[weakref.ref[AcceptorAssociation]] = []

    def make(shared: Shared, observer: Acceptor) -> AcceptorAssociation:
        association = AcceptorAssociation(shared, observer)
        found.append(weakref.ref(association))
        return association

    monkeypatch.setattr(server, "AcceptorAssociation", make)
    gc.disable()
    try:
        yield found
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        pytest.param(b"", b"", id="silence"),
        pytest.param(wire.pdu(0x99, b""), b"\x07", id="no PDU"),
        pytest.param(wire.associate_rq(called="?")[:-4], b"", id="half an A-ASSOCIATE-RQ"),
        pytest.param(wire.associate_rq(version=2), b"\x03", id="rejected"),
        pytest.param(wire.associate_rq(), b"\x02", id="established, and then nothing"),
    ],
)
def test_an_association_without_a_message_is_freed_with_its_connection(
    made: list[weakref.ref[AcceptorAssociation]], sent: bytes, answer: bytes
) -> None:
    async def run(folder: str) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        settings = AcceptorSettings(
            index=0,
            ae_title="GATEWAY",
            run_dir=f"{folder}/run",
            spool_dir=f"{folder}/spool",
            contexts=(ECHO,),
        )
        acceptor = Acceptor(settings, listener)
        await acceptor.start()
        try:
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(sent)
            assert (await reader.read(1) if answer else b"") == answer
            writer.close()
            await writer.wait_closed()
            while not made or acceptor.facts()["connections"]:  # noqa: ASYNC110 - no event to await
                await asyncio.sleep(0)
            await asyncio.sleep(0)  # the call that tells of the end is over as well
        finally:
            await acceptor.stop()
        assert [one() for one in made] == [None]

    with short_folder() as folder:
        asyncio.run(asyncio.wait_for(run(str(folder)), WALL))
