"""Read a recorded byte stream of one direction back into PDUs and DIMSE messages.

Independent of `gateway`: it tells what was really on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.spool.digest import digest_of
from tests.peers import wire

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Message:
    """One DIMSE message as it was on the wire."""

    context_id: int
    command: bytes
    data_set: bytes

    @property
    def elements(self) -> dict[int, bytes]:
        return wire.parse_command(self.command)

    @property
    def command_field(self) -> int:
        return int.from_bytes(self.elements[0x0100], "little")

    @property
    def status(self) -> int:
        return wire.status_of(self.command)

    @property
    def message_id(self) -> int:
        """Its own ID or the one that it responds to."""
        own = self.elements.get(0x0110) or self.elements[0x0120]
        return int.from_bytes(own, "little")

    @property
    def instance_uid(self) -> str:
        return self.elements[0x1000].decode().rstrip("\0 ")

    @property
    def digest(self) -> str:
        return digest_of(self.data_set).hex()


def pdus(stream: bytes) -> Iterator[bytes]:
    """The whole PDUs of a stream; what is cut off at its end is left out."""
    at = 0
    while at + 6 <= len(stream):
        end = at + 6 + int.from_bytes(stream[at + 2 : at + 6], "big")
        if end > len(stream):
            return
        yield stream[at:end]
        at = end


def messages(stream: bytes) -> Iterator[Message]:
    """The DIMSE messages of a stream, in order; an unfinished last one is left out."""
    command, data = bytearray(), bytearray()
    for raw in pdus(stream):
        if raw[0] != wire.PDATA:
            continue
        for context_id, header, fragment in wire.parse_pdvs(raw):
            (command if header & 1 else data).extend(fragment)
            if header & 2 and (not header & 1 or _alone(command)):
                yield Message(context_id, bytes(command), bytes(data))
                command, data = bytearray(), bytearray()


def _alone(command: bytes) -> bool:
    return wire.parse_command(bytes(command))[0x0800] == wire.us(wire.NO_DATA_SET)


def transfer_syntaxes(stream: bytes) -> dict[int, str]:
    """Context id to accepted transfer syntax, of the acceptor's stream."""
    for raw in pdus(stream):
        if raw[0] == wire.AC:
            contexts = wire.parse_ac(raw).contexts
            return {id_: transfer for id_, (result, transfer) in contexts.items() if result == 0}
    return {}
