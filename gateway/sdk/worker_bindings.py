"""What a worker registers for, from the handlers that are bound to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from gateway.fabric import Binding

if TYPE_CHECKING:
    from gateway.sdk.bound_handler import AnyEvent, BoundHandler


class BindsEvents(Protocol):
    """The part of a worker that says what is bound."""

    def get_events(self) -> list[AnyEvent]: ...
    def bound(self, event: str) -> tuple[BoundHandler, ...]: ...


class WorkerBindings(NamedTuple):
    """The events that a worker answers, and the SOP classes for which it sends requests."""

    bindings: tuple[Binding, ...] = ()
    sends: tuple[str, ...] = ()

    @classmethod
    def of(cls, worker: BindsEvents) -> WorkerBindings:
        """Return what is bound now."""
        handlers = [h for event in worker.get_events() for h in worker.bound(event.name)]
        return cls(
            tuple(
                Binding(h.event.name, h.redeliver, h.durable, h.deadline, h.sop_classes)
                for h in handlers
                if h.event.is_intervention
            ),
            tuple(sorted({uid for handler in handlers for uid in handler.sends})),
        )


def watched(worker: BindsEvents) -> set[str]:
    """Return the names of the notifications that are watched."""
    return {event.name for event in worker.get_events() if event.is_notification}
