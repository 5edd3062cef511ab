"""Connections that wait for something, counted by address.

Those that have not sent their A-ASSOCIATE-RQ or HTTP request yet, those in a TLS handshake, and
those that were accepted and have not been looked at. They are counted apart from associations. If
there are too many, the address that has most of them loses its oldest: so any number of silent
connections leaves room for others.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("gateway.listening")


class WaitingConnections:
    """Connections that wait in one way; `what` names them in the log."""

    def __init__(self, limit: int, what: str) -> None:
        self.limit = limit
        self._what = what
        self._waiting: dict[str, dict[Any, Callable[[], object]]] = {}
        """Connections by address, the oldest first, and the functions that close them."""
        self._addresses: dict[Any, str] = {}
        self._closed = 0

    def __len__(self) -> int:
        return len(self._addresses)

    def add(self, connection: Any, address: str, close: Callable[[], object]) -> None:
        """Count a connection; if there are too many, close one."""
        self._addresses[connection] = address
        self._waiting.setdefault(address, {})[connection] = close
        if len(self._addresses) > self.limit:
            self._close_one(address)

    def remove(self, connection: Any) -> None:
        """Stop counting a connection, because it has gone on or is closed."""
        address = self._addresses.pop(connection, None)
        if address is not None:
            waiting = self._waiting[address]
            del waiting[connection]
            if not waiting:
                del self._waiting[address]

    def take(self) -> Any:
        """Remove and return the oldest connection of the address whose turn it is."""
        address = next(iter(self._waiting))
        connection = next(iter(self._waiting[address]))
        self.remove(connection)
        if (waiting := self._waiting.pop(address, None)) is not None:
            self._waiting[address] = waiting  # it goes to the end
        return connection

    def make_room(self, address: str) -> bool:
        """Return whether one more of this address has room; one of a greedier address is closed."""
        if len(self._addresses) < self.limit:
            return True
        greedy = self._greediest(address)
        if len(self._waiting[greedy]) <= len(self._waiting.get(address, ())) + 1:
            return False
        self._close_oldest(greedy)
        return True

    def _close_one(self, address: str) -> None:
        """Close the oldest connection of the address that has most, which may be this one."""
        greedy = self._greediest(address)
        if not address or len(self._waiting[greedy]) > len(self._waiting[address]):
            address = greedy
        self._close_oldest(address)

    def _greediest(self, otherwise: str) -> str:
        """Return the address that has most; connections of trusted networks are kept."""
        counted = [one for one in self._waiting if one]
        return max(counted, key=lambda one: len(self._waiting[one]), default=otherwise)

    def _close_oldest(self, address: str) -> None:
        oldest, close = next(iter(self._waiting[address].items()))
        self.remove(oldest)  # it closes a moment later: do not select it again
        self._closed += 1
        if self._closed & (self._closed - 1) == 0:
            log.warning(
                "too many %s: %d closed so far, the oldest of %s first",
                *(self._what, self._closed, address or "a trusted network"),
            )
        close()
