"""Connections that have not sent their A-ASSOCIATE-RQ yet, and TLS handshakes among them.

They are counted apart from associations. If there are too many, the address that has most of them
loses its oldest: so silent connections, however many, keep nobody out.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gateway.acceptor.shares import Holder, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("gateway.acceptor")


class WaitingConnections:
    """Connections that wait in one way; `what` names them in the log."""

    def __init__(self, limit: int, what: str) -> None:
        self._limit = limit
        self._what = what
        self._waiting: dict[Any, tuple[str, Callable[[], object]]] = {}
        """The address of each, and the function that closes it; the oldest first."""
        self._ledger = Ledger()
        self._closed = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, connection: Any, address: str, close: Callable[[], object]) -> None:
        """Count a connection; if there are too many, close one."""
        self._waiting[connection] = address, close
        self._ledger.add(Holder(address), 1)
        if len(self._waiting) > self._limit:
            self._close_one(connection)

    def remove(self, connection: Any) -> None:
        """Count a connection no more: it has asked, or is closed."""
        address, _ = self._waiting.pop(connection, (None, None))
        if address is not None:
            self._ledger.add(Holder(address), -1)

    def _close_one(self, newest: Any) -> None:
        address, _ = self._waiting[newest]
        greedy = self._ledger.greediest(Holder(address), 0)
        address = address if greedy is None else greedy.address
        oldest = next(one for one, (its, _) in self._waiting.items() if its == address)
        _, close = self._waiting[oldest]
        self.remove(oldest)  # it closes a moment later: do not select it again
        self._closed += 1
        if self._closed & (self._closed - 1) == 0:
            log.warning(
                "too many %s: %d closed so far, the oldest of %s first",
                *(self._what, self._closed, address or "a trusted network"),
            )
        close()
