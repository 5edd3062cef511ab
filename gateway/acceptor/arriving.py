"""The data set of a C-STORE, from its first fragment until a worker is offered the whole."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from gateway.dimse.status import (
    CANNOT_UNDERSTAND,
    DATA_SET_DOES_NOT_MATCH,
    OUT_OF_RESOURCES,
    SUCCESS,
)
from gateway.errors import SpoolError

if TYPE_CHECKING:
    from gateway.acceptor.asking import Asker
    from gateway.part10 import IdentityScan
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


_RECEIVING, _SEALING = StoreState.RECEIVING, StoreState.SEALING
_OFFERED, _OVER = StoreState.OFFERED, StoreState.OVER
"""Set for every instance: a lookup in the enumeration takes as long as a call."""


class ArrivingDataSet(ABC):
    """The part of a C-STORE request that takes its data set, whichever way the command set went.

    The request calls `await_data` as it begins, `data_ended` at its last fragment, and `let_go` at
    its end; it gets `offer`, or `end` with a failure status.
    """

    association: Asker
    state = _RECEIVING

    def await_data(self, writer: Writer, scan: IdentityScan | None, *, durable: bool) -> None:
        """Begin; `durable`: the worker that is to get it wants its data to be on disk.

        `scan` is to find the UIDs; None: it is the announced data set, or is not to be checked.
        """
        self._writer = writer
        self._durable = durable
        self._scan = scan
        self._sealed: Sealed | None = None
        self._pause: asyncio.Task[None] | None = None

    @abstractmethod
    def offer(self, sealed: Sealed) -> None:
        """Ask a worker to take it."""

    @abstractmethod
    def end(self, status: int, elements: dict[str, Any]) -> None:
        """Send the final response."""

    # as the inbox calls it

    def fragment(self, data: memoryview) -> None:
        self._writer.write(data)
        scan = self._scan
        if scan is not None and not scan.done:
            scan.feed(data)

    def read_done(self) -> None:
        writer = self._writer
        writer.relieve()
        if writer.behind and self._pause is None:
            self._pause = asyncio.get_running_loop().create_task(self._wait_for_disk())

    async def _wait_for_disk(self) -> None:
        transport = self.association.engine.transport
        transport.pause_reading("disk")
        await self._writer.caught_up()
        transport.resume_reading("disk")
        self._pause = None

    # once it exists

    def data_ended(self, sop_class: str, instance: str) -> None:
        """Seal it, if it is of the class and instance that the command set named."""
        status, elements = self._unacceptable(sop_class, instance)
        if status:
            self.end(status, elements)
            return
        self.state, shared = _SEALING, self.association.shared
        sync = self._durable and shared.settings.durable
        shared.spool.seal(self._writer, sync=sync, done=self._seal_ended)

    def _seal_ended(self, outcome: Sealed | Exception) -> None:
        engine = self.association.engine
        try:
            if isinstance(outcome, SpoolError):
                log.error("association=%s C-STORE data set not stored: %s", engine.name, outcome)
                self.end(OUT_OF_RESOURCES, {"ErrorComment": "Out of resources: spool"})
            elif isinstance(outcome, Exception):
                raise outcome
            else:
                self.state, self._sealed = _OFFERED, outcome
                self.offer(outcome)
        except Exception:  # a bug: nobody else would notice, so it ends the association
            log.exception("association=%s an operation failed", engine.name)
            engine.fail()

    def _unacceptable(self, sop_class: str, instance: str) -> tuple[int, dict[str, Any]]:
        """Return a failure status if the data set is not what the command set announced.

        A data set without its UIDs is accepted: such files exist in practice.
        """
        scan = self._scan
        if scan is None:
            return SUCCESS, {}
        if scan.has_group_2:
            return CANNOT_UNDERSTAND, {"ErrorComment": "File meta elements inside the data set"}
        for name, ours, theirs in (
            ("class", scan.sop_class_uid, sop_class),
            ("instance", scan.sop_instance_uid, instance),
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

    # the end

    @property
    def is_offered(self) -> bool:
        """A worker was asked."""
        return self.state is _OFFERED

    def quarantine(self) -> None:
        """Put it aside: two workers died with it."""
        if self._sealed is not None:
            self.association.shared.spool.quarantine(*self._sealed)

    def let_go(self) -> None:
        """Keep nothing of it."""
        state, self.state = self.state, _OVER
        sealed, self._sealed = self._sealed, None
        if sealed is not None:
            self.association.shared.spool.release(sealed.claim)
        elif state is _RECEIVING or state is _SEALING:
            self._writer.discard()
