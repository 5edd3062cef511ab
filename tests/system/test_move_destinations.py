"""C-MOVEs of the stock worker to destinations that do not answer: the instances are told."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.conftest import running
from tests.patience import PATIENCE, WALL
from tests.peers import instances, sender, wire
from tests.peers.raw import RawPeer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.raw import Address

MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
FAILED_LIST = b"\x08\x00\x58\x00"
MADE = instances.many(3)


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    """A gateway with three instances, and a destination that is down and one that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        config = (
            f"[association]\nacse_timeout = {0.2 * PATIENCE}\nartim_timeout = {10 * WALL}\n"
            f'[destinations]\nDOWN = "127.0.0.1:1"\nSILENT = "127.0.0.1:{port}"\n'
        )
        with running(config) as gateway:
            assert sender.store_all(gateway.address, MADE).failed == {}
            yield gateway.address


def move(address: Address, destination: bytes) -> tuple[dict[int, bytes], bytes]:
    """Return the command set of the final response, and its identifier."""
    command = wire.command_set(
        wire.element(0x0002, wire.uid_value(MOVE)),
        wire.element(0x0100, wire.us(0x0021)),
        wire.element(0x0110, wire.us(1)),
        wire.element(0x0600, destination),
        wire.element(0x0700, wire.us(0)),
        wire.element(0x0800, wire.us(1)),
    )
    study = MADE[0].uid.rpartition(".")[0] + ".1"
    level = wire.element(0x0052, b"STUDY ", group=0x0008)
    data = level + wire.element(0x000D, wire.uid_value(study), group=0x0020)
    elements: dict[int, bytes] = {}
    with RawPeer(address) as peer:
        peer.associate(wire.context(1, MOVE))
        peer.send(wire.message(1, command, data))
        while True:
            got = peer.recv_pdu()
            assert isinstance(got, bytes)
            for _, header, piece in wire.parse_pdvs(got):
                if header & 1:
                    elements = wire.parse_command(piece)
                    assert elements[0x0900] != wire.us(0xFF00), "nothing is pending"
                    if elements[0x0800] == wire.us(wire.NO_DATA_SET):
                        return elements, b""
                else:
                    return elements, piece


@pytest.mark.parametrize("destination", [b"DOWN", b"SILENT"])
def test_a_known_destination_that_does_not_answer(address, destination) -> None:
    """SILENT takes connections: `acse_timeout` is the limit for its A-ASSOCIATE-AC.

    Its end of the connection is not waited for after that: ARTIM would be longer than this test.
    """
    elements, identifier = move(address, destination)
    assert elements[0x0900] == wire.us(0xA702)
    counters = [elements[tag] for tag in (0x1021, 0x1022, 0x1023)]
    assert counters == [wire.us(0), wire.us(len(MADE)), wire.us(0)]
    assert 0x1020 not in elements
    assert elements[0x0902].startswith(b"No association with the move destination")
    assert identifier.startswith(FAILED_LIST)
    listed = identifier[8:].rstrip(b"\0").decode().split("\\")
    assert sorted(listed) == sorted(one.uid for one in MADE)


@pytest.mark.parametrize("destination", [b"NOBODY", b"EIGHTEEN_LETTERS_!", b"A\\B ", b""])
def test_an_unknown_destination(address, destination) -> None:
    elements, identifier = move(address, destination)
    assert (elements[0x0900], identifier) == (wire.us(0xA801), b"")
    if destination == b"NOBODY":
        assert elements[0x0902].startswith(b"The move destination is not known")
