"""Handlers as pynetdicom binds them: the last one of an intervention event is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.events import INTERVENTIONS, PairEvent
from gateway.facade import flags
from gateway.sdk import bound_handler as sdk
from gateway.sdk.assoc import decode
from gateway.sdk.bound_handler import BoundHandler
from gateway.sdk.worker_definition import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gateway.sdk.bound_handler import AnyEvent, AnyHandler

    EventHandler = tuple[Any, ...]
    """(event, handler) or (event, handler, args)."""


class Handlers(Worker):
    """The handlers of a server or an association: the program's, and the server's own."""

    def __init__(self, given: Iterable[EventHandler] | None = None, concurrency: int = 1) -> None:
        super().__init__("handlers", concurrency)
        self._own: dict[str, BoundHandler] = {}
        for one in given or ():
            self.bind_item(one)

    def bind_item(self, item: EventHandler) -> None:
        """Bind an item of `evt_handlers`."""
        if not isinstance(item, tuple | list) or len(item) not in (2, 3):
            raise TypeError(
                f"evt_handlers has (event, handler) or (event, handler, args), not {item!r:.80}"
            )
        self.set(*item)

    def set(self, event: AnyEvent, handler: AnyHandler, args: Sequence[Any] | None = None) -> None:
        """Bind a handler, with further arguments for it; raise TypeError if it cannot be called."""
        if args is not None and not isinstance(args, list | tuple):
            raise TypeError(f"args of a handler are a list, not {type(args).__name__}")
        deadline = flags.HANDLER_DEADLINE
        self._add(BoundHandler(event, handler, tuple(args or ()), deadline=deadline))

    def watch(self, event: AnyEvent, handler: Callable[[Any], None]) -> None:
        """Call `handler` for a notification before the program's; the program does not see it."""
        self._own[event.name] = BoundHandler(event, handler)

    def bound(self, event: str) -> tuple[BoundHandler, ...]:
        return (*self._watching(event), *super().bound(event))

    def _watching(self, event: str) -> tuple[BoundHandler, ...]:
        return (self._own[event],) if event in self._own else ()

    def take(self, other: Handlers) -> None:
        """Bind what the program has bound there."""
        self._bound = dict(other._bound)

    def get_events(self) -> list[AnyEvent]:
        own = [bound.event for bound in self._own.values()]
        return sorted({event.name: event for event in (*self.shown(), *own)}.values(), key=str)

    def shown(self) -> list[AnyEvent]:
        """Return the events that the program has handlers for."""
        return super().get_events()

    def of(self, event: AnyEvent) -> Any:
        """Return what pynetdicom's `get_handlers` returns, and (None, None) for no handler."""
        return self.get_handlers(event) or ((None, None) if event.is_intervention else [])

    def _add(self, new: BoundHandler) -> None:
        sdk.check(new)
        with self._lock:
            before = super().bound(new.event.name)
            if new.event.is_intervention:
                self._set(new.event.name, (new,))
            elif new not in before:
                self._set(new.event.name, (*before, new))


class ServerHandlers(Handlers):
    """The handlers of a server, and those of associations that have bound some of their own."""

    def __init__(self, given: Iterable[EventHandler] | None = None, concurrency: int = 1) -> None:
        super().__init__(given, concurrency)
        self._each: dict[str, Handlers] = {}
        self._over: set[str] = set()

    def own(self, association: str) -> Handlers:
        """Return the handlers of one association: at first, those of the server."""
        with self._lock:
            for ended in self._over - {association}:
                self._each.pop(ended, None)
            self._over &= {association}
            if association not in self._each:
                copy = self._each[association] = Handlers()
                copy.take(self)
            return self._each[association]

    def shown_on(self, association: str) -> Handlers:
        """Return the handlers that count for an association."""
        return self._each.get(association, self)

    def ended(self, association: str) -> None:
        """Forget the handlers of an association that has ended, once its last event has passed."""
        if association in self._each:
            self._over.add(association)

    def everywhere(self) -> tuple[Handlers, ...]:
        """Return the server's handlers and those of each association."""
        return (self, *self._each.values())

    def rebind(self) -> None:
        """Register the events that are bound now."""
        if self._follower is not None:
            self._follower.rebind()

    def get_events(self) -> list[AnyEvent]:
        events = {event.name: event for event in super().get_events()}
        for own in tuple(self._each.values()):
            events |= {event.name: event for event in own.shown()}
        return sorted(events.values(), key=str)

    def bound(self, event: str) -> tuple[BoundHandler, ...]:
        found = super().bound(event)
        if not found:
            # what is registered of an event that only an association has a handler for
            found = next((own.bound(event) for own in self._each.values() if own.bound(event)), ())
        return found

    def bound_for(self, event: str, assoc: bytes) -> tuple[BoundHandler, ...]:
        if not self._each:
            return super().bound(event)
        own = self._each.get(decode(bytes(assoc)).id)
        found = super().bound(event) if own is None else (*self._watching(event), *own.bound(event))
        if not found and (default := INTERVENTIONS.get(event)) is not None:
            return (BoundHandler(default, _nobody),)
        return found


def _nobody(event: Any) -> Any:
    """Answer for an event that is bound on other associations only, as if nobody answered it."""
    failures = event.event.failures
    status = 0x0000 if failures is None else failures.unanswered
    if event.event.streams:
        return iter([(status, None)])
    return (status, None) if isinstance(event.event, PairEvent) else status


def events_of(handlers: Handlers) -> list[AnyEvent]:
    """Return the events that are answered or watched, sorted by name."""
    events = {event.name: event for event in handlers.shown()} | INTERVENTIONS
    return [events[name] for name in sorted(events)]


class BindsHandlers:
    """The part of a server or an association that binds handlers."""

    _handlers: Handlers

    def bind(self, event: AnyEvent, handler: AnyHandler, args: list[Any] | None = None) -> None:
        """Call `handler(event, *args)`; an intervention event's handler replaces the last one.

        Raises TypeError for a handler that can never be called like that.
        """
        self._handlers.set(event, handler, args)
        self._rebound()

    def unbind(self, event: AnyEvent, handler: AnyHandler) -> None:
        """Stop calling `handler` for `event`."""
        self._handlers.unbind(event, handler)
        self._rebound()

    def get_handlers(self, event: AnyEvent) -> Any:
        """Return (handler, args) of an intervention event, or a list of them of a notification.

        An intervention event without a handler has (None, None).
        """
        return self._handlers.of(event)

    def get_events(self) -> list[AnyEvent]:
        """Return the events that are answered or watched, sorted by name.

        Every intervention event is among them: what has no handler has a default answer.
        """
        return events_of(self._handlers)

    def _rebound(self) -> None:
        """Called after handlers were bound or unbound."""
