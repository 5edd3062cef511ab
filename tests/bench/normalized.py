"""The N-services: a worker that answers them, and a client that performs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway import Worker, evt
from tests.bench.sending import FailedError
from tests.peers import wire
from tests.peers.raw import RawPeer

if TYPE_CHECKING:
    from gateway.sdk import Event
    from tests.peers.raw import Address

NAME = "normalized"
CONFIG = f'[workers.{NAME}]\nworker = "{__name__}:worker"\n'
_FILM_SESSION, _PRINTER = "1.2.840.10008.5.1.1.1", "1.2.840.10008.5.1.1.16"
_INSTANCE = wire.uid_value("1.2.3.4")
_DATA_SET = wire.element(0x0010, wire.us(1), group=0x2000)

worker = Worker(NAME)


class Operation(NamedTuple):
    """An N-service, as it is asked for."""

    field: int
    sop_class: str
    has_data_set: bool


OPERATIONS = {
    "N-GET": Operation(0x0110, _PRINTER, False),
    "N-SET": Operation(0x0120, _FILM_SESSION, True),
    "N-ACTION": Operation(0x0130, _FILM_SESSION, False),
    "N-CREATE": Operation(0x0140, _FILM_SESSION, True),
    "N-DELETE": Operation(0x0150, _FILM_SESSION, False),
}


def answered(_event: Event) -> tuple[int, bytes]:
    return 0x0000, _DATA_SET


def deleted(_event: Event) -> int:
    return 0x0000


worker.bind(evt.EVT_N_GET, answered, sop_classes=[_PRINTER])
for _bound in (evt.EVT_N_SET, evt.EVT_N_ACTION, evt.EVT_N_CREATE):
    worker.bind(_bound, answered, sop_classes=[_FILM_SESSION])
worker.bind(evt.EVT_N_DELETE, deleted, sop_classes=[_FILM_SESSION])


def request(operation: Operation, message_id: int) -> bytes:
    """Return the P-DATA-TF PDUs of a request."""
    creates = operation.field == OPERATIONS["N-CREATE"].field
    elements = {
        0x0002 if creates else 0x0003: wire.uid_value(operation.sop_class),
        0x0100: wire.us(operation.field),
        0x0110: wire.us(message_id),
        0x0800: wire.us(0x0001 if operation.has_data_set else wire.NO_DATA_SET),
        0x1000 if creates else 0x1001: _INSTANCE,
    }
    if operation.field == OPERATIONS["N-ACTION"].field:
        elements[0x1008] = wire.us(1)
    command = wire.command_set(*(wire.element(*pair) for pair in sorted(elements.items())))
    return wire.message(1, command, _DATA_SET if operation.has_data_set else None)


def perform(address: Address, name: str, count: int, timeout: float) -> None:
    """Perform an operation so many times; raise FailedError if one does not succeed."""
    operation = OPERATIONS[name]
    with RawPeer(address, timeout=timeout) as peer:
        peer.associate(wire.context(1, operation.sop_class))
        for message_id in range(1, count + 1):
            peer.send(request(operation, message_id))
            if status := peer.recv_response().status:
                raise FailedError(f"{name}: status {status}")
        peer.release()
