"""What each page shows: values that are asked for while somebody looks at it, bounded in size."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.sdk import evt
from workers.web.destinations import destinations
from workers.web.figures import loop_delays, peers, without_addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.collector import Collector
    from gateway.sdk import WorkerContext
    from workers.web.archive_view import ArchiveView
    from workers.web.health import Health
    from workers.web.history import History
    from workers.web.rates import Rates
    from workers.web.recordings import Recordings
    from workers.web.senders import Senders

WORKER = "web"
"""The name of the worker that shows the pages."""
ROWS = 100
"""Associations that are sent at once."""
MOST_SENDERS = 200


@dataclass(slots=True)
class Sources:
    """Where the pages have their values from."""

    context: WorkerContext
    collector: Collector
    health: Health
    rates: Rates
    history: History
    senders: Senders
    archive: ArchiveView
    recordings: Recordings

    @property
    def own_names(self) -> tuple[str, str]:
        """The names of this worker and of its process."""
        return WORKER, f"{WORKER}-{self.context.member}"


class Views:
    """Answers of the pages; each is called in a thread, with the parameters of the request."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.by_name: dict[str, Callable[[Mapping[str, str]], dict[str, Any]]] = {
            "now": self._now,
            "associations": self._associations,
            "history": self._history,
            "senders": self._senders,
            "destinations": self._destinations,
            "workers": self._workers,
            "archive": self._archive,
            "recordings": lambda _: {"rows": self.sources.recordings.rows()},
            "health": self._health,
        }

    def look(self, name: str, wanted: Mapping[str, str]) -> dict[str, Any]:
        """Return what a page shows at this moment; raises KeyError for an unknown name."""
        health = self.sources.health
        status = health.status
        return {
            "time": time.time(),
            "alive": health.is_alive,
            "state": status.get("state", "starting") if health.is_alive else "no answer",
            "reasons": status.get("reasons", []) if health.is_alive else health.reasons(),
            "ae_title": status.get("ae_title", ""),
            "address": status.get("address"),
            "durability": status.get("durability", ""),
            "drained": bool(status.get("drained")),
            **self.by_name[name](wanted),
        }

    def _now(self, _: Mapping[str, str]) -> dict[str, Any]:
        status = self.sources.health.status
        told = {
            name: status.get(name)
            for name in ("associations", "connections", "in_flight", "disk", "spool", "index")
        }
        busiest, more = peers(self.sources.collector.metrics())
        return {**told, "point": self.sources.rates.last(), "peers": busiest, "more": more}

    def _associations(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        associations = self.sources.context.associations
        total, rows = associations.overview() if associations is not None else (0, [])
        states = Counter(row["state"] for row in rows)
        text, state = wanted.get("search", "").casefold(), wanted.get("state", "")
        found = [row for row in rows if _matches(row, text, state)]
        found.sort(key=lambda row: (row["seconds"] is None, -(row["seconds"] or 0), row["id"]))
        skip = _number(wanted.get("skip"))
        chosen = next((row for row in rows if row["id"] == wanted.get("id")), None)
        return {
            "total": total,
            "told": len(rows),
            "found": len(found),
            "states": states,
            "rows": found[skip : skip + ROWS],
            "skip": skip,
            "chosen": chosen,
        }

    def _history(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        history = self.sources.history
        before = _number(wanted.get("before"))
        rows = history.search(wanted.get("search", ""), wanted.get("ended", ""), before)
        return {"rows": rows, "trouble": history.trouble}

    def _senders(self, _: Mapping[str, str]) -> dict[str, Any]:
        rows = self.sources.senders.rows(time.time())
        return {"rows": rows[:MOST_SENDERS], "total": len(rows)}

    def _destinations(self, _: Mapping[str, str]) -> dict[str, Any]:
        status = self.sources.health.status
        running = [worker["name"] for worker in status.get("workers", [])]
        return {"rows": destinations(status), "is_on": "forward" in running}

    def _workers(self, _: Mapping[str, str]) -> dict[str, Any]:
        status = without_addresses(self.sources.health.status)
        workers = [*status.get("workers", []), *status.get("others", [])]
        held = {event for worker in workers for event in worker.get("holds", [])}
        stock = ("EVT_C_ECHO", "EVT_C_STORE", "EVT_C_FIND", "EVT_C_GET", "EVT_C_MOVE")
        known = [event.name for event in vars(evt).values() if _is_intervention(event)]
        events = [*stock, *sorted(held.difference(stock).intersection(known))]
        return {"workers": workers, "events": events}

    def _archive(self, _: Mapping[str, str]) -> dict[str, Any]:
        status = self.sources.health.status
        return {"disk": status.get("disk"), "index": status.get("index")}

    def _health(self, _: Mapping[str, str]) -> dict[str, Any]:
        status = without_addresses(self.sources.health.status)
        names = ("acceptors", "workers", "disk", "spool", "index", "pid", "data", "revision")
        delays = loop_delays(self.sources.collector.metrics())
        ready = self.sources.health.reasons()
        return {**{name: status.get(name) for name in names}, "delays": delays, "not_ready": ready}


def _is_intervention(event: object) -> bool:
    return bool(getattr(event, "is_intervention", False))


def _matches(row: Mapping[str, Any], text: str, state: str) -> bool:
    if state and row["state"] != state:
        return False
    searched = f"{row['calling']} {row['called']} {row['address'][0]} {row['waits_for']}"
    return text in searched.casefold()


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 12 else 0
