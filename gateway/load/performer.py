"""Performs the operations of a load that fall to one association."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from gateway.association.errors import AssociationError, NotAccepted, Rejected
from gateway.dimse.status import Category, category
from gateway.load.load_plan import INSTANCE, KEEP
from gateway.load.recorder import MeasuredResponse
from gateway.requestor.requestor_association import associate
from gateway.requestor.status_text import describe_status

if TYPE_CHECKING:
    from gateway.association.operation import Operation
    from gateway.association.timers import Timeouts
    from gateway.load.instance_identity import InstanceIdentity
    from gateway.load.load_operations import OperationSource, PreparedOperation
    from gateway.load.load_plan import Plan
    from gateway.load.recorder import Recorder
    from gateway.requestor.proposal import Address, Proposal
    from gateway.requestor.requestor_association import RequestorAssociation

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
UNFINISHED = "no response by the end of the load"


class LoadContext(Protocol):
    """The part of the engine that a performer uses."""

    plan: Plan
    recorder: Recorder
    operations: OperationSource
    address: Address
    proposal: Proposal
    timeouts: Timeouts

    @property
    def is_over(self) -> bool:
        """No further operation is started."""

    async def next_due(self) -> float | None:
        """Wait for the next operation; return when it should have started, None if at the end."""

    def acknowledged(self, identity: InstanceIdentity) -> None: ...

    def association_failed(self, why: str) -> None:
        """Note that an association failed; the engine may decide to stop."""

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the load."""


class OperationPerformer:
    """Performs operations one after the other, on at most one association at a time."""

    def __init__(self, engine: LoadContext, number: int) -> None:
        self._engine = engine
        self._number = number
        self._association: RequestorAssociation | None = None
        self._pause = _FIRST_PAUSE
        self._texts: dict[tuple[str, int], str] = {}

    @property
    def is_associated(self) -> bool:
        return self._association is not None and not self._association.is_ended

    async def open(self) -> bool:
        """Associate; return whether that succeeded. A failure is counted."""
        engine = self._engine
        recorder = engine.recorder
        began = recorder.clock()
        try:
            self._association = await associate(
                engine.address, engine.proposal, timeouts=engine.timeouts
            )
        except AssociationError as error:
            recorder.not_associated(str(error), rejected=isinstance(error, Rejected))
            engine.association_failed(str(error))
            return False
        recorder.associated(recorder.clock() - began)
        self._pause = _FIRST_PAUSE
        return True

    async def run(self) -> None:
        """Perform all operations."""
        kept = self._engine.plan.keep == KEEP
        while not kept or self.is_associated or await self._open_again():
            due = await self._engine.next_due()
            if due is None:
                return
            await self._perform(due)

    async def close(self) -> None:
        """Release the association, if there is one."""
        association, self._association = self._association, None
        if association is not None:
            await association.close()

    async def _open_again(self) -> bool:
        """Try until there is an association again; return False if the load is over."""
        while not await self.open():
            if await self._back_off():
                return False
        return True

    async def _back_off(self) -> bool:
        """Pause before the next attempt; return whether the load is over."""
        await self._engine.pause(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return self._engine.is_over

    async def _perform(self, due: float) -> None:
        recorder = self._engine.recorder
        recorder.began()
        began = recorder.clock()
        try:
            if not self.is_associated and not await self.open():
                recorder.unanswered(due, "no association")
                await self._back_off()
                return
            assert self._association is not None
            prepared = self._engine.operations.next(self._association, self._number)
            operation = await self._association.invoke_encoded(
                prepared.context, prepared.request, prepared.groups
            )
            await self._finish(operation, prepared, MeasuredResponse(due, began))
        except AssociationError as error:
            recorder.unanswered(due, str(error))
            if not isinstance(error, NotAccepted):
                self._engine.association_failed(str(error))
            await self._back_off()
        except asyncio.CancelledError:
            recorder.unanswered(due, UNFINISHED)
            if self._association is not None:
                self._association.drop(UNFINISHED)
            raise
        await self._maybe_close()

    async def _finish(
        self, operation: Operation, prepared: PreparedOperation, measured: MeasuredResponse
    ) -> None:
        async for received in operation:
            measured.matches += received.is_pending
        status = received.status
        measured.is_good = category(status) in (Category.SUCCESS, Category.WARNING)
        if measured.is_good and prepared.identity is not None:
            self._engine.acknowledged(prepared.identity)
        key = prepared.sop_class_uid, status
        text = self._texts.get(key)
        if text is None or received.response.error_comment:
            text = describe_status(prepared.sop_class_uid, received.response)
            if not received.response.error_comment:
                self._texts[key] = text
        measured.status, measured.size = text, prepared.size
        self._engine.recorder.answered(measured)

    async def _maybe_close(self) -> None:
        keep = self._engine.plan.keep
        study_ended = self._engine.operations.study_ended
        if keep == INSTANCE or (keep != KEEP and study_ended(self._number)):
            await self.close()
