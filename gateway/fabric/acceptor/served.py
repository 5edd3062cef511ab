"""What workers serve, also those that are away for a moment: negotiation depends on it.

A worker counts from its registration on, whether its members live or not: a context that is refused
because a worker is being restarted would look like a misconfigured AE to the peer. A configured
worker counts for ever, any other one until `lease_grace` after its BYE. What an earlier acceptor
reported of it is in the settings of one that starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.settings import RememberedWorker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gateway.fabric.wire.envelopes import Register

_NAMES = 1024
"""Workers that are remembered."""


@dataclass(slots=True)
class _Served:
    worker: RememberedWorker
    events: dict[str, frozenset[str] | None]
    sends: frozenset[str]
    until: float | None = None

    @classmethod
    def by(cls, worker: RememberedWorker, now: float) -> _Served:
        events = {e: None if uids is None else frozenset(uids) for e, uids in worker.events.items()}
        until = None if worker.seconds is None else now + worker.seconds
        return cls(worker, events, frozenset(worker.sends), until)


class ServedClasses:
    """The registrations of all workers that count as serving."""

    def __init__(
        self,
        expect: Iterable[str],
        remembered: Sequence[RememberedWorker],
        *,
        grace: float,
        now: float,
    ) -> None:
        self.configured = frozenset(expect)
        self._grace = grace
        self._workers = {worker.name: _Served.by(worker, now) for worker in remembered}

    @property
    def unknown(self) -> frozenset[str]:
        """The configured workers of which nothing is known yet."""
        return self.configured - self._workers.keys()

    @property
    def expected(self) -> set[str]:
        """The workers that will probably register."""
        staying = {name for name, served in self._workers.items() if served.until is None}
        return {*self.configured, *staying}

    def serves(self, event: str, sop_class: str | None, now: float) -> bool:
        """Return whether a worker answers the event for this SOP class; None: for any."""
        lists = [w.events[event] for w in self._counting(now) if event in w.events]
        return any(named is None or sop_class is None or sop_class in named for named in lists)

    def names(self, sop_class: str, now: float) -> bool:
        """Return whether a worker names this SOP class."""
        return any(
            sop_class in served.sends or any(sop_class in (u or ()) for u in served.events.values())
            for served in self._counting(now)
        )

    def sends(self, sop_class: str, now: float) -> bool:
        """Return whether a worker sends requests for this SOP class."""
        return any(sop_class in served.sends for served in self._counting(now))

    def registered(self, register: Register, now: float) -> RememberedWorker | None:
        """Remember a registration; return what has to be reported, None if nothing has changed."""
        worker = RememberedWorker(
            register.worker,
            {
                b.event: None if b.sop_classes is None else list(b.sop_classes)
                for b in register.bindings
            },
            register.sends,
        )
        before = self._workers.pop(worker.name, None)
        self._forget(now)
        self._workers[worker.name] = _Served.by(worker, now)
        same = before is not None and before.until is None and before.worker == worker
        return None if same else worker

    def left(self, name: str, now: float) -> None:
        """Take note that the last member of a worker has said BYE."""
        served = self._workers.get(name)
        if served is not None and name not in self.configured:
            served.until = now + self._grace

    def _counting(self, now: float) -> Iterator[_Served]:
        return (w for w in self._workers.values() if w.until is None or now < w.until)

    def _forget(self, now: float) -> None:
        over = [n for n, w in self._workers.items() if w.until is not None and now >= w.until]
        for name in over:
            del self._workers[name]
        if len(self._workers) >= _NAMES:
            del self._workers[next(n for n in self._workers if n not in self.configured)]
