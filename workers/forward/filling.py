"""From the journal of the archive to the outbox, by the routes.

Each gateway reads the lines of its own files, and has its position among the readers of the
journal. The rows and the position are one transaction: no line is passed over, and none is put in
twice.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from gateway.route_rules import CompiledRoute, compile_routes, matching_routes
from gateway.worker_settings import FAIL_OVER, ROUND_ROBIN
from workers.archive.function_names import load_function
from workers.archive.outbox_rows import RANK_OF, QueuedInstance
from workers.forward.provenance import Facts, facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from gateway.settings import ForwardRoute
    from workers.archive.index import Index
    from workers.archive.index.records import JournalEntry
    from workers.archive.stored_files import StoredFiles
    from workers.forward.forward_outbox import ForwardOutbox

    Hook = Callable[[Mapping[str, str]], Any]

PAGE = 256
"""Lines of the journal that are read at once."""
_ARRIVED = ("stored", "replaced")

log = logging.getLogger("workers.forward")


class RouteTable:
    """The routes of the configuration, with their hooks; raises ConfigError for a wrong one."""

    def __init__(self, routes: Sequence[ForwardRoute], is_known: Callable[[str], bool]) -> None:
        self.compiled = compile_routes(routes)
        self._hooks: dict[int, Hook] = {
            one.number: load_function(one.route.hook, f"routes[{one.number}].hook")
            for one in self.compiled
            if one.route.hook
        }
        self._is_known = is_known
        self._turns = {one.number: count() for one in self.compiled}
        self.names: frozenset[str] = frozenset().union(*(one.names for one in self.compiled))
        """The names that are asked for."""
        if self._hooks:
            from gateway.route_language import NAMES

            self.names = frozenset(NAMES)

    def ways(self, facts: Facts) -> Iterator[tuple[CompiledRoute, tuple[str, ...]]]:
        """Yield each route that an instance takes, with its destinations.

        What a hook raises goes to the log, and the instance is sent as if there were no hook: an
        instance too many can be deleted, one that is missing may never be missed.
        """
        for one in matching_routes(self.compiled, facts):
            destinations = one.route.destinations
            if (hook := self._hooks.get(one.number)) is not None:
                destinations = self._asked(one, hook, facts)
            if destinations:
                yield one, destinations

    def turn(self, one: CompiledRoute) -> int:
        """Return how often a route was taken before."""
        return next(self._turns[one.number])

    def _asked(self, one: CompiledRoute, hook: Hook, facts: Facts) -> tuple[str, ...]:
        try:
            answer = hook(dict(facts))
            if isinstance(answer, bool) or answer is None:
                return one.route.destinations if answer else ()
            named = (answer,) if isinstance(answer, str) else tuple(map(str, answer))
        except Exception:  # a site's hook may raise anything
            log.exception(
                "route=%r its hook failed; the route's own destinations are used", one.title
            )
            return one.route.destinations
        if unknown := [name for name in named if not self._is_known(name)]:
            log.error("route=%r its hook names %r, not in [destinations]", one.title, unknown[0])
        return tuple(name for name in named if self._is_known(name))


@dataclass(slots=True)
class Filling:
    """Reads the journal, and puts what routes ask for into the outbox."""

    index: Index
    outbox: ForwardOutbox
    table: RouteTable
    files: StoredFiles
    """Of this gateway."""
    holder: str
    position: int = -1
    matched: dict[str, int] = field(default_factory=dict)
    """Instances that took each route since the start, by its title."""

    @property
    def reader(self) -> str:
        """The name among the readers of the journal."""
        return f"forward {self.holder}".strip()

    def step(self) -> tuple[int, frozenset[str]]:
        """Read one page; return the number of its lines, and the destinations that got rows."""
        before = self.position = self.outbox.position(self.reader)
        lines = self.index.journal(before, PAGE)
        if not lines:
            return 0, frozenset()
        own = [line for line in lines if line.kind in _ARRIVED and line.entry.holder == self.holder]
        news = list(self.rows(own, self.table.names))
        if not self.outbox.put(self.reader, before, lines[-1].seq, news):
            return len(lines), frozenset()  # another process has read them
        for one in news:
            self.matched[one.route] = self.matched.get(one.route, 0) + 1
        return len(lines), frozenset(one.destination for one in news)

    def rows(
        self, lines: Sequence[JournalEntry], names: Collection[str]
    ) -> Iterator[QueuedInstance]:
        """Yield the rows for instances; raises IndexFailure."""
        if not self.table.compiled or not lines:
            return
        now = self.outbox.now()
        facts = facts_of(self.index, self.files, [line.entry for line in lines], names)
        for line, known in zip(lines, facts, strict=True):
            known["StudyInstanceUID"] = line.study_instance_uid
            known["SeriesInstanceUID"] = line.series_instance_uid
            sent: set[str] = set()
            # of several routes to one destination, one with a transform counts
            ways = sorted(self.table.ways(known), key=lambda way: not way[0].route.transform)
            for one, destinations in ways:
                for first, others in self._spread(one, destinations):
                    if first not in sent:
                        sent.add(first)
                        yield _row(line, one, first, others, now)

    def _spread(
        self, one: CompiledRoute, destinations: tuple[str, ...]
    ) -> list[tuple[str, tuple[str, ...]]]:
        """Return destinations, each with those that take its place if it cannot be reached."""
        if one.route.mode == FAIL_OVER:
            return [(destinations[0], destinations[1:])]
        if one.route.mode == ROUND_ROBIN:
            at = self.table.turn(one) % len(destinations)
            turned = destinations[at:] + destinations[:at]
            return [(turned[0], turned[1:])]
        return [(name, ()) for name in destinations]


def _row(
    line: JournalEntry, one: CompiledRoute, first: str, others: tuple[str, ...], now: float
) -> QueuedInstance:
    return QueuedInstance(
        line.entry,
        first,
        one.title,
        line.study_instance_uid,
        line.series_instance_uid,
        RANK_OF[one.route.priority],
        now + one.route.delay,
        others,
        queued=now,
        transform=one.route.transform,
    )
