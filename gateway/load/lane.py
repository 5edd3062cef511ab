"""One association's worth of load: it takes operations that are due and performs them in turn."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from gateway.dimse.status import Category, category
from gateway.load.plan import INSTANCE, KEEP
from gateway.load.recorder import Outcome
from gateway.requestor.errors import AssociationError, NotAccepted, Rejected, describe_status
from gateway.requestor.services import associate

if TYPE_CHECKING:
    from gateway.load.identity import Identity
    from gateway.load.plan import Plan
    from gateway.load.recorder import Recorder
    from gateway.load.work import Job, Work
    from gateway.requestor.operation import Operation
    from gateway.requestor.proposal import Address, Proposal, Timeouts
    from gateway.requestor.services import Association

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
UNFINISHED = "unfinished when the load was over"


class Owner(Protocol):
    """What a lane needs of the engine."""

    plan: Plan
    recorder: Recorder
    work: Work
    address: Address
    proposal: Proposal
    timeouts: Timeouts

    @property
    def is_over(self) -> bool:
        """Nothing begins any more."""

    async def next_due(self) -> float | None:
        """The moment at which the next operation should start; None: there is no more."""

    def acknowledged(self, identity: Identity) -> None: ...

    def lost(self, why: str) -> None:
        """There is no association at present; the engine may find that it never will be."""

    async def pause(self, seconds: float) -> None:
        """Wait, or until all is over."""


class Lane:
    """At most one association at a time, and one operation on it."""

    def __init__(self, owner: Owner, number: int) -> None:
        self._owner = owner
        self._number = number
        self._association: Association | None = None
        self._pause = _FIRST_PAUSE
        self._texts: dict[tuple[str, int], str] = {}

    @property
    def is_associated(self) -> bool:
        return self._association is not None and not self._association.is_ended

    async def open(self) -> bool:
        """Associate; why not is counted."""
        owner = self._owner
        recorder = owner.recorder
        began = recorder.clock()
        try:
            self._association = await associate(
                owner.address, owner.proposal, timeouts=owner.timeouts
            )
        except AssociationError as error:
            recorder.not_associated(str(error), rejected=isinstance(error, Rejected))
            owner.lost(str(error))
            return False
        recorder.associated(recorder.clock() - began)
        self._pause = _FIRST_PAUSE
        return True

    async def run(self) -> None:
        """Perform operations until there are no more."""
        owner, kept = self._owner, self._owner.plan.keep == KEEP
        while not kept or self.is_associated or await self._open_again():
            due = await owner.next_due()
            if due is None:
                return
            await self._perform(due)

    async def close(self) -> None:
        """Release the association, if there is one."""
        association, self._association = self._association, None
        if association is not None:
            await association.close()

    async def _open_again(self) -> bool:
        """Until there is an association again; False: it is over."""
        while not await self.open():
            if await self._rest():
                return False
        return True

    async def _rest(self) -> bool:
        """Leave a peer in peace that cannot take us; True: all is over."""
        await self._owner.pause(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return self._owner.is_over

    async def _perform(self, due: float) -> None:
        recorder = self._owner.recorder
        recorder.began()
        began = recorder.clock()
        try:
            if not self.is_associated and not await self.open():
                recorder.unanswered(due, "no association")
                await self._rest()
                return
            assert self._association is not None
            job = self._owner.work.job(self._association, self._number)
            operation = await self._association.invoke_encoded(job.context, job.request, job.groups)
            await self._finish(operation, job, Outcome(due, began))
        except AssociationError as error:
            recorder.unanswered(due, str(error))
            if not isinstance(error, NotAccepted):
                self._owner.lost(str(error))
            await self._rest()
        except asyncio.CancelledError:
            recorder.unanswered(due, UNFINISHED)
            if self._association is not None:
                self._association.drop(UNFINISHED)
            raise
        await self._maybe_close()

    async def _finish(self, operation: Operation, job: Job, outcome: Outcome) -> None:
        async for answered in operation:
            outcome.matches += answered.is_pending
        status = answered.status
        outcome.is_good = category(status) in (Category.SUCCESS, Category.WARNING)
        if outcome.is_good and job.identity is not None:
            self._owner.acknowledged(job.identity)
        key = job.sop_class_uid, status
        text = self._texts.get(key)
        if text is None or answered.response.error_comment:
            text = describe_status(job.sop_class_uid, answered.response)
            if not answered.response.error_comment:
                self._texts[key] = text
        outcome.status, outcome.size = text, job.size
        self._owner.recorder.answered(outcome)

    async def _maybe_close(self) -> None:
        keep = self._owner.plan.keep
        if keep == INSTANCE or (keep != KEEP and self._owner.work.study_ended(self._number)):
            await self.close()
