"""The requests of one association: received one after the other, performed within its window."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from gateway.acceptor.services import receive, refuse_undecodable
from gateway.dimse.assembler import (
    Assembler,
    DataFragment,
    MessageBegun,
    MessageEnded,
    MessageFailed,
)
from gateway.dimse.message import CCancelRQ, Response
from gateway.dimse.operations import Operations

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from gateway.acceptor.actor import AssociationActor
    from gateway.acceptor.incoming import Incoming
    from gateway.ul.primitives import PDataPart

log = logging.getLogger("gateway.acceptor")

QUEUE = 8
"""Requests that wait for the window before reading pauses at a further data set."""
COMMANDS = 256
"""Requests that wait before reading pauses at any further request."""


class Messages:
    """Assembler, queue and tasks of one association's requests."""

    def __init__(self, actor: AssociationActor) -> None:
        self.operations = Operations()
        self.window = 1
        """Operations performed at the same time (PS3.7 D.3.3.3)."""
        self.gathered = 0
        """Bytes of data sets in memory, of requests that are not answered yet."""
        self._actor = actor
        self._assembler = Assembler()
        self._incoming: Incoming | None = None
        self._header = (0, b"")
        self._waiting: deque[Incoming] = deque()
        self._tasks: dict[asyncio.Task[None], Incoming] = {}

    @property
    def is_receiving(self) -> bool:
        """A message has begun and has not ended."""
        return self._assembler.is_open

    @property
    def is_idle(self) -> bool:
        """Nothing was begun, waits or is performed."""
        return not (self._tasks or self._waiting or self._assembler.is_open)

    def data(self, part: PDataPart) -> None:
        """A piece of a PDV; raises RemoteProtocolError for what can only be aborted."""
        if self._assembler.goes_on(part):
            self._fragment(part.data)
            return
        for event in self._assembler.receive(part):
            match event:
                case DataFragment():
                    self._fragment(event.data)
                case MessageBegun() | MessageFailed():
                    self._begun(event)
                case MessageEnded():
                    self._ended()

    def _fragment(self, data: memoryview) -> None:
        self._actor.notifier.fragment(data)
        if self._incoming is not None:
            self._incoming.fragment(data)

    def read_done(self) -> None:
        if self._incoming is not None:
            self._incoming.flush()

    def drop_unfinished(self) -> None:
        """The peer will not send the rest of the message it began."""
        self._assembler = Assembler()
        if self._incoming is not None:
            self._incoming.discard()
            self._incoming = None

    def release(self) -> None:
        """The peer asked for release: what streams is cancelled, what stores is finished."""
        self.drop_unfinished()
        for incoming in (*self._waiting, *self._tasks.values()):
            incoming.cancel()

    def stop(self) -> None:
        """The association is over: what is performed is cancelled, what waits is dropped."""
        self.drop_unfinished()
        while self._waiting:
            self._waiting.popleft().discard()
        for task in self._tasks:
            task.cancel()

    def _begun(self, begun: MessageBegun | MessageFailed) -> None:
        self._actor.notifier.begun()
        self._header = (begun.context_id, begun.command_set)
        if isinstance(begun, MessageFailed):
            self._incoming = refuse_undecodable(self._actor, begun)
        elif isinstance(begun.message, CCancelRQ):
            self._cancel(begun.message.message_id_being_responded_to)
        elif isinstance(begun.message, Response):
            self._incoming = self._actor.outgoing.receive(begun.message)
        else:
            self._incoming = receive(self._actor, begun)
        if len(self._waiting) >= (QUEUE if begun.has_data_set else COMMANDS):
            self._actor.transport.pause_reading("queue")

    def _cancel(self, message_id: int) -> None:
        """A C-CANCEL-RQ has no response, and may come too late (PS3.7 9.3.2.3)."""
        for incoming in (*self._waiting, *self._tasks.values()):
            if incoming.message_id == message_id:
                incoming.cancel()

    def _ended(self) -> None:
        self._actor.notifier.received(*self._header)
        incoming, self._incoming = self._incoming, None
        if incoming is None:
            return
        incoming.flush()
        if incoming.message_id is None or (len(self._tasks) < self.window and not self._waiting):
            self._start(incoming)  # what was never begun waits for nobody
        else:
            self._waiting.append(incoming)

    def _start(self, incoming: Incoming) -> None:
        work = incoming.start()
        if work is None:
            self._end(incoming)
            return
        task = asyncio.get_running_loop().create_task(self._perform(work), name=self._actor.id)
        self._tasks[task] = incoming
        task.add_done_callback(lambda _: self._finished(task, incoming))

    async def _perform(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception:
            # No response can be trusted to have been sent: only an abort is true.
            log.exception("association=%s an operation failed", self._actor.id)
            self._actor.abort()

    def _finished(self, task: asyncio.Task[None], incoming: Incoming) -> None:
        del self._tasks[task]
        if task.cancelled():
            incoming.discard()
        self._end(incoming)
        while self._waiting and len(self._tasks) < self.window:
            self._start(self._waiting.popleft())
        if len(self._waiting) < QUEUE:
            self._actor.transport.resume_reading("queue")
        self._actor.settle()

    def _end(self, incoming: Incoming) -> None:
        if incoming.message_id is not None:
            self.operations.end(incoming.message_id)
