"""The dispatch of requests: they are given to members, wait for one, or end.

Everything that moves an `Intervention` from one place to another is here; which worker holds what
is decided in `gateway.fabric.acceptor.registry`. What one stimulus gives to one member is one
effect, and so are all answers that it brings.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from gateway.errors import Reason
from gateway.fabric.acceptor.effects import Deliver, Effect, Fail, HandOn, Post
from gateway.fabric.acceptor.request_queue import RequestQueue
from gateway.fabric.wire.envelopes import Cancel, Credit
from gateway.fabric.wire.terms import CancelReason

if TYPE_CHECKING:
    from gateway.fabric.acceptor.class_holders import ClassHolders
    from gateway.fabric.acceptor.effects import Delivery
    from gateway.fabric.acceptor.interventions import Intervention
    from gateway.fabric.acceptor.lease import EventOwner, Member
    from gateway.fabric.wire.terms import Answer

SUSPICIOUS_DEATHS = 2
"""Members that may die with nothing but this request in hand, until it fails."""


class Dispatcher:
    """The requests of one acceptor."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        """Requests that wait for one event."""
        self._out: list[Effect] = []
        self._deliveries: dict[bytes, list[Delivery]] = {}
        self._answers: list[tuple[Intervention, Answer]] | None = None
        self._unclaimed: dict[str, RequestQueue[Intervention]] = {}
        """Requests for workers that are still to register."""
        self.soonest = inf
        """The earliest deadline that was set since `Registry.next_due`."""

    def add(self, *effects: Effect) -> None:
        self._out += effects

    def take_effects(self) -> list[Effect]:
        """Return the effects that are to be done, and clear them."""
        out, self._out = self._out, []
        self._deliveries.clear()
        self._answers = None
        return out

    @property
    def unclaimed(self) -> list[Intervention]:
        return [one for queue in self._unclaimed.values() for one in queue]

    def ask(self, intervention: Intervention, owner: EventOwner, now: float) -> None:
        """Give the request to one of the owner's members, or let it wait."""
        event = intervention.event
        _bind(intervention, owner)
        member = None if owner.waiting else owner.pick(event, intervention.asker)
        if member is not None:
            self._start(intervention, now)
            self._give(intervention, member, now)
        elif self._fits(intervention, owner.waiting.get(event)):
            self._start(intervention, now)
            owner.wait(intervention)
            self.dispatch(owner, now)

    def ask_later(self, intervention: Intervention, now: float) -> None:
        """Let the request wait for a worker that registers its event."""
        queue = self._unclaimed.setdefault(intervention.event, RequestQueue())
        if self._fits(intervention, queue):
            intervention.enter(queue)
            self._start(intervention, now)

    def claim(self, owner: EventOwner, event: str, holders: ClassHolders, now: float) -> None:
        """Move waiting requests to their new owner, whose deadlines now hold."""
        waiting = self._unclaimed.get(event, ())
        for intervention in [one for one in waiting if holders[one.sop_class] is owner]:
            intervention.leave_queue()
            _bind(intervention, owner)
            self._start(intervention, now)
            owner.wait(intervention)

    def dispatch(self, owner: EventOwner, now: float) -> None:
        """Give members the requests that can go out."""
        while (pair := owner.next()) is not None:
            self._give(*pair, now)

    def hand_on(self, intervention: Intervention, answer: Answer, now: float) -> None:
        """Hand an answer on; restart the clock if another one may be sent."""
        if answer.final:
            intervention.close()
        else:
            intervention.given += 1
            intervention.owed -= 1
            intervention.due = None
            if intervention.owed:
                self._start(intervention, now)
        if self._answers is None:
            self._answers = []
            self._out.append(HandOn(self._answers))
        self._answers.append((intervention, answer))

    def extend(self, intervention: Intervention, now: float) -> None:
        """Restart the clock, if it runs: the handler is waiting for a third party."""
        if intervention.owed or not intervention.window:
            self._start(intervention, now)

    def credit(self, intervention: Intervention, answers: int, now: float) -> None:
        """Let the member give this many more answers of a stream."""
        if intervention.member is not None:
            intervention.owed += answers
            self._start(intervention, now)
            self._out.append(Post(intervention.member.peer, Credit(intervention.token, answers)))

    def cancel(self, intervention: Intervention) -> None:
        """Tell the member that the peer wants no more; its final answer is still awaited."""
        if not intervention.cancelled and intervention.member is not None:
            cancel = Cancel(intervention.token, CancelReason.CANCEL, False)
            self._out.append(Post(intervention.member.peer, cancel))
        intervention.cancelled = True

    def survive(self, intervention: Intervention, owner: EventOwner | None) -> None:
        """Give the request of a dead member to another one, or fail it.

        One that never reached the member waits for another one, whatever its binding says.
        """
        text = f"{intervention.event}: the worker died with it"
        again = intervention.redeliver and not intervention.given
        holder = owner if owner is not None and intervention.event in owner.bindings else None
        was_unsent, intervention.unsent = intervention.unsent, False
        intervention.member = None
        if was_unsent and holder is not None:
            holder.wait(intervention)
        elif intervention.deaths_alone >= SUSPICIOUS_DEATHS:
            intervention.close()
            self._out.append(Fail(intervention, Reason.LOST, text, poisonous=True))
        elif again and holder is not None:
            intervention.attempt += 1
            intervention.enter(holder.suspects)
        else:
            self.give_up(intervention, Reason.LOST, text, CancelReason.LOST)

    def give_up(
        self, intervention: Intervention, reason: Reason | None, text: str, why: CancelReason
    ) -> None:
        """End a request without an answer; a member that has it is told to return it."""
        member, token = intervention.member, intervention.token
        if member is not None:
            del member.in_hand[token]
            member.unreturned[token] = intervention.asker
            self._out.append(Post(member.peer, Cancel(token, why, True)))
        intervention.close()
        if reason is not None:
            self._out.append(Fail(intervention, reason, text))

    def fail_unclaimed(self) -> None:
        """Fail the requests for workers that have not registered: none is expected any more."""
        for intervention in self.unclaimed:
            text = f"{intervention.event}: nobody has registered"
            self.give_up(intervention, Reason.NOBODY, text, CancelReason.ABANDONED)
        self._unclaimed.clear()

    def _fits(self, intervention: Intervention, queue: RequestQueue[Intervention] | None) -> bool:
        """Return whether a request may wait; the peer with most that wait may have to give way."""
        if queue is None or len(queue) < self._limit:
            return True
        victim = queue.to_give_way(intervention) or intervention
        text = f"{intervention.event}: the queue is full"
        self.give_up(victim, Reason.BUSY, text, CancelReason.ABANDONED)
        return victim is not intervention

    def _start(self, intervention: Intervention, now: float) -> None:
        """Start or restart the clock."""
        intervention.due = due = now + intervention.duration
        if due < self.soonest:
            self.soonest = due

    def _give(self, intervention: Intervention, member: Member, now: float) -> None:
        if intervention.queue is not None:
            intervention.leave_queue()
        intervention.member = member
        intervention.given_at = now
        intervention.token = token = member.issue()
        member.in_hand[token] = intervention
        deliveries = self._deliveries.get(member.peer)
        if deliveries is None:
            deliveries = self._deliveries[member.peer] = []
            self._out.append(Deliver(member.peer, deliveries))
        left = max(0.0, (intervention.due or now) - now)
        deliveries.append((intervention, token, intervention.attempt, left))
        if intervention.cancelled:
            self._out.append(Post(member.peer, Cancel(token, CancelReason.CANCEL, False)))


def _bind(intervention: Intervention, owner: EventOwner) -> None:
    binding = owner.bindings[intervention.event]
    intervention.duration = binding.deadline
    intervention.redeliver = binding.redeliver
