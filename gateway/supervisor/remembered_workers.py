"""What acceptors report of the workers, for acceptors that start later.

An acceptor that is started again would otherwise refuse, until a worker has found it, what the
others on its port accept.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_NAMES = 1024


class RememberedWorkers:
    """The last registration of each worker, as settings of an acceptor.

    `configured`: workers that are remembered for ever. Any other one is remembered for `grace`
    seconds after it has left.
    """

    def __init__(
        self,
        configured: Collection[str],
        grace: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.configured = configured
        self._grace = grace
        self._clock = clock
        self._workers: dict[str, dict[str, Any]] = {}
        self._until: dict[str, float] = {}

    def take(self, report: dict[str, Any]) -> None:
        """Take what an acceptor reports; ignore what is not about workers."""
        match report:
            case {"known": {"name": str(name)} as worker}:
                self._workers.pop(name, None)
                self._workers[name] = worker
                self._until.pop(name, None)
                if len(self._workers) > _NAMES:
                    del self._workers[next(iter(self._workers))]
            case {"left": str(name)} if name in self._workers and name not in self.configured:
                self._until[name] = self._clock() + self._grace

    def remembered(self) -> list[dict[str, Any]]:
        """Return what an acceptor that starts now is told (`AcceptorSettings.remembered`)."""
        now = self._clock()
        for name in [name for name, until in self._until.items() if until <= now]:
            self._workers.pop(name, None)
            del self._until[name]
        return [
            {**worker, "seconds": self._until[name] - now if name in self._until else None}
            for name, worker in self._workers.items()
        ]
