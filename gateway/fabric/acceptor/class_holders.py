"""The owners of one event: those that name SOP classes, and the one that takes all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.fabric.acceptor.lease import EventOwner
    from gateway.fabric.wire.terms import Binding

_KEPT = 512
"""SOP classes whose owner is kept; peers may propose any number of private ones."""


class ClassHolders(dict[str, "EventOwner | None"]):
    """The owner of each SOP class that was asked for: `holders[abstract_syntax]`.

    A request looks its owner up, so this is a dict get; what is kept is cleared by each change.
    """

    def __init__(self) -> None:
        super().__init__()
        self._others: EventOwner | None = None
        """The owner that names no SOP classes, and takes those that no other one names."""
        self._named: dict[str, EventOwner] = {}

    def __missing__(self, sop_class: str) -> EventOwner | None:
        owner = self._named.get(sop_class, self._others)
        if len(self) < _KEPT:
            self[sop_class] = owner
        return owner

    @property
    def owners(self) -> set[EventOwner]:
        """Everyone who holds the event for some SOP classes."""
        return {*self._named.values(), *([self._others] if self._others is not None else ())}

    def rival_of(self, binding: Binding, name: str) -> tuple[EventOwner, str] | None:
        """Return who holds what another worker asks for, and the SOP class; empty: no list."""
        if binding.sop_classes is None:
            others = self._others
            return (others, "") if others is not None and others.name != name else None
        for sop_class in binding.sop_classes:
            owner = self._named.get(sop_class)
            if owner is not None and owner.name != name:
                return owner, sop_class
        return None

    def add(self, owner: EventOwner, binding: Binding) -> None:
        """Let the owner hold what the binding says."""
        self.clear()
        if binding.sop_classes is None:
            self._others = owner
        else:
            self._named.update(dict.fromkeys(binding.sop_classes, owner))

    def discard(self, owner: EventOwner) -> None:
        """Let the owner hold nothing of this event."""
        self.clear()
        self._named = {uid: held for uid, held in self._named.items() if held is not owner}
        if self._others is owner:
            self._others = None
