"""Requests that wait for a worker: those of each peer in their order, the peers in turn.

So a peer that sends many requests, or slow ones, waits for itself: the next request of another peer
waits for one of its requests, not for all of them.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Asked(Protocol):
    """A request, as far as it waits."""

    asker: str
    """The peer."""


Request = TypeVar("Request", bound=Asked)


class RequestQueue(Generic[Request]):
    """The requests that wait for one event, by the peer that asked."""

    def __init__(self) -> None:
        self._askers: dict[str, dict[Request, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Request]:
        return chain.from_iterable(self._askers.values())

    @property
    def askers(self) -> Iterable[str]:
        """The peers that wait, in the order of their turns."""
        return self._askers

    def first(self, asker: str) -> Request:
        """Return the oldest request of a peer."""
        return next(iter(self._askers[asker]))

    def add(self, request: Request) -> None:
        self._askers.setdefault(request.asker, {})[request] = None
        self._count += 1

    def remove(self, request: Request) -> None:
        """Remove a request; its peer's turn is over."""
        asker = request.asker
        waiting = self._askers.pop(asker)
        del waiting[request]
        self._count -= 1
        if waiting:
            self._askers[asker] = waiting

    def to_give_way(self, newcomer: Request) -> Request | None:
        """Return the newest request of the peer that has most; None if that is the newcomer's."""
        asker = max(self._askers, key=lambda one: len(self._askers[one]))
        if len(self._askers[asker]) <= len(self._askers.get(newcomer.asker, ())) + 1:
            return None
        return next(reversed(self._askers[asker]))
