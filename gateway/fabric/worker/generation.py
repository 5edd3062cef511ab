"""The next generation of a worker's name, for the process that launches its members."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import zmq

from gateway.errors import FabricError
from gateway.fabric.wire.envelopes import (
    Acceptors,
    Generation,
    NextGeneration,
    Refuse,
    UnknownKind,
    decode,
)
from gateway.fabric.wire.gateway_places import gateway_at
from gateway.fabric.wire.terms import MISSED
from gateway.fabric.worker.connection_events import NOBODY, ConnectionEvents

if TYPE_CHECKING:
    import os

    from gateway.fabric.wire.envelopes import Envelope
    from gateway.fabric.wire.gateway_places import FabricGateway, ReachableAcceptor
    from gateway.settings import FabricSettings

HANDSHAKE = 2.0
"""Seconds more for an acceptor on another host."""
_STEP = 0.05
"""Seconds between two looks at a connection to another host."""


def next_generation(
    run_dir: str | os.PathLike[str] | FabricGateway, name: str, settings: FabricSettings
) -> int:
    """Return a generation newer than any that an acceptor knows, promised to no other caller.

    Blocks for at most 3 heartbeats, and 2 s more for a gateway on another host; raises FabricError
    if no acceptor answers.
    """
    gateway = gateway_at(run_dir, settings)
    until = time.monotonic() + MISSED * settings.heartbeat + HANDSHAKE * gateway.is_remote
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
    promises: dict[int, int] = {}
    try:
        while following := [a for a in gateway.find() if a.lives and a.index not in promises]:
            promises[following[0].index] = _ask(context, gateway, following[0], name, until)
    finally:
        context.term()
    if not promises:
        raise gateway.nobody()
    newest = max(promises.values())
    if not newest and gateway.is_remote:
        raise gateway.nobody(NOBODY)
    if not newest:
        raise FabricError(f"no gateway at {gateway}: its acceptors do not answer")
    return newest


def _ask(
    context: zmq.Context[zmq.Socket[bytes]],
    gateway: FabricGateway,
    of: ReachableAcceptor,
    name: str,
    until: float,
) -> int:
    """Return what the acceptor promises; 0: it did not answer, or is none.

    Raises FabricError if it refuses the worker or its key.
    """
    with of.requests_socket(context, 16) as socket:
        connection = ConnectionEvents(socket) if gateway.is_remote else None
        of.connect(socket, None)
        socket.send(NextGeneration(name).encode())
        try:
            return _reply(socket, gateway, connection, until)
        finally:
            if connection is not None:
                connection.close()


def _reply(
    socket: zmq.Socket[bytes],
    gateway: FabricGateway,
    connection: ConnectionEvents | None,
    until: float,
) -> int:
    while (left := until - time.monotonic()) > 0:
        if socket.poll(int(min(left, left if connection is None else _STEP) * 1000)):
            if promised := _promise(socket.recv(), gateway):
                return promised
        elif connection is not None and (_is_refused(connection) or connection.is_nobody):
            break
    if connection is not None and (_is_refused(connection) or not connection.is_nobody):
        raise gateway.nobody(connection.trouble)
    return 0


def _promise(message: bytes, gateway: FabricGateway) -> int:
    """Return the generation that a reply promises; 0: it says something else."""
    with suppress(UnknownKind):
        return _generation(decode(message), gateway)
    return 0


def _generation(reply: Envelope, gateway: FabricGateway) -> int:
    match reply:
        case Acceptors(numbers):
            gateway.learn(numbers)
        case Generation(_, generation):
            return generation
        case Refuse():
            raise FabricError(reply.text)
    return 0


def _is_refused(connection: ConnectionEvents) -> bool:
    connection.look()
    return connection.is_refused
