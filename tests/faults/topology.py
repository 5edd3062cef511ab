"""What may happen to a site of several hosts under load, and what must be true afterwards.

Each event happens while a client stores through the balancer; where others could be held up, a
second load at another host measures for how long.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Self

from tests.accountant import leftovers, read_archive, read_stored, report
from tests.conftest import short_folder
from tests.faults.hosts import frozen_in_transaction
from tests.faults.lock_waits import LockWaits
from tests.faults.retrying import RetryingClient
from tests.faults.row import BrokenPromise
from tests.faults.steady_load import Load
from tests.patience import PATIENCE, WALL
from tests.peers import instances, procfs
from tests.peers.process import Gateway, run_cli
from workers.archive.objects.listing import own_buckets
from workers.archive.objects.object_store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.site import Host, Site
    from tests.peers.object_server import ObjectServer
    from tests.peers.process import Program
    from tests.peers.raw import Address

Event = Callable[["Site"], "str | None"]
"""What happens to a site; may return what was seen of it, in words."""

STALL = 5.0
"""Seconds that a host may wait because of another."""
LASTS = 8.0
"""Seconds that a fault lasts."""
RISES = 8.0
"""Seconds until HAProxy sends peers to a host again: its probes start, and two checks succeed."""


class Others:
    """The load at the hosts that have no fault; each must go on with no pause longer than `STALL`.

    `told` says at the end how long they waited, and for what.
    """

    def __init__(self, site: Site) -> None:
        self._hosts = site.hosts[1:]
        self._loads = [Load(host.gateway, site.books, senders=1) for host in self._hosts]
        self._waits = LockWaits(site.database.dsn)
        self._stack = ExitStack()
        self.told = ""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for load in self._loads:
                stack.enter_context(load).until_stored(1)
            stack.enter_context(self._waits)
            for load in self._loads:
                load.forget()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        seen = [(load.stored, load.longest_until_now, load.failures[:3]) for load in self._loads]
        self._stack.close()
        longest = max(each for _, each, _ in seen)
        self.told = f"{longest:.1f} s at most without a store at another host, {self._waits.told}"
        for host, (stored, pause, failures) in zip(self._hosts, seen, strict=True):
            if kind is None and (failures or pause > STALL * PATIENCE or not stored):
                raise BrokenPromise(
                    f"{host.title}: {stored} stored, {pause:.1f} s at most without, "
                    f"failed: {failures}; {self._waits.told}"
                )


def frozen(site: Site) -> str:
    """SIGSTOP of all processes of a host, of which one is in a transaction; and SIGCONT."""
    one = site.hosts[0]
    with Load(one.gateway, site.books, new_studies=True), Others(site) as others:
        frozen_in_transaction(site.database.dsn, one.title, one.gateway.child("storage-0"))
        one.freeze()
        try:
            time.sleep(LASTS)
        finally:
            one.thaw()
    return others.told


def killed(site: Site) -> str:
    """SIGKILL of all processes of a host, which is started again."""
    with Others(site) as others:
        site.hosts[0].kill()
        time.sleep(LASTS / 2)
        site.hosts[0].start()
    return others.told


def cut_off(site: Site) -> str:
    """The cable of a host is unplugged."""
    if not site.network.has_plugs:
        return "on loopback addresses, so not done"
    with Others(site) as others:
        site.hosts[0].place.unplug()
        try:
            time.sleep(LASTS)
        finally:
            site.hosts[0].place.plug_in()
    return others.told


def database_restarted(site: Site) -> None:
    """PostgreSQL is stopped at once, and comes back."""
    site.database.stop()
    time.sleep(LASTS / 4)
    site.database.start()


def store_killed(site: Site) -> None:
    """SIGKILL of the object store, which is started again."""
    assert site.store is not None
    site.store.kill()
    time.sleep(LASTS / 4)
    site.store.start()


def store_paused(site: Site) -> None:
    """The object store answers nothing for a while."""
    assert site.store is not None
    site.store.pause()
    try:
        time.sleep(LASTS)
    finally:
        site.store.resume()


def drained(site: Site) -> None:
    """A host is drained, and resumed once it has no association any more."""
    host = site.hosts[0]
    _command(host, "drain")
    time.sleep(LASTS / 2)
    _command(host, "resume")


def balancer_restarted(site: Site) -> None:
    """HAProxy is stopped, and starts again."""
    site.stop_balancer()
    time.sleep(LASTS / 8)
    site.start_balancer()


def moved_to(modules: Path | None) -> Event:
    """Return the event in which host by host gets the program in `modules`; None: that of now."""

    def rolled(site: Site) -> None:
        for host in site.hosts:
            if status := host.gateway.stop():
                raise BrokenPromise(f"{host.title}: exit status {status}")
            host.start(modules)
            time.sleep(LASTS / 4)

    return rolled


EVENTS: dict[str, Event] = {
    "frozen": frozen,
    "killed": killed,
    "cut off": cut_off,
    "database restarted": database_restarted,
    "drained": drained,
    "balancer restarted": balancer_restarted,
}


OBJECT_EVENTS = EVENTS | {"store killed": store_killed, "store paused": store_paused}


def under_load(site: Site, events: dict[str, Event]) -> str:
    """Let events happen, one after the other; return what was seen."""
    seen = []
    with RetryingClient(site.front, site.books) as client:
        for name, event in events.items():
            if seen:
                time.sleep(RISES)
            client.forget()
            told = event(site)
            client.until_stored(20)
            seen.append(f"{name}: {client.longest}{f', {told}' if told else ''}")
    if client.lost:
        raise BrokenPromise(f"{len(client.lost)} were not stored: {client.lost[:3]}")
    return f"{client.stored} stored, {client.repeated} tried again; longest {'; '.join(seen)}"


def compare(site: Site) -> set[str]:
    """Check that all that was acknowledged is there once; return all UIDs."""
    procfs.until(
        lambda: not [one for host in site.hosts for one in leftovers(host.gateway.spool)],
        what="empty spools",
        timeout=WALL,
    )
    rows = _rows(site)
    files = _files(site) if site.store is None else objects_of(site.store, site)
    wrong = [f"{uid} has {number} files" for uid, number in _more_than_once(files)]
    for uid in site.books.acknowledged:
        row = rows.get(uid)
        if row is None:
            wrong.append(f"{uid} was acknowledged, and is not in the index")
        elif (row, uid) not in files:
            wrong.append(f"{uid} was acknowledged, and is not at {row[0]} as {row[1]}")
        elif files[row, uid] not in site.books.accounts[uid].digests:
            wrong.append(f"{uid} at {row[0]} is not what was sent")
    wrong += [f"{uid} is in the index, and not sent" for uid in rows.keys() - site.books.accounts]
    if wrong:
        raise BrokenPromise(f"{len(wrong)} wrong: {wrong[:5]}")
    return set(rows)


def check(site: Site) -> str:
    """Compare, and check that all comes back from each host; from a store, also from it alone."""
    uids = compare(site)
    for host in site.hosts:
        comes_back(host, uids, site.sink)
    kept = f"{len(uids)} instances come back from each of {len(site.hosts)} hosts"
    if site.store is None:
        return kept
    for host in site.hosts:
        with _alone(site, host):
            comes_back(host, uids, site.sink)
    return f"{kept}, also while the others are down"


@contextmanager
def _alone(site: Site, host: Host) -> Iterator[None]:
    """Kill all hosts but one; they are started again afterwards."""
    others = [one for one in site.hosts if one is not host]
    for other in others:
        other.kill()
    yield
    for other in others:
        other.start()


def _more_than_once(files: dict[tuple[tuple[str, str], str], str]) -> list[tuple[str, int]]:
    counts = Counter(uid for _, uid in files)
    return [(uid, number) for uid, number in counts.items() if number > 1]


def _rows(site: Site) -> dict[str, tuple[str, str]]:
    """Return holder and path by SOP Instance UID."""
    import psycopg

    with psycopg.connect(site.database.dsn) as connection:
        found = connection.execute("SELECT sop_instance_uid, holder, path FROM instance")
        return {uid: (holder, path) for uid, holder, path in found}


def _files(site: Site) -> dict[tuple[tuple[str, str], str], str]:
    """Return the digest of each file by holder, path and SOP Instance UID."""
    files = {}
    for host in site.hosts:
        archive = host.gateway.archive
        stored, bad = read_archive(archive)
        if bad:
            raise BrokenPromise(report(bad))
        for one in stored:
            files[(host.title, str(one.path.relative_to(archive))), one.uid] = one.digest
    return files


def objects_of(store: ObjectServer, site: Site) -> dict[tuple[tuple[str, str], str], str]:
    """Return the digest of each object that a row names, as the store has it, as `_files` does.

    An object without a row is not counted: a host that was killed has left it, and adds its row
    once nobody can still be storing it.
    """
    named = {path for _, path in _rows(site).values()}
    files = {}
    with short_folder() as folder:
        for host in site.hosts:
            place = store.place(host.title)
            for _, found in own_buckets(ObjectStore(place)):
                for one in (one for one in found if one.path in named):
                    copy = folder / "copy.dcm"
                    copy.write_bytes(store.content(one.path))
                    stored = read_stored(copy)
                    files[(host.title, one.path), stored.uid] = stored.digest
    return files


def comes_back(host: Host, uids: set[str], sink: Address) -> None:
    """Check C-FIND, C-GET and C-MOVE of every instance at one host; another gateway takes them."""
    told = _asked(host, "find", "--level", "study", "-k", "StudyInstanceUID", "--json")
    studies = sorted(set(re.findall(r'"(2\.25\.\d+\.1)"', told)))
    keys = ("-k", "StudyInstanceUID=" + "\\".join(studies))
    with ThreadPoolExecutor(4) as threads:
        found = "".join(threads.map(partial(_images, host), studies))
    with short_folder() as folder, short_folder() as place:
        _asked(host, "get", *keys, "-o", folder)
        with taker(place, sink) as taking:
            _asked(host, "move", "SINK", *keys)
            moved = {one.uid for one in read_archive(taking.archive)[0]}
        for what, came in (
            ("C-FIND", {uid for uid in uids if uid in found}),
            ("C-GET", {path.stem for path in folder.glob("*.dcm")}),
            ("C-MOVE", moved),
        ):
            if came != uids:
                raise BrokenPromise(f"{host.title}: {what} of {len(came)} of {len(uids)}")


def _images(host: Host, study: str) -> str:
    """Return the answers to a C-FIND of every instance of a study."""
    keys = f"StudyInstanceUID={study}", f"SeriesInstanceUID={instances.series_of(study)}"
    named = (part for key in (*keys, "SOPInstanceUID") for part in ("-k", key))
    return _asked(host, "find", "--level", "image", *named, "--json")


@contextmanager
def taker(folder: Path, address: Address) -> Iterator[Gateway]:
    """A gateway at an address, to which C-MOVE sends."""
    host, port = address
    running = Gateway(folder, config=f'[gateway]\nhost = "{host}"\n', options=("--port", str(port)))
    try:
        yield running
    finally:
        running.stop()
        running.close()


def _asked(host: Host, command: str, *words: object) -> str:
    address, port = host.address
    return _done(host, run_cli(command, address, port, *words, "--timeout", WALL))


def _command(host: Host, command: str) -> None:
    _done(host, run_cli(command, "--data", host.gateway.data))


def _done(host: Host, program: Program) -> str:
    """Return the output of a command that succeeded."""
    if program.popen.returncode != 0:
        lines = [one for one in host.gateway.program.err.text.splitlines() if "operation" in one]
        told = program.out.text.splitlines()[-1:], program.err.text.splitlines()[-1:]
        raise BrokenPromise(f"{host.title}: {program.command[1]}: {told}; log: {lines[:4]}")
    return program.out.text
