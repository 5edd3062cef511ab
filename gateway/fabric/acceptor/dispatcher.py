"""Gives requests to members, lets them wait, ends them.

Everything that moves an `Intervention` from one place to another is here; which member holds what
is decided in `gateway.fabric.acceptor.registry`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Reason
from gateway.fabric.acceptor.effects import Deliver, Effect, Fail, SendEnvelope
from gateway.fabric.acceptor.interventions import Deadlines, Intervention
from gateway.fabric.wire.envelopes import Cancel, Credit, Requested
from gateway.fabric.wire.terms import Answer, CancelReason

if TYPE_CHECKING:
    from gateway.fabric.acceptor.lease import EventOwner, Member

SUSPICIOUS_DEATHS = 2
"""Members that a request may kill while alone in their hands."""


class Dispatcher:
    """The requests of one acceptor; effects are appended to `out`."""

    def __init__(self, limit: int, out: list[Effect]) -> None:
        self._limit = limit
        """Requests that wait for one event."""
        self._out = out
        self._unclaimed: dict[str, dict[Intervention, None]] = {}
        """Requests for workers that are still to register."""
        self.deadlines = Deadlines()

    def ask(self, call: Intervention, owner: EventOwner, now: float) -> None:
        """Give the call to one of the owner's members, or let it wait."""
        _bind(call, owner)
        member = None if owner.waiting else owner.pick(call.event)
        if member is not None:
            self.deadlines.start(call, now)
            self._give(call, member, now)
        elif self._fits(call, owner.waiting.get(call.event)):
            self.deadlines.start(call, now)
            owner.wait(call)
            self.dispatch(owner, now)

    def ask_later(self, call: Intervention, now: float) -> None:
        """Let the call wait for whoever will register its event."""
        queue = self._unclaimed.setdefault(call.event, {})
        if self._fits(call, queue):
            call.queue = queue
            queue[call] = None
            self.deadlines.start(call, now)

    def claim(self, owner: EventOwner, event: str, now: float) -> None:
        """The event has an owner now; each deadline is the owner's, from now on."""
        for call in self._unclaimed.pop(event, ()):
            self.deadlines.stop(call)
            _bind(call, owner)
            self.deadlines.start(call, now)
            owner.wait(call)

    def dispatch(self, owner: EventOwner, now: float) -> None:
        """Give what can go out."""
        while (pair := owner.next()) is not None:
            self._give(*pair, now)

    def answer_of_stream(self, call: Intervention, answer: Answer, now: float) -> None:
        """One of many answers; the clock runs anew while the member may send a further one."""
        call.answered += 1
        call.owed -= 1
        if call.owed:
            self.deadlines.start(call, now)
        else:
            self.deadlines.stop(call)
        self._out.append(Deliver(call, answer))

    def extend(self, call: Intervention, now: float) -> list[Effect]:
        """The member has it in hand, and waits for others: the clock, if it runs, runs anew."""
        if call.owed or not call.window:
            self.deadlines.start(call, now)
        return []

    def credit(self, call: Intervention, answers: int, now: float) -> list[Effect]:
        """Let the member give so many more answers of a stream."""
        if call.member is None:
            return []
        call.owed += answers
        self.deadlines.start(call, now)
        return [SendEnvelope(call.member.peer, Credit(call.token, answers))]

    def survive(self, call: Intervention, owner: EventOwner | None) -> None:
        """The member that had the call is dead: it is given again, or fails."""
        text = f"{call.event}: the worker died with it"
        again = call.redeliver and not call.answered
        call.member = None
        if call.deaths_alone >= SUSPICIOUS_DEATHS:
            self.close(call)
            self._out.append(Fail(call, Reason.LOST, text, poisonous=True))
        elif again and owner is not None and call.event in owner.bindings:
            call.attempt += 1
            owner.suspect(call)
        else:
            self.give_up(call, Reason.LOST, text, CancelReason.LOST)

    def give_up(
        self, call: Intervention, reason: Reason | None, text: str, why: CancelReason
    ) -> None:
        """End a call without an answer; a member that has it is told to put it down."""
        member, token = call.member, call.token
        if member is not None:
            del member.in_hand[token]
            member.zombies.add(token)
            self._out.append(SendEnvelope(member.peer, Cancel(token, why, True)))
        self.close(call)
        if reason is not None:
            self._out.append(Fail(call, reason, text))

    def fail_unclaimed(self) -> None:
        """Nobody is expected any more."""
        for call in [call for queue in self._unclaimed.values() for call in queue]:
            text = f"{call.event}: nobody has registered"
            self.give_up(call, Reason.NOBODY, text, CancelReason.ABANDONED)
        self._unclaimed.clear()

    def close(self, call: Intervention) -> None:
        """The call is in nobody's hands and no queue any more."""
        call.leave_queue()
        call.member = None
        call.closed = True
        self.deadlines.stop(call)

    def _fits(self, call: Intervention, queue: dict[Intervention, None] | None) -> bool:
        if queue is None or len(queue) < self._limit:
            return True
        self.close(call)
        self._out.append(Fail(call, Reason.BUSY, f"{call.event}: the queue is full"))
        return False

    def _give(self, call: Intervention, member: Member, now: float) -> None:
        call.leave_queue()
        call.member = member
        call.token = member.issue()
        member.in_hand[call.token] = call
        envelope = Requested(
            call.token,
            call.event,
            call.attempt,
            self.deadlines.left(call, now),
            call.window,
            call.payload,
            call.assoc,
        )
        self._out.append(SendEnvelope(member.peer, envelope, call.data))
        if call.cancelled:
            self._out.append(
                SendEnvelope(member.peer, Cancel(call.token, CancelReason.CANCEL, False))
            )


def _bind(call: Intervention, owner: EventOwner) -> None:
    binding = owner.bindings[call.event]
    call.duration = binding.deadline
    call.redeliver = binding.redeliver
