"""Several hosts behind a balancer: what may happen to one of them, and to what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conftest import short_folder
from tests.faults.healing import Skipped
from tests.faults.row import BrokenPromise, Options, Result, Row
from tests.faults.site import site
from tests.faults.topology import EVENTS, OBJECT_EVENTS, check, moved_to, under_load
from tests.faults.versions import NEWER, unpacked

if TYPE_CHECKING:
    from tests.faults.site import Site
    from tests.faults.topology import Event


def _topology(options: Options) -> Result:
    return _tried(options.hosts, EVENTS)


def _objects(options: Options) -> Result:
    return _tried(options.hosts, OBJECT_EVENTS, objects=True)


def _upgrade(options: Options) -> Result:
    try:
        with short_folder() as folder:
            now = unpacked(folder / "now")
            newer = unpacked(folder / "newer", newer=True)
            events = {
                "installed": moved_to(now),
                "upgraded": moved_to(newer),
                "the schema": _is_newer,
                "rolled back": moved_to(now),
            }
            return _tried(options.hosts, events)
    except Skipped as error:
        return Result(ok=None, runs=0, text=str(error))


def _tried(hosts: int, events: dict[str, Event], *, objects: bool = False) -> Result:
    try:
        with site(hosts, objects=objects) as made:
            seen = under_load(made, events)
            kept = check(made)
    except Skipped as error:
        return Result(ok=None, runs=0, text=str(error))
    return Result(ok=True, runs=len(events), text=f"{hosts} hosts: {seen}; {kept}")


def _is_newer(made: Site) -> None:
    import psycopg

    with psycopg.connect(made.database.dsn) as connection:
        (version,) = connection.execute("SELECT version FROM schema_version").fetchone() or (0,)
    if version != NEWER:
        raise BrokenPromise(f"the schema has version {version}, the newer program {NEWER}")


ROWS = [
    Row(
        "topology",
        "P1 P4 P11",
        "--hosts behind HAProxy under load: one frozen, killed, cut off, drained; PostgreSQL and "
        "HAProxy restarted",
        _topology,
    ),
    Row(
        "topology-objects",
        "P1 P4 P11",
        "the same with instances in SeaweedFS, which is killed and paused as well; all come "
        "back from each host with the others down",
        _objects,
    ),
    Row(
        "upgrade",
        "P1 P4 P11",
        "--hosts under load: a rolling upgrade to a program with an additive schema step, and back",
        _upgrade,
    ),
]
