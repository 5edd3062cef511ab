"""Whether a registration may be granted; nothing here changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.events import INTERVENTIONS
from gateway.fabric.wire.envelopes import MAX_CREDIT, Refusal, Refuse, Register
from gateway.fabric.wire.fields import MAX_NAME
from gateway.fabric.wire.frames import VERSION

if TYPE_CHECKING:
    from gateway.fabric.acceptor.registry import Registry


def refusal_of(registry: Registry, asked: Register, now: float) -> Refuse | None:
    """Return the refusal of a registration; None: it may be granted."""
    wrong = _wrong(asked)
    if wrong:
        return Refuse(Refusal.INVALID, "", "", wrong[:MAX_NAME], asked.revision)
    newest = registry.generations.newest(asked.worker)
    if asked.generation < newest:
        text = f"generation {newest} of worker {asked.worker!r} took over from {asked.generation}"
        return Refuse(Refusal.SUPERSEDED, "", asked.worker, text[:MAX_NAME], asked.revision)
    for binding in asked.bindings:
        owner = registry.holders.get(binding.event)
        if owner is not None and owner.name != asked.worker:
            text = f"{binding.event} is held by worker {owner.name!r}"
            return Refuse(Refusal.HELD, binding.event, owner.name, text[:MAX_NAME], asked.revision)
    if now < registry.joining_until and not asked.incumbent:
        text = "the acceptor has just started; grants of the others come first"
        return Refuse(Refusal.JOINING, "", "", text, asked.revision)
    return None


def _wrong(asked: Register) -> str:
    if asked.version != VERSION:
        return f"protocol version {asked.version}; {VERSION} is spoken here"
    if not asked.worker:
        return "the worker has no name"
    if asked.credit > MAX_CREDIT:
        return f"credit {asked.credit} is more than {MAX_CREDIT}"
    events = [binding.event for binding in asked.bindings]
    if len(set(events)) < len(events):
        return "an event is bound twice"
    unknown = [event for event in events if event not in INTERVENTIONS]
    return f"{unknown[0]} is not an intervention event" if unknown else ""
