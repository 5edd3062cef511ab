"""The next generation of a worker's name, for the process that launches its members."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import zmq

from gateway.errors import FabricError
from gateway.fabric.wire import address
from gateway.fabric.wire.envelopes import Generation, NextGeneration, decode
from gateway.fabric.wire.sockets import make

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.settings import FabricSettings


def next_generation(run_dir: Path, name: str, settings: FabricSettings) -> int:
    """Return a generation newer than any that an acceptor knows, promised to no other caller.

    Blocks for at most 3 heartbeats; raises FabricError if no acceptor answers.
    """
    run_dir = address.local(run_dir)
    living = [a for a in address.find(run_dir) if a.lives]
    if not living:
        raise address.nobody(run_dir)
    until = time.monotonic() + 3 * settings.heartbeat
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
    try:
        promises = [_ask(context, a, name, until) for a in living]
    finally:
        context.term()
    newest = max(promises)
    if not newest:
        raise FabricError(f"no gateway at {run_dir}: its acceptors do not answer")
    return newest


def _ask(
    context: zmq.Context[zmq.Socket[bytes]], of: address.AcceptorAddress, name: str, until: float
) -> int:
    """Return what the acceptor promises; 0: it did not answer."""
    with make(context, zmq.DEALER, 16) as socket:
        socket.connect(f"ipc://{of.requests}")
        socket.send(NextGeneration(name).encode())
        left = max(0.0, until - time.monotonic())
        if not socket.poll(int(left * 1000)):
            return 0
        reply = decode(socket.recv())
        return reply.generation if isinstance(reply, Generation) else 0
