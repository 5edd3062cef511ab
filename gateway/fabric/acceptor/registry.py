"""The workers of each event, and the progress of each request: stimulus in, effects out.

Nothing here knows of sockets, clocks or tasks; `now` is an argument (seconds of any clock that
never goes back). Every public method that returns effects is a stimulus; they are to be done in
their order. Requests and answers come and go in batches, because that is how they travel.

Theory of operation. An event has at most one *owner* for each SOP class, which is the abstract
syntax of the request's context. It is a worker's name, whose *members* are its processes. An
`Intervention` is given to the member with most free credit or waits in the owner's queue. A BYE and
a death differ: after the BYE of the last member nobody holds the event; after a death the owner is
*vacant* for a while and requests wait for it, and those that the dead member had in hand are
*suspects*. A request that nobody awaits any more still costs its member a credit until the member
has returned it with a final answer.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from gateway.errors import Reason
from gateway.events import EVT_WORKER_LOST, EVT_WORKER_REFUSED, EVT_WORKER_UP
from gateway.fabric.acceptor.dispatcher import Dispatcher
from gateway.fabric.acceptor.effects import (
    AllKnown,
    Effect,
    Fail,
    Post,
    Tell,
    UnwatchProcess,
    WatchProcess,
    WorkerKnown,
    WorkerLeft,
)
from gateway.fabric.acceptor.holdings import Holdings
from gateway.fabric.acceptor.lease import Member, MemberState
from gateway.fabric.acceptor.served import ServedClasses
from gateway.fabric.wire.envelopes import End, Grant, Heartbeat, Refusal, Register, Unknown
from gateway.fabric.wire.terms import MISSED, Binding, CancelReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.fabric.acceptor.interventions import Intervention
    from gateway.fabric.wire.terms import Answer
    from gateway.settings import FabricSettings, RememberedWorker


class Registry:
    """The leases and requests of one acceptor."""

    def __init__(
        self,
        settings: FabricSettings,
        *,
        stream: str,
        now: float,
        expect: Sequence[str] = (),
        remembered: Sequence[RememberedWorker] = (),
        joining: bool = False,
    ) -> None:
        self._settings = settings
        self._stream = stream
        self._silence = silence = MISSED * settings.heartbeat
        self.joining_until = now + silence if joining else now
        self._configured = frozenset(expect)
        grace = settings.lease_grace
        self.served = ServedClasses(expect, remembered, grace=grace, now=now)
        self._expected = self.served.expected
        self._waiting_until = max(self.joining_until, now + grace * bool(self._expected))
        self.knows_all = not self.served.unknown
        """Whether it is known what the configured workers serve, or no longer waited for."""
        self._ticked = now
        self._leases = 0
        self.members: dict[bytes, Member] = {}
        self._dispatcher = Dispatcher(settings.queue)
        self._holdings = holdings = Holdings(self._dispatcher)
        self.owners, self.holders = holdings.owners, holdings.holders
        self.lost, self.generations = holdings.lost, holdings.generations

    def configure(self, names: Sequence[str]) -> None:
        """Take other workers as the configured ones."""
        self._configured = self.served.configured = frozenset(names)

    # -- messages of members

    def register(
        self, peer: bytes, asked: Register, now: float, *, local: bool = False
    ) -> list[Effect]:
        """Grant all events of a registration or none; `local`: its pid can be watched."""
        refuse = self._holdings.refusal_of(asked, joining=now < self.joining_until)
        if refuse is not None:
            self._dispatcher.add(Post(peer, refuse))
            if refuse.refusal is Refusal.HELD:
                member = Member(peer, "", asked, now)
                body = {**member.describe(), "holder": refuse.holder}
                self._dispatcher.add(Tell(EVT_WORKER_REFUSED.name, body))
            return self._dispatcher.take_effects()
        self._end_former(peer, asked, now)
        owner = self._holdings.grant(peer, asked)
        member = self._enrol(peer, asked, now, local=local)
        if member not in owner.members:
            owner.members.append(member)
        owner.vacant_until, owner.has_left = None, False
        self._holdings.rebind(owner, now)
        self._expected.discard(owner.name)
        if (worker := self.served.registered(asked, now)) is not None:
            self._dispatcher.add(WorkerKnown(worker))
        grant = Grant(member.lease, self._stream, self._settings.heartbeat, asked.revision)
        self._dispatcher.add(Post(peer, grant))
        self._dispatcher.dispatch(owner, now)
        self._end_expectation(now)
        return self._dispatcher.take_effects()

    def heartbeat(self, peer: bytes, lease: str, now: float) -> list[Effect]:
        member = self._heard(peer, now)
        if member is None or member.lease != lease:
            return [Post(peer, Unknown(lease))]
        return [Post(peer, Heartbeat(lease))]

    def answer(
        self, peer: bytes, answers: Sequence[tuple[str, Answer]], now: float
    ) -> list[Effect]:
        """Take answers by their tokens; a late one only frees a credit."""
        member = self._heard(peer, now)
        if member is None:
            return [Post(peer, Unknown(""))]
        for token, answer in answers:
            if (intervention := member.in_hand.get(token)) is None:
                self._answer_unawaited(member, token, answer, now)
            elif answer.final:
                del member.in_hand[token]
                self._dispatcher.hand_on(intervention, answer, now)
            elif intervention.owed < 1:
                text = f"{member.name} sent more answers than it had credit for"
                self._dispatcher.give_up(intervention, Reason.LOST, text, CancelReason.ABANDONED)
                self._fault(member, now)
            else:
                self._dispatcher.hand_on(intervention, answer, now)
        self._freed(member, now)
        return self._dispatcher.take_effects()

    def bye(self, peer: bytes, lease: str, now: float) -> list[Effect]:
        """Give a member no further requests; it may still answer those in hand."""
        member = self._heard(peer, now)
        if member is None or member.lease != lease:
            return []
        owner = self.owners.get(member.name)
        member.standing = MemberState.LEAVING
        if owner is not None and member in owner.members:
            owner.remove(member)
            if owner.members:
                self._holdings.rebind(owner, now)
                self._dispatcher.dispatch(owner, now)
            elif owner.name in self._configured:  # its supervisor starts it again
                owner.vacant_until = now + self._settings.lease_grace
                owner.has_left = True
            else:
                self._holdings.release(owner, Reason.NOBODY, f"{owner.name} has left")
                self.served.left(owner.name, now)
                self._dispatcher.add(WorkerLeft(owner.name))
        self._forget_if_done(member)
        return self._dispatcher.take_effects()

    def extend(self, peer: bytes, token: str, now: float) -> None:
        """Restart the deadline, if it runs: the handler is waiting for a third party."""
        member = self._heard(peer, now)
        if member is not None and (intervention := member.in_hand.get(token)) is not None:
            self._dispatcher.extend(intervention, now)

    def fault(self, peer: bytes, now: float) -> list[Effect]:
        """Count something undecodable or out of place that the peer sent."""
        member = self._heard(peer, now)
        if member is not None:
            self._fault(member, now)
        return self._dispatcher.take_effects()

    def gone(self, peer: bytes, now: float) -> list[Effect]:
        """End the lease of a peer whose process or connection is known to be dead."""
        member = self.members.get(peer)
        if member is not None:
            self._end_by_death(member, now)
        return self._dispatcher.take_effects()

    # -- calls of the acceptor

    def binding(self, event: str, sop_class: str, now: float) -> Binding | None:
        """Return the binding of the event; the most careful one while workers are expected."""
        found = self.held(event, sop_class)
        return found or (Binding(event, durable=True) if now < self._waiting_until else None)

    def held(self, event: str, sop_class: str) -> Binding | None:
        """Return the binding of the event; None if nobody holds it."""
        holders = self.holders.get(event)
        if holders is not None and (owner := holders[sop_class]) is not None:
            return owner.bindings[event]
        return None

    def ask(self, interventions: Sequence[Intervention], now: float) -> list[Effect]:
        """Give each request to a member, let it wait, or fail it."""
        dispatcher = self._dispatcher
        for intervention in interventions:
            event = intervention.event
            if intervention.closed:
                continue
            holders = self.holders.get(event)
            if holders is not None and (owner := holders[intervention.sop_class]) is not None:
                dispatcher.ask(intervention, owner, now)
            elif now < self._waiting_until:
                dispatcher.ask_later(intervention, now)
            else:
                text = f"{event}: nobody is registered"
                dispatcher.give_up(intervention, Reason.NOBODY, text, CancelReason.ABANDONED)
        return dispatcher.take_effects()

    def cancel(self, intervention: Intervention) -> list[Effect]:
        """Tell the member that the peer wants no more; its final answer is still awaited."""
        self._dispatcher.cancel(intervention)
        return self._dispatcher.take_effects()

    def abandon(self, intervention: Intervention) -> list[Effect]:
        """End a request whose answer nobody awaits any more."""
        self._dispatcher.give_up(intervention, None, "", CancelReason.ABANDONED)
        return self._dispatcher.take_effects()

    def unsent(self, peer: bytes, token: str, text: str, now: float) -> list[Effect]:
        """Fail a request that could not be encoded and never reached the member."""
        member = self.members.get(peer)
        if member is not None and token in member.in_hand:
            intervention = member.in_hand.pop(token)
            intervention.close()
            self._dispatcher.add(Fail(intervention, Reason.LOST, text))
            self._freed(member, now)
        return self._dispatcher.take_effects()

    def consumed(self, intervention: Intervention, answers: int, now: float) -> list[Effect]:
        """Give a stream credit for the answers that its reader has consumed."""
        self._dispatcher.credit(intervention, answers, now)
        return self._dispatcher.take_effects()

    def describe(self) -> dict[str, Any]:
        """Return what there is to tell of each worker that holds events, by name."""
        return {name: owner.describe() for name, owner in self.owners.items()}

    @property
    def in_flight(self) -> int:
        """The number of requests that have not ended."""
        return sum(1 for _ in self._open())

    # -- time

    @property
    def soonest(self) -> float:
        """The earliest deadline that was set since `next_due` was called."""
        return self._dispatcher.soonest

    def next_deadline(self) -> float | None:
        """Return the time at which the first request is late."""
        return min((i.due for i in self._open() if i.due is not None), default=None)

    def next_due(self, now: float) -> float:
        """Return the time at which `tick` has something to do, at most a heartbeat from now."""
        self._dispatcher.soonest = inf
        times = [now + self._settings.heartbeat]
        times += [m.heard + self._silence for m in self.members.values()]
        times += [o.vacant_until for o in self.owners.values() if o.vacant_until is not None]
        if (deadline := self.next_deadline()) is not None:
            times.append(deadline)
        if now < self._waiting_until:
            times.append(self._waiting_until)
        return min(times)

    def tick(self, now: float) -> list[Effect]:
        """Handle everything that is due."""
        self._excuse_delay(now)
        for intervention in [i for i in self._open() if i.due is not None and i.due <= now]:
            text = f"{intervention.event}: no answer in time"
            self._dispatcher.give_up(intervention, Reason.LATE, text, CancelReason.LATE)
        for member in [m for m in self.members.values() if now - m.heard >= self._silence]:
            self._end_by_death(member, now)
        for owner in list(self.owners.values()):
            if owner.vacant_until is not None and now >= owner.vacant_until:
                self._holdings.end_vacancy(owner, now)
            self._dispatcher.dispatch(owner, now)
        self._end_expectation(now)
        return self._dispatcher.take_effects()

    def close(self) -> list[Effect]:
        """Fail every open request: the acceptor is shutting down."""
        for intervention in list(self._open()):
            text = "the acceptor is shutting down"
            self._dispatcher.give_up(intervention, Reason.LOST, text, CancelReason.ABANDONED)
        return self._dispatcher.take_effects()

    def _open(self) -> Iterator[Intervention]:
        """Return every request that has not ended.

        There are not many, and their deadlines are looked at only at each tick, so that they need
        not be kept in order.
        """
        for member in self.members.values():
            yield from member.in_hand.values()
        for owner in self.owners.values():
            yield from owner.queued()
        yield from self._dispatcher.unclaimed

    # -- registration

    def _end_former(self, peer: bytes, asked: Register, now: float) -> None:
        """End the former lease of a client that connects anew."""
        for member in list(self.members.values()):
            same = member.register.instance == asked.instance and asked.instance
            if same and (member.peer != peer or member.name != asked.worker):
                self._end_by_death(member, now)

    def _enrol(self, peer: bytes, asked: Register, now: float, *, local: bool) -> Member:
        member = self.members.get(peer)
        if member is not None:
            member.update(asked)
            member.heard = now
            member.standing = MemberState.ACTIVE
            return member
        self._leases += 1
        member = Member(peer, f"{self._stream}.{self._leases:x}", asked, now)
        self.members[peer] = member
        if local and asked.pid:
            self._dispatcher.add(WatchProcess(peer, asked.pid))
        self._dispatcher.add(Tell(EVT_WORKER_UP.name, member.describe()))
        return member

    # -- heartbeats and deaths

    def _heard(self, peer: bytes, now: float) -> Member | None:
        member = self.members.get(peer)
        if member is not None:
            member.heard = now
        return member

    def _excuse_delay(self, now: float) -> None:
        """Do not count a delay of this process as silence of the members."""
        held_up = now - self._ticked - 2 * self._settings.heartbeat
        self._ticked = now
        if held_up > 0:
            for member in self.members.values():
                member.heard = min(now, member.heard + held_up)

    def _fault(self, member: Member, now: float) -> None:
        if self.members.get(member.peer) is member and member.fault(now):
            text = "too many messages that answer nothing"
            self._dispatcher.add(Post(member.peer, End(member.lease, text)))
            self._end_by_death(member, now)

    def _end_by_death(self, member: Member, now: float) -> None:
        """End a lease by death: keep its name for a while, and treat its requests as suspects."""
        del self.members[member.peer]
        self._dispatcher.add(
            UnwatchProcess(member.peer), Tell(EVT_WORKER_LOST.name, member.describe())
        )
        alone = len(member.in_hand) == 1 and not member.unreturned
        lost, member.in_hand = list(member.in_hand.values()), {}
        owner = self.owners.get(member.name)
        for intervention in lost:
            intervention.deaths_alone += alone and not intervention.unsent
            self._dispatcher.survive(intervention, owner)
        if owner is None:
            return
        if member in owner.members:
            owner.remove(member)
            if not owner.covered:
                owner.vacant_until = now + self._settings.lease_grace
        self._dispatcher.dispatch(owner, now)

    def _forget_if_done(self, member: Member) -> None:
        if member.standing is MemberState.LEAVING and not member.busy:
            del self.members[member.peer]
            self._dispatcher.add(UnwatchProcess(member.peer))

    def _end_expectation(self, now: float) -> None:
        if not self._expected and now >= self.joining_until:
            self._waiting_until = min(self._waiting_until, now)
        if now >= self._waiting_until:
            self._dispatcher.fail_unclaimed()
        if not self.knows_all and (not self.served.unknown or now >= self._waiting_until):
            self.knows_all = True
            self._dispatcher.add(AllKnown())

    def _answer_unawaited(self, member: Member, token: str, answer: Answer, now: float) -> None:
        if token in member.unreturned:
            if answer.final:
                del member.unreturned[token]
        elif not member.had(token):
            self._fault(member, now)

    def _freed(self, member: Member, now: float) -> None:
        if self.members.get(member.peer) is not member:
            return
        if member.standing is MemberState.LEAVING:
            self._forget_if_done(member)
        elif member.standing is MemberState.ACTIVE:
            self._dispatcher.dispatch(self.owners[member.name], now)
