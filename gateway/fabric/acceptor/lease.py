"""Leases on events: members, which are worker processes, and owners, which are workers."""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from gateway.fabric.acceptor.request_queue import RequestQueue

if TYPE_CHECKING:
    from gateway.fabric.acceptor.interventions import Intervention
    from gateway.fabric.wire.envelopes import Register
    from gateway.fabric.wire.terms import Binding

FAULTS = 3
"""Faults within `FAULT_WINDOW` seconds that end a lease."""
FAULT_WINDOW = 60.0
KEPT_OF = 3
"""A member that takes so many requests at a time keeps the last free place for a peer of which it
has none: slow requests of one peer never use up a worker."""
_NAMES = 1024
"""Names whose generations are remembered."""


class MemberState(Enum):
    """The state of a member: what it may still do."""

    ACTIVE = auto()
    SUPERSEDED = auto()
    """It finishes its requests, because a newer generation took over."""
    LEAVING = auto()
    """It finishes its requests, because it said BYE."""


class Member:
    """One lease: one connection of one worker process."""

    def __init__(self, peer: bytes, lease: str, register: Register, now: float) -> None:
        self.peer = peer
        self.lease = lease
        self.update(register)
        self.heard = now
        self.standing = MemberState.ACTIVE
        self.issued = 0
        """The number of tokens given to it so far."""
        self.in_hand: dict[str, Intervention] = {}
        self.unreturned: dict[str, str] = {}
        """Tokens whose answer nobody awaits any more, with the peer that asked, until the member
        returns them: each costs a credit."""
        self._faults: deque[float] = deque(maxlen=FAULTS)

    @property
    def name(self) -> str:
        return self.register.worker

    @property
    def free(self) -> int:
        return self.credit - len(self.in_hand) - len(self.unreturned)

    @property
    def busy(self) -> bool:
        return bool(self.in_hand or self.unreturned)

    def works_for(self, asker: str) -> bool:
        """Return whether it has a request of this peer, awaited or not."""
        return asker in self.unreturned.values() or any(
            one.asker == asker for one in self.in_hand.values()
        )

    def update(self, register: Register) -> None:
        """Take a registration, the first one or a change of it."""
        self.register = register
        self.credit = register.credit
        self.events = frozenset(b.event for b in register.bindings)

    def issue(self) -> str:
        """Return a token that was never issued before."""
        self.issued += 1
        return f"{self.lease}.{self.issued:x}"

    def had(self, token: str) -> bool:
        """Return whether the token was once issued to this member."""
        lease, _, number = token.rpartition(".")
        try:
            return lease == self.lease and 0 < int(number, 16) <= self.issued
        except ValueError:
            return False

    def fault(self, now: float) -> bool:
        """Count a fault; return True if there are too many."""
        self._faults.append(now)
        return len(self._faults) == FAULTS and now - self._faults[0] <= FAULT_WINDOW

    def describe(self) -> dict[str, Any]:
        """Return the body of a notification about this member."""
        return {
            "worker": self.register.worker,
            "generation": self.register.generation,
            "member": self.register.member,
            "events": sorted(self.events),
            "sop_classes": {
                b.event: list(b.sop_classes)
                for b in self.register.bindings
                if b.sop_classes is not None
            },
            "sends": list(self.register.sends),
        }


class EventOwner:
    """A worker's name: its bindings, active members of the newest generation, waiting requests.

    After a death each request that the member had in hand is a suspect and goes out alone: one
    member is reserved, gets nothing new until it is idle, then one suspect after the other.
    """

    def __init__(self, name: str, generation: int) -> None:
        self.name = name
        self.generation = generation
        self.members: list[Member] = []
        self.bindings: dict[str, Binding] = {}
        self.vacant_until: float | None = None
        """Set while no member is left after a death; requests wait meanwhile."""
        self.has_left = False
        """The last member said BYE, and the configuration says that the worker will come back."""
        self.waiting: dict[str, RequestQueue[Intervention]] = {}
        self.suspects: RequestQueue[Intervention] = RequestQueue()
        self.reserved: Member | None = None

    @property
    def covered(self) -> bool:
        """Return whether each held event has a member that takes it."""
        return bool(self.members) and all(
            any(event in m.events for m in self.members) for event in self.bindings
        )

    def describe(self) -> dict[str, Any]:
        """Return what the supervisor is told of this worker."""
        return {
            "generation": self.generation,
            "members": len(self.members),
            "waiting": len(self.suspects) + sum(map(len, self.waiting.values())),
            "credit": sum(max(member.free, 0) for member in self.members),
            "left": self.has_left,
            "events": sorted(self.bindings),
        }

    def remove(self, member: Member) -> None:
        self.members.remove(member)
        if self.reserved is member:
            self.reserved = None

    def wait(self, intervention: Intervention) -> None:
        queue = self.waiting.get(intervention.event)
        if queue is None:
            queue = self.waiting[intervention.event] = RequestQueue()
        intervention.enter(queue)

    def pick(self, event: str, asker: str = "") -> Member | None:
        """Return the member with the most free credit among those that take the event.

        None if there is none, or if the last free place is kept for other peers than this one.
        """
        best, most, left = None, 0, 0
        for member in self.members:
            free = member.credit - len(member.in_hand) - len(member.unreturned)
            if free > 0 and member is not self.reserved and event in member.events:
                left += free
                if free > most:
                    best, most = member, free
        if left == 1 and asker and self._is_kept(event, asker):
            return None
        return best

    def _is_kept(self, event: str, asker: str) -> bool:
        able = [member for member in self.members if event in member.events]
        return any(member.credit >= KEPT_OF for member in able) and any(
            member.works_for(asker) for member in able
        )

    def next(self) -> tuple[Intervention, Member] | None:
        """Return a request that can go out now, and its member."""
        pair = self._next_suspect()
        if pair is not None or not self.waiting:
            return pair
        best: tuple[Intervention, Member] | None = None
        for event, queue in list(self.waiting.items()):
            if not queue:
                del self.waiting[event]
            elif self.pick(event) is not None:
                pair = self._next_in_turn(event, queue)
                if pair is not None and (best is None or pair[0].number < best[0].number):
                    best = pair
        return best

    def _next_in_turn(
        self, event: str, queue: RequestQueue[Intervention]
    ) -> tuple[Intervention, Member] | None:
        for asker in queue.askers:
            if (member := self.pick(event, asker)) is not None:
                return queue.first(asker), member
        return None

    def _next_suspect(self) -> tuple[Intervention, Member] | None:
        if not self.suspects:
            if self.reserved is not None and not self.reserved.in_hand:
                self.reserved = None
            return None
        intervention = next(iter(self.suspects))
        member = self._reserve(intervention.event)
        if member is None or member.busy or member.free < 1:
            return None
        return intervention, member

    def _reserve(self, event: str) -> Member | None:
        """Reserve a member; one with unreturned requests may hang, and would never be idle."""
        member = self.reserved
        if (
            member is None
            or (not member.in_hand and event not in member.events)
            or member.unreturned
        ):
            fit = [m for m in self.members if event in m.events and not m.unreturned]
            self.reserved = min(fit, key=lambda m: len(m.in_hand), default=None)
        return self.reserved

    def unbound(self) -> list[Intervention]:
        """Bind what the members bind now; return the requests whose event is no longer bound."""
        self.bindings = {b.event: b for m in self.members for b in m.register.bindings}
        fallen = [e for e in self.waiting if e not in self.bindings]
        queued = [one for event in fallen for one in self.waiting.pop(event)]
        return queued + [one for one in self.suspects if one.event not in self.bindings]

    def queued(self) -> list[Intervention]:
        return [*self.suspects, *(one for queue in self.waiting.values() for one in queue)]


class Generations:
    """The newest generation of each name, granted and promised."""

    def __init__(self) -> None:
        self._granted: dict[str, int] = {}
        self._promised: dict[str, int] = {}

    def newest(self, name: str) -> int:
        return self._granted.get(name, 0)

    def grant(self, name: str, generation: int) -> None:
        _remember(self._granted, name, generation)

    def promise(self, name: str) -> int:
        """Return a generation that was neither granted nor promised before."""
        following = max(self.newest(name), self._promised.get(name, 0)) + 1
        _remember(self._promised, name, following)
        return following


def _remember(names: dict[str, int], name: str, generation: int) -> None:
    names.pop(name, None)
    names[name] = generation
    if len(names) > _NAMES:
        del names[next(iter(names))]
