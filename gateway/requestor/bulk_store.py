"""Many instances sent by C-STORE, over as many associations as it takes.

Each instance ends in exactly one `Outcome`, whatever the peer does. An association that breaks
takes the instance that was on its way with it, and the rest go on over a new one; three in a row
that end without one confirmed instance are enough. Nothing is sent twice, because an instance
whose answer never came may be stored or not, and its outcome says so; with one exception. Some
peers abort when they see a fragment of odd length, which is what a data set of odd length ends in.
PS3.8 annex E is with them, and yet most peers keep such a data set as it is. So it is sent as it
is, and if that is answered by an A-ABORT, a deflated one is sent again with the NUL that PS3.5 A.5
asks for; it means nothing there. Another data set of odd length is cut off or broken.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.association.errors import (
    Aborted,
    AssociationError,
    NotAccepted,
    SourceFailed,
    Unreachable,
)
from gateway.datasets import Instance, NoContext, select_context
from gateway.datasets.syntaxes import usable_syntaxes
from gateway.dimse.status import Category
from gateway.errors import GatewayError
from gateway.requestor.plan import Batch, plan
from gateway.requestor.requestor_association import RequestorAssociation, associate
from gateway.requestor.status_text import describe_status
from gateway.uid import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.association.timers import Timeouts
    from gateway.requestor.proposal import Address, Proposal

BARREN = 3
"""Associations in a row that may end without one confirmed instance."""

Converter = Callable[[Instance, str], Instance]
"""Gives an instance in another uncompressed transfer syntax; raises GatewayError, or OSError of a
file. Runs in a thread."""


class Kind(StrEnum):
    """The kind of the outcome of an instance."""

    STORED = "stored"
    WARNING = "stored with a warning"
    REFUSED = "refused"
    """The peer refused it: the presentation context, or by a status."""
    FAILED = "failed"
    """There is no answer: the association broke, or the file could not be read."""
    NOT_SENT = "not sent"

    @property
    def is_stored(self) -> bool:
        """Whether the peer has stored the instance."""
        return self in (Kind.STORED, Kind.WARNING)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one instance, with a text that says why."""

    instance: Instance
    kind: Kind
    text: str = ""
    status: int | None = None
    converted_to: str = ""
    """The transfer syntax that it was converted to, if it was."""


class Sender:
    """Sends instances; `told` hears of each outcome as it comes, `noted` of what happens besides.

    `proposal` gives the titles and limits; its contexts are planned here.
    """

    def __init__(
        self,
        address: Address,
        proposal: Proposal,
        timeouts: Timeouts,
        told: Callable[[Outcome], None],
        noted: Callable[[str], None] = lambda _: None,
        convert: Converter | None = None,
    ) -> None:
        self._address = address
        self._proposal = proposal
        self._timeouts = timeouts
        self._told = told
        self._noted = noted
        self._convert = convert
        self._batches: list[Batch] = []
        self._busy: Counter[int] = Counter()
        """The number of associations, open or requested, by the identity of their batch."""
        self._barren = 0
        self.associations = 0
        """The number of associations that were established."""

    async def send(self, instances: Iterable[Instance], *, associations: int = 1) -> None:
        """Send all instances over at most `associations` at once; raise no errors of the peer.

        If cancelled, abort open associations and report the rest as not sent.
        """
        self._batches = plan(instances, convert=self._convert is not None)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(associations):
                    group.create_task(self._work())
        finally:
            self._give_up("sending was stopped before its turn", *self._batches)

    async def _work(self) -> None:
        """Open one association after the other, as long as there is something to send."""
        while batch := self._next_batch():
            self._busy[id(batch)] += 1
            try:
                more = await self._associate_and_send(batch)
            finally:
                self._busy[id(batch)] -= 1
            if not more:
                return

    def _next_batch(self) -> Batch | None:
        """Return the batch with the fewest associations, fewer than its instances."""
        left = [b for b in self._batches if len(b.instances) > self._busy[id(b)]]
        return min(left, key=lambda batch: self._busy[id(batch)], default=None)

    async def _associate_and_send(self, batch: Batch) -> bool:
        """Return False if this worker is not needed any more."""
        proposal = replace(self._proposal, contexts=batch.contexts)
        try:
            association = await associate(self._address, proposal, timeouts=self._timeouts)
        except AssociationError as error:
            return self._not_established(batch, error)
        self.associations += 1
        try:
            confirmed = await self._send_batch(association, batch)
        except BaseException:
            association.drop("sending was stopped")
            raise
        if association.ended is None:
            await self._release(association)
        else:
            await association.close()
        self._barren = 0 if confirmed else self._barren + 1
        if self._barren >= BARREN and batch.instances:
            why = f"given up after {BARREN} associations without an answer to any C-STORE"
            self._give_up(f"{why}; the last: {association.ended}", batch)
            self._barren = 0
        return True

    def _not_established(self, batch: Batch, error: AssociationError) -> bool:
        if self._busy[id(batch)] > 1:
            self._noted(f"one association less: {error}")
            return False
        self._give_up(str(error), *(self._batches if isinstance(error, Unreachable) else (batch,)))
        return True

    async def _release(self, association: RequestorAssociation) -> None:
        try:
            await association.release()
        except AssociationError as error:
            self._noted(f"everything was answered, but the release failed: {error}")

    async def _send_batch(self, association: RequestorAssociation, batch: Batch) -> bool:
        """Send until the batch or the association ends; return whether any was answered."""
        confirmed = False
        while batch.instances and association.ended is None:
            instance = batch.instances.popleft()
            try:
                outcome = await self._send_one(association, instance)
            except asyncio.CancelledError:
                self._told(Outcome(instance, Kind.FAILED, "stopped while it was being sent"))
                raise
            confirmed |= outcome.status is not None
            if not self._again(association, batch, outcome):
                self._told(outcome)
        return confirmed or association.ended is None

    def _again(self, association: RequestorAssociation, batch: Batch, outcome: Outcome) -> bool:
        """Send it again padded to an even length, if the odd length may be why the peer aborted."""
        instance = outcome.instance
        if not (_aborted_odd(association, outcome) and instance.path and not instance.is_padded):
            return False
        if instance.transfer_syntax_uid != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            return False
        batch.instances.appendleft(replace(instance, is_padded=True))
        return True

    async def _send_one(self, association: RequestorAssociation, instance: Instance) -> Outcome:
        try:
            association.context_for(instance.sop_class_uid, instance.transfer_syntax_uid)
        except NotAccepted as refusal:
            return await self._send_converted(association, instance, refusal)
        return await self._store(association, instance, instance)

    async def _send_converted(
        self, association: RequestorAssociation, instance: Instance, refusal: NotAccepted
    ) -> Outcome:
        syntax = self._alternative(association, instance)
        if syntax is None or self._convert is None:
            return Outcome(instance, Kind.REFUSED, str(refusal))
        try:
            converted = await asyncio.to_thread(self._convert, instance, syntax)
        except (GatewayError, OSError) as error:
            text = f"{refusal}; it cannot be converted to {name_of(syntax)}: {error}"
            return Outcome(instance, Kind.REFUSED, text)
        outcome = await self._store(association, instance, converted)
        return replace(outcome, converted_to=syntax)

    def _alternative(self, association: RequestorAssociation, instance: Instance) -> str | None:
        contexts = association.accepted_contexts.values()
        syntaxes = usable_syntaxes(instance.transfer_syntax_uid)
        try:
            return select_context(contexts, instance.sop_class_uid, syntaxes).transfer_syntax
        except NoContext:
            return None

    async def _store(
        self, association: RequestorAssociation, instance: Instance, sent: Instance
    ) -> Outcome:
        try:
            answered = await association.c_store(sent)
        except SourceFailed as error:
            return Outcome(instance, Kind.FAILED, str(error))
        except AssociationError as error:
            return Outcome(instance, Kind.FAILED, str(error) + _doubt(association, instance))
        except OSError as error:
            return Outcome(instance, Kind.FAILED, f"cannot be read: {error.strerror or error}")
        text = describe_status(instance.sop_class_uid, answered.response)
        kinds = {Category.SUCCESS: Kind.STORED, Category.WARNING: Kind.WARNING}
        kind = kinds.get(answered.category, Kind.REFUSED)
        if kind is Kind.STORED:
            text = "with a NUL after its odd number of bytes" if sent.is_padded else ""
        return Outcome(instance, kind, text, answered.status)

    def _give_up(self, why: str, *batches: Batch) -> None:
        for batch in batches:
            while batch.instances:
                self._told(Outcome(batch.instances.popleft(), Kind.NOT_SENT, why))


def _doubt(association: RequestorAssociation, instance: Instance) -> str:
    """Return the text for an instance whose response never came."""
    if isinstance(association.ended, Aborted) and association.ended.abort and instance.size % 2:
        return f"; its data set has an odd length ({instance.size} bytes), which is not allowed"
    return "; it may be stored or not"


def _aborted_odd(association: RequestorAssociation, outcome: Outcome) -> bool:
    ended = association.ended
    aborted = isinstance(ended, Aborted) and ended.abort is not None
    return aborted and outcome.kind is Kind.FAILED and outcome.instance.size % 2 == 1
