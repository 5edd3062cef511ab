"""What a server tells of the workers: which events they hold, and which SOP classes they serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from gateway.fabric.acceptor.registry import Registry
    from gateway.fabric.wire.terms import Binding


class HeldEvents:
    """The questions that negotiation and requests ask; every worker is away before the start."""

    _running: bool
    _registry: Registry
    _loop: asyncio.AbstractEventLoop
    _all_known: asyncio.Event

    def binding(self, event: str, sop_class: str = "") -> Binding | None:
        """Return how the event is held, also while its worker is vacant; None: nobody holds it.

        `sop_class` is the abstract syntax of the request's context; negotiation has none. After the
        start, while workers have yet to register, this is the most careful binding.
        """
        if not self._running:
            return None
        registry = self._registry
        found = registry.held(event, sop_class)  # mostly, and then no clock is needed
        return found or registry.binding(event, sop_class, self._loop.time())

    @property
    def knows_workers(self) -> bool:
        """Whether it is known what every configured worker serves, or no longer waited for."""
        return self._all_known.is_set()

    async def workers_known(self) -> None:
        """Return when it is known what the configured workers serve, within `lease_grace`."""
        await self._all_known.wait()

    def serves(self, event: str, sop_class: str | None) -> bool:
        """Return whether a worker, present or away for a moment, answers the event for a SOP class;
        None: for any.
        """
        return self._running and self._registry.served.serves(event, sop_class, self._loop.time())

    def sends(self, sop_class: str) -> bool:
        """Return whether a worker sends requests for this SOP class."""
        return self._running and self._registry.served.sends(sop_class, self._loop.time())

    def names(self, sop_class: str) -> bool:
        """Return whether a worker names this SOP class."""
        return self._running and self._registry.served.names(sop_class, self._loop.time())

    @property
    def awaits_workers(self) -> bool:
        """Whether a configured worker has never registered, here or with an earlier acceptor."""
        return self._running and bool(self._registry.served.unknown)

    def is_held(self, event: str) -> bool:
        """Return whether a worker has registered for the event, and has not said BYE."""
        return self._running and event in self._registry.holders

    def is_lost(self, event: str) -> bool:
        """Return whether the event's worker died, and none has registered for it since."""
        return self._running and event in self._registry.lost
