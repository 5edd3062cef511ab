"""What differs between two configurations, and what of it a running gateway can take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.settings import Settings, WorkerTable, from_map, to_map

_AT_START = frozenset(
    {
        *("gateway.host", "gateway.port", "gateway.ae_title", "gateway.data", "gateway.acceptors"),
        *("gateway.durability", "gateway.hang_timeout", "spool.inline_max", "spool.min_free"),
        *("log.format", "log.repeats", "fabric", "archive", "transcoding"),
    }
)
"""Settings and tables that processes read when they start, and never again."""

_WITH_TABLES = ("forward", "coerce", "retention")
"""Workers that have a table of their own name, and are replaced to take another one."""
_KEEPING_TABLES = ("commitment", "dicomweb")
"""The same, but they keep the one that they were started with."""
HAS_A_PORT = "web"
"""The worker whose port a successor could not open while it is there."""


@dataclass(frozen=True, slots=True)
class ChangedSettings:
    """The way from one configuration to another."""

    settings: Settings
    """What can be put in force now: the new settings, with the old value where that must wait."""
    changed: tuple[str, ...]
    """What takes effect now, by name, as `limits.gathered`."""
    waiting: tuple[str, ...]
    """What needs a restart of the gateway."""
    added: tuple[str, ...] = ()
    """Workers to start."""
    removed: tuple[str, ...] = ()
    """Workers to stop."""
    replaced: tuple[str, ...] = ()
    """Workers to replace by a new generation, because their table is another."""


def compare(old: Settings, new: Settings) -> ChangedSettings:
    """Return what changes if `new` takes the place of `old`."""
    before, after = _flat(old), _flat(new)
    differing = [name for name in (before | after) if before.get(name) != after.get(name)]
    waiting = [name for name in differing if _has_to_wait(name, old, new)]
    values = to_map(new)
    for name in waiting:
        table, _, key = name.partition(".")
        values[table][key] = to_map(old)[table][key]
    effective = from_map(Settings, values)
    was, will = _running(old), _running(effective)
    return ChangedSettings(
        settings=effective,
        changed=tuple(name for name in differing if name not in waiting),
        waiting=tuple(waiting),
        added=tuple(name for name in will if name not in was),
        removed=tuple(name for name in was if name not in will),
        replaced=tuple(
            name
            for name in will
            if name in was and (will[name] != was[name] or _has_new_table(name, old, effective))
        ),
    )


def _has_new_table(name: str, old: Settings, new: Settings) -> bool:
    """Return whether a worker takes another table of its own by being replaced."""
    return name in _WITH_TABLES and getattr(old, name) != getattr(new, name)


def _flat(settings: Settings) -> dict[str, Any]:
    """Return each setting by its name; a worker, a destination and the rules are one each."""
    return {
        f"{table}.{name}": value
        for table, inner in to_map(settings).items()
        for name, value in inner.items()
    }


def _has_to_wait(name: str, old: Settings, new: Settings) -> bool:
    table = name.partition(".")[0]
    if name == f"workers.{HAS_A_PORT}":
        return _stays(HAS_A_PORT, old, new)
    if table in _KEEPING_TABLES:
        return _stays(table, old, new)
    return name in _AT_START or table in _AT_START


def _stays(worker: str, old: Settings, new: Settings) -> bool:
    return worker in _running(old) and worker in _running(new)


def _running(settings: Settings) -> dict[str, WorkerTable]:
    return {name: table for name, table in settings.workers.items() if table.enabled}
