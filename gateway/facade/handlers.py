"""Handlers as pynetdicom binds them: `bind` of an intervention replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.facade import config_flags
from gateway.sdk import bound_handler as sdk
from gateway.sdk.bound_handler import BoundHandler
from gateway.sdk.worker_definition import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gateway.sdk.bound_handler import AnyEvent, AnyHandler

    EventHandler = tuple[Any, ...]
    """(event, handler) or (event, handler, args)."""


class Handlers(Worker):
    """The handlers of a server or an association, and those that serve these themselves."""

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
        """As pynetdicom's `bind`."""
        if args is not None and not isinstance(args, list | tuple):
            raise TypeError(f"args of a handler are a list, not {type(args).__name__}")
        deadline = config_flags.HANDLER_DEADLINE
        self._add(BoundHandler(event, handler, tuple(args or ()), deadline=deadline))

    def watch(self, event: AnyEvent, handler: Callable[[Any], None]) -> None:
        """Call `handler` for a notification, before the user's; nobody else sees it bound."""
        self._own[event.name] = BoundHandler(event, handler)

    def bound(self, event: str) -> tuple[BoundHandler, ...]:
        bound = super().bound(event)
        return (self._own[event], *bound) if event in self._own else bound

    def unbind(self, event: AnyEvent, handler: AnyHandler) -> None:
        with self._lock:
            kept = tuple(b for b in super().bound(event.name) if b.function != handler)
            self._set(event.name, kept)

    def get_events(self) -> list[AnyEvent]:
        return sorted({e.name: e for e in (*self.shown(), *self._own_events())}.values(), key=str)

    def shown(self) -> list[AnyEvent]:
        """The events that the user bound something to."""
        return super().get_events()

    def of(self, event: AnyEvent) -> Any:
        """As pynetdicom's `get_handlers`; (None, None) for an intervention nobody is bound to."""
        found = [(b.function, list(b.args) or None) for b in super().bound(event.name)]
        if event.is_intervention:
            return found[0] if found else (None, None)
        return found

    def _own_events(self) -> list[AnyEvent]:
        return [bound.event for bound in self._own.values()]

    def _add(self, new: BoundHandler) -> None:
        sdk.check(new)
        with self._lock:
            before = super().bound(new.event.name)
            if new.event.is_intervention:
                self._set(new.event.name, (new,))
            elif new not in before:
                self._set(new.event.name, (*before, new))
