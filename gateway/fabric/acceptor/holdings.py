"""Which worker holds which events and SOP classes, and whether a registration may be granted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Reason
from gateway.events import EVT_WORKER_SUPERSEDED, INTERVENTIONS
from gateway.fabric.acceptor.class_holders import ClassHolders
from gateway.fabric.acceptor.effects import Post, Tell
from gateway.fabric.acceptor.lease import EventOwner, Generations, Member, MemberState
from gateway.fabric.wire.envelopes import MAX_CREDIT, Refusal, Refuse, Register, Supersede
from gateway.fabric.wire.fields import MAX_NAME
from gateway.fabric.wire.frames import VERSION
from gateway.fabric.wire.terms import CancelReason
from gateway.uid import MAX_LENGTH, name_of

if TYPE_CHECKING:
    from gateway.fabric.acceptor.dispatcher import Dispatcher
    from gateway.fabric.wire.terms import Binding


MAX_SOP_CLASSES = 2048
"""SOP classes that a registration may name, all together."""


class Holdings:
    """The owners of events; each event and SOP class has at most one."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self.owners: dict[str, EventOwner] = {}
        self.holders: dict[str, ClassHolders] = {}
        """The owners of each event that is held."""
        self.lost: set[str] = set()
        """Events whose owner died and did not come back, until another registers for them."""
        self.generations = Generations()

    def refusal_of(self, asked: Register, *, joining: bool) -> Refuse | None:
        """Return the refusal of a registration; None: it may be granted."""
        if wrong := _wrong(asked):
            return _refuse(asked, Refusal.INVALID, wrong)
        newest = self.generations.newest(asked.worker)
        if asked.generation < newest:
            old = asked.generation
            text = f"generation {newest} of worker {asked.worker!r} took over from {old}"
            return _refuse(asked, Refusal.SUPERSEDED, text, holder=asked.worker)
        for binding in asked.bindings:
            event, holders = binding.event, self.holders.get(binding.event)
            keyed = keyed_by_name(binding, asked.worker)
            rival = None if holders is None else holders.rival_of(keyed, asked.worker)
            if rival is not None:
                owner, sop_class = rival
                of = f" for {name_of(sop_class)}" if sop_class else ""
                text = f"{event}{of} is held by worker {owner.name!r}"
                return _refuse(asked, Refusal.HELD, text, event=event, holder=owner.name)
        if joining and not asked.incumbent:
            text = "the acceptor has just started; grants of other acceptors come first"
            return _refuse(asked, Refusal.JOINING, text)
        return None

    def grant(self, peer: bytes, asked: Register) -> EventOwner:
        """Return the owner that the registration belongs to; a newer generation takes over."""
        owner = self.owners.get(asked.worker)
        if owner is None:
            owner = self.owners[asked.worker] = EventOwner(asked.worker, asked.generation)
        elif asked.generation > owner.generation:
            for member in [m for m in owner.members if m.peer != peer]:
                self._supersede(owner, member, asked.generation)
            owner.generation = asked.generation
        self.generations.grant(asked.worker, asked.generation)
        return owner

    def rebind(self, owner: EventOwner, now: float) -> None:
        """Make the owner hold the events that its members bind now, and no others."""
        for intervention in owner.unbound():
            text = f"{intervention.event} was unbound"
            self._dispatcher.give_up(intervention, Reason.NOBODY, text, CancelReason.ABANDONED)
        self._discard(owner)
        for event, binding in owner.bindings.items():
            holders = self.holders.setdefault(event, ClassHolders())
            holders.add(owner, keyed_by_name(binding, owner.name))
            self.lost.discard(event)
            self._dispatcher.claim(owner, event, holders, now)

    def end_vacancy(self, owner: EventOwner, now: float) -> None:
        """Release the events that no living member binds."""
        owner.vacant_until = None
        held = set(self.holders)
        if owner.members:
            self.rebind(owner, now)
        else:
            self.release(owner, Reason.LOST, f"{owner.name} died and did not come back")
        self.lost |= held - self.holders.keys()

    def release(self, owner: EventOwner, reason: Reason, text: str) -> None:
        """Let nobody hold the owner's events any more."""
        del self.owners[owner.name]
        self._discard(owner)
        for intervention in owner.queued():
            self._dispatcher.give_up(intervention, reason, text, CancelReason.ABANDONED)

    def _discard(self, owner: EventOwner) -> None:
        """Let the owner hold nothing."""
        for event, holders in list(self.holders.items()):
            holders.discard(owner)
            if not holders.owners:
                del self.holders[event]

    def _supersede(self, owner: EventOwner, member: Member, generation: int) -> None:
        owner.remove(member)
        member.standing = MemberState.SUPERSEDED
        self._dispatcher.add(Post(member.peer, Supersede(member.lease, generation)))
        self._dispatcher.add(Tell(EVT_WORKER_SUPERSEDED.name, member.describe()))


def keyed_by_name(binding: Binding, worker: str) -> Binding:
    """Return the binding with what its requests are addressed to in place of SOP classes.

    For an event that several workers hold, each under its own name, that is the worker's name.
    """
    if not INTERVENTIONS[binding.event].is_held_by_name:
        return binding
    return binding._replace(sop_classes=(worker,))


def _refuse(
    asked: Register, why: Refusal, text: str, *, event: str = "", holder: str = ""
) -> Refuse:
    return Refuse(why, event, holder, text[:MAX_NAME], asked.revision)


def _wrong(asked: Register) -> str:
    if abs(asked.version - VERSION) > 1:
        return (
            f"protocol version {asked.version}, but this acceptor has version {VERSION}, and"
            " works with the one before and the one after"
        )
    if not asked.worker:
        return "the worker has no name"
    if asked.credit > MAX_CREDIT:
        return f"credit {asked.credit} is more than {MAX_CREDIT}"
    events = [binding.event for binding in asked.bindings]
    if len(set(events)) < len(events):
        return "an event is bound twice"
    unknown = [event for event in events if event not in INTERVENTIONS]
    return f"{unknown[0]} is not an intervention event" if unknown else _wrong_classes(asked)


def _wrong_classes(asked: Register) -> str:
    lists = [(b.event, b.sop_classes) for b in asked.bindings if b.sop_classes is not None]
    for event, uids in lists:
        if not uids:
            return f"{event} names no SOP class"
        if INTERVENTIONS[event].failures is None or INTERVENTIONS[event].is_held_by_name:
            return f"{event} is not about a SOP class"
    named = [uid for uids in (*(uids for _, uids in lists), asked.sends) for uid in uids]
    if len(named) > MAX_SOP_CLASSES:
        return f"{len(named)} SOP classes are named, but at most {MAX_SOP_CLASSES} can be"
    long = [uid for uid in named if not 0 < len(uid) <= MAX_LENGTH]
    return f"{long[0]!r} is not the UID of a SOP class" if long else ""
