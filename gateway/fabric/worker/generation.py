"""The next generation of a worker's name, for the process that launches its members."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

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
from gateway.fabric.worker.connection_events import NOBODY, ConnectionEvents, may_be_held_up

if TYPE_CHECKING:
    import os

    from gateway.fabric.wire.envelopes import Envelope
    from gateway.fabric.wire.gateway_places import FabricGateway, ReachableAcceptor
    from gateway.settings import FabricSettings

HANDSHAKE = 2.0
"""Seconds more for an acceptor on another host."""
LATEST = 10.0
"""Seconds after which acceptors that do not answer are not asked once more: the event loop of a
busy gateway may stand still for a while."""
_STEP = 0.05
"""Seconds between two looks at a connection to another host."""


class _GenerationReply(NamedTuple):
    """What an acceptor said."""

    generation: int
    """0: it promised none."""
    trouble: str = ""
    """What its connection says."""
    may_answer_later: bool = False


def next_generation(
    run_dir: str | os.PathLike[str] | FabricGateway, name: str, settings: FabricSettings
) -> int:
    """Return a generation newer than any that an acceptor knows, promised to no other caller.

    Each acceptor has 3 heartbeats to answer, and 2 s more on another host. Those that do not are
    left out, and asked again for about 10 s if nobody answers. Blocks; raises FabricError if no
    acceptor answers.
    """
    gateway = gateway_at(run_dir, settings)
    each = MISSED * settings.heartbeat + HANDSHAKE * gateway.is_remote
    latest = time.monotonic() + LATEST
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
    try:
        while True:
            replies = _ask_all(context, gateway, name, each)
            if (newest := max((one.generation for one in replies), default=0)) > 0:
                return newest
            waits = any(one.may_answer_later for one in replies)
            if not waits or time.monotonic() >= latest:
                raise _nobody(gateway, replies)
    finally:
        context.term()


def _ask_all(
    context: zmq.Context[zmq.Socket[bytes]], gateway: FabricGateway, name: str, each: float
) -> list[_GenerationReply]:
    """Ask one acceptor after the other, in their fixed order; `each`: seconds for a reply."""
    replies: dict[int, _GenerationReply] = {}
    while following := [a for a in gateway.find() if a.lives and a.index not in replies]:
        of = following[0]
        reply = replies[of.index] = _ask(context, gateway, of, name, time.monotonic() + each)
        if reply.trouble == NOBODY and reply.may_answer_later:
            break  # no reply to the first packet: that host is out of reach
    return list(replies.values())


def _nobody(gateway: FabricGateway, replies: list[_GenerationReply]) -> FabricError:
    if not gateway.is_remote and replies:
        return FabricError(f"no gateway at {gateway}: its acceptors do not answer")
    troubles = [one.trouble for one in replies]
    told = next((one for one in troubles if one != NOBODY), NOBODY if troubles else "")
    return gateway.nobody(told)


def _ask(
    context: zmq.Context[zmq.Socket[bytes]],
    gateway: FabricGateway,
    of: ReachableAcceptor,
    name: str,
    until: float,
) -> _GenerationReply:
    """Return what the acceptor replies; raises FabricError if it refuses the worker or its key."""
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
) -> _GenerationReply:
    while (left := until - time.monotonic()) > 0:
        if socket.poll(int(min(left, left if connection is None else _STEP) * 1000)):
            if promised := _promise(socket.recv(), gateway):
                return _GenerationReply(promised)
        elif connection is not None:
            connection.look()
            if connection.is_refused:
                raise gateway.nobody(connection.trouble)
            if connection.is_nobody:
                return _GenerationReply(0, NOBODY)
    trouble = "" if connection is None else connection.trouble
    return _GenerationReply(0, trouble, trouble == NOBODY or may_be_held_up(trouble))


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
