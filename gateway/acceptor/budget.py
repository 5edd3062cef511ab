"""One budget for all bytes that are gathered in memory, shared between addresses and AE titles.

Gathered are identifiers, data sets of N-services, and A-ASSOCIATE-RQs that have not come to their
end. When the budget is used up, the holder of most bytes gives way: its largest request that is
still arriving is discarded and becomes a failure. That may be the request that needs more bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.acceptor.shares import Ledger
from gateway.memory import give_back_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.acceptor.shares import Holder


class Gatherer(Protocol):
    """What gathers bytes: a request that arrives."""

    @property
    def holder(self) -> Holder: ...

    def give_way(self) -> None:
        """Discard what was gathered and gather no more, because the budget is used up."""


MUCH = 16 * 1024 * 1024
"""Bytes after which memory is given back to the system once all of them are free."""


class Budget:
    """The bytes that are gathered in this process."""

    def __init__(self, limit: int, release: Callable[[], None] = give_back_memory) -> None:
        self.limit = limit
        self._release = release
        self._peak = 0
        self._ledger = Ledger()
        self._held: dict[Gatherer, tuple[Holder, int]] = {}
        self._arriving: dict[Gatherer, None] = {}

    @property
    def used(self) -> int:
        return self._ledger.total

    def take(self, gatherer: Gatherer, size: int) -> bool:
        """Count more bytes; return False if there is no room and no other holder gives way."""
        holder = gatherer.holder
        while self._ledger.total + size > self.limit:
            victim = self._largest(self._ledger.greediest(holder, size))
            if victim is None:
                return False
            self.give_back(victim)
            victim.give_way()
        _, held = self._held.get(gatherer, (holder, 0))
        self._held[gatherer] = holder, held + size
        self._arriving[gatherer] = None
        self._ledger.add(holder, size)
        self._peak = max(self._peak, self._ledger.total)
        return True

    def complete(self, gatherer: Gatherer) -> None:
        """Note that a request is complete and goes to a worker: it cannot give way any more."""
        self._arriving.pop(gatherer, None)

    def give_back(self, gatherer: Gatherer) -> None:
        """Stop counting what a gatherer holds, if it holds anything."""
        self._arriving.pop(gatherer, None)
        holder, held = self._held.pop(gatherer, (None, 0))
        if holder is not None:
            self._ledger.add(holder, -held)
        if self._peak > MUCH and not self._ledger.total:
            self._peak = 0
            self._release()

    def _largest(self, holder: Holder | None) -> Gatherer | None:
        its = (one for one in self._arriving if self._held[one][0] == holder)
        return max(its, key=lambda one: self._held[one][1], default=None)


class UnfinishedAsk:
    """An A-ASSOCIATE-RQ that has not come to its end; it gives way by closing its connection."""

    def __init__(self, budget: Budget, holder: Holder, give_way: Callable[[], None]) -> None:
        self.holder = holder
        self._budget = budget
        self.give_way = give_way
        self._size = 0

    def grown(self, size: int) -> None:
        """Count the bytes that are there by now."""
        if size > self._size and not self._budget.take(self, size - self._size):
            self.give_way()
        self._size = max(size, self._size)

    def over(self) -> None:
        self._budget.give_back(self)
