"""C-STORE (PS3.4 B): fragments go to the spool, then the claim to the event's owner."""

from __future__ import annotations

import asyncio
import logging
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from gateway.acceptor.asking import WorkerRequest
from gateway.dimse.status import (
    CANNOT_UNDERSTAND,
    DATA_SET_DOES_NOT_MATCH,
    OUT_OF_RESOURCES,
    SUCCESS,
)
from gateway.errors import SpoolError
from gateway.part10 import IdentityScan

if TYPE_CHECKING:
    from gateway.acceptor.asking import ReceivedRequest
    from gateway.dimse.message import CStoreRQ
    from gateway.errors import Unanswered
    from gateway.fabric import Answer, Binding
    from gateway.spool import Sealed, Writer

log = logging.getLogger("gateway.acceptor.store")


class StoreState(Enum):
    """The progress of a C-STORE."""

    RECEIVING = auto()
    """Fragments go to the writer, which is discarded if the rest does not come."""
    SEALING = auto()
    """The data set is being synced and renamed by a thread of the spool."""
    OFFERED = auto()
    """A worker has the claim."""
    OVER = auto()


_OFFERED, _OVER = StoreState.OFFERED, StoreState.OVER
"""Set for every instance: a lookup in the enumeration takes as long as a call."""


class StoreRequest(WorkerRequest):
    """One C-STORE request while it arrives, and until it is answered."""

    state = StoreState.RECEIVING

    def __init__(self, received: ReceivedRequest, binding: Binding, writer: Writer) -> None:
        super().__init__(received)
        self._durable = binding.durable
        self._is_checked = self.association.shared.settings.checks_data_sets
        self._writer = writer
        self._scan = IdentityScan(self.context.transfer_syntax)
        self._sealed: Sealed | None = None
        self._pause: asyncio.Task[None] | None = None
        self._sealing: asyncio.Task[None] | None = None

    # while it arrives

    def fragment(self, data: memoryview) -> None:
        self._writer.write(data)
        if not self._scan.done:
            self._scan.feed(data)

    def read_done(self) -> None:
        writer = self._writer
        writer.relieve()
        if writer.behind and self._pause is None:
            self._pause = asyncio.get_running_loop().create_task(self._wait_for_disk())

    async def _wait_for_disk(self) -> None:
        transport = self.engine.transport
        transport.pause_reading("disk")
        await self._writer.caught_up()
        transport.resume_reading("disk")
        self._pause = None

    def discard(self) -> None:
        super().discard()
        state, self.state = self.state, _OVER
        if state is StoreState.RECEIVING:
            self._writer.discard()
        elif self._sealing is not None:
            self._sealing.cancel()
            self._writer.discard()  # a task that is cancelled before its first step does nothing
        self._release()

    # once it exists

    def perform(self) -> None:
        status, elements = self._unacceptable() if self._is_checked else (SUCCESS, {})
        if status:
            self._writer.discard()
            self._end(status, elements)
            return
        sealed = self.association.shared.spool.seal_inline(self._writer)
        if sealed is not None:
            self._offer(sealed)
        else:
            self.state = StoreState.SEALING
            self._sealing = asyncio.get_running_loop().create_task(self._seal())

    async def _seal(self) -> None:
        shared = self.association.shared
        try:
            sync = self._durable and shared.settings.durable
            sealed = await shared.spool.seal(self._writer, sync=sync)
        except SpoolError as error:
            log.error("association=%s C-STORE data set not stored: %s", self.engine.name, error)  # noqa: TRY400 - no bug here
            self._end(OUT_OF_RESOURCES, {"ErrorComment": "Out of resources: spool"})
        except Exception:  # a bug: nobody awaits this task, so it ends the association
            log.exception("association=%s an operation failed", self.engine.name)
            self.engine.fail()
        else:
            self._sealing = None
            self._offer(sealed)

    def _unacceptable(self) -> tuple[int, dict[str, Any]]:
        """Return a failure status if the data set is not what the command set announced.

        A data set without its UIDs is accepted: such files exist in practice.
        """
        scan = self._scan
        request: CStoreRQ = self.request  # type: ignore[assignment]
        if scan.has_group_2:
            return CANNOT_UNDERSTAND, {"ErrorComment": "File meta elements inside the data set"}
        for name, ours, theirs in (
            ("class", scan.sop_class_uid, request.affected_sop_class_uid),
            ("instance", scan.sop_instance_uid, request.affected_sop_instance_uid),
        ):
            if ours is not None and ours != theirs:
                comment = f"SOP {name} of command and data set disagree"
                return DATA_SET_DOES_NOT_MATCH, {"ErrorComment": comment}
        if not scan.may_be_data_set(self._writer.size):
            # A data set without UIDs is stored under those of the command; arbitrary bytes are not.
            tag = scan.first_tag
            if tag is None:
                return DATA_SET_DOES_NOT_MATCH, {"ErrorComment": "This is not a data set"}
            comment = f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is longer than what came"
            return CANNOT_UNDERSTAND, {"ErrorComment": comment, "OffendingElement": (tag,)}
        return SUCCESS, {}

    def _offer(self, sealed: Sealed) -> None:
        self.state, self._sealed = _OFFERED, sealed
        self.ask(sealed.data, claim=sealed.claim.to_map())

    def take_answer(self, answer: Answer) -> None:
        self._end(*self.status(answer.payload))

    def take_failure(self, error: Unanswered) -> None:
        if error.poisonous and self._sealed is not None:
            self.association.shared.spool.quarantine(self._sealed.claim, self._sealed.data)
        self._end(self.failures.unanswered, {"ErrorComment": str(error)})

    def _end(self, status: int, elements: dict[str, Any]) -> None:
        self.state = _OVER
        self.finish(status, elements)
        self._release()

    def _release(self) -> None:
        sealed, self._sealed = self._sealed, None
        if sealed is not None:
            self.association.shared.spool.release(sealed.claim)
