"""A gateway whose instances are objects, and the store is killed, paused or away.

What was acknowledged is compared with what is in the store, read there without the gateway, and
with what the gateway gives back.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.accountant import Accountant, read_index, read_stored
from tests.conftest import short_folder
from tests.faults.database import answer_to_a_storer, database
from tests.faults.healing import FAST, HEALED, Skipped, gateway, healthy, seconds_until_it_stores
from tests.faults.row import BrokenPromise
from tests.faults.steady_load import Load
from tests.patience import PATIENCE, WALL
from tests.peers import instances, procfs, wire
from tests.peers.object_server import ObjectServer, object_server, program
from tests.peers.process import Gateway, run_cli

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORT = 6.0
"""Seconds of an outage in which requests can wait."""


@contextmanager
def _server() -> Iterator[ObjectServer]:
    try:
        import obstore  # noqa: F401
    except ImportError:
        raise Skipped("obstore is not installed") from None
    if program() is None:
        raise Skipped("SeaweedFS is not installed")
    with object_server() as server:
        yield server


def _config(server: ObjectServer, more: str = "") -> str:
    return f"{FAST}[archive]\n{more}{server.settings()}"


def paused() -> str:
    """The store does not answer for seconds under load: everybody waits, and nobody is refused."""
    books = Accountant()
    with _server() as server, gateway(_config(server)) as running:
        with Load(running, books) as load:
            load.until_stored(20)
            server.pause()
            time.sleep(SHORT)
            server.resume()
            load.forget()
            load.until_stored(20)
        if load.failures:
            raise BrokenPromise(f"{len(load.failures)} were refused: {load.failures[:3]}")
        kept = _check(running, server, books)
    return f"{SHORT:.0f} s paused: none of {load.sent} was refused; {kept}"


def killed() -> str:
    """The store is killed under load and started again: A700 at worst, and nothing is lost."""
    books = Accountant()
    with _server() as server, gateway(_config(server)) as running:
        with Load(running, books) as load:
            load.until_stored(20)
            server.kill()
            time.sleep(SHORT / 2)
            server.start()
            took = seconds_until_it_stores(running, limit=2 * HEALED)
            load.forget()
            load.until_stored(20)
        if strange := [one for one in load.failures if "0x" in one and one != "0xA700"]:
            raise BrokenPromise(f"answered {strange[:3]}")
        healthy(running)
        kept = _check(running, server, books)
    return f"stored {took:.1f} s after it was back; {len(load.failures)} answered A700; {kept}"


def away() -> str:
    """The store stays away: who wants to store is turned away at A-ASSOCIATE, until it is back."""
    with _server() as server, gateway(_config(server)) as running:
        seconds_until_it_stores(running)
        server.kill()
        running.program.err.wait_for("the object store was out of reach for .*: this process is")
        running.program.err.wait_for(
            "child=storage-0 is waiting: archive.store: .* is out of reach"
        )
        until = time.monotonic() + HEALED * PATIENCE
        while (answer := answer_to_a_storer(running)) != wire.associate_rj(2, 3, 1):
            if time.monotonic() > until:
                raise BrokenPromise(f"who wants to store is answered {answer.hex()}")
            time.sleep(0.2)
        server.start()
        took = seconds_until_it_stores(running, limit=3 * HEALED)
        healthy(running)
    return f"(2,3,1) meanwhile, stored {took:.1f} s after the store was back"


def staged() -> str:
    """With `stage`, the store is killed under load: nobody is refused, and all gets there later."""
    books = Accountant()
    with _server() as server, gateway(_config(server, 'stage = "spool"\n')) as running:
        with Load(running, books) as load:
            load.until_stored(20)
            server.kill()
            load.forget()
            load.until_stored(50)
            longest = load.longest
            server.start()
            load.forget()
            load.until_stored(20)
        if load.failures:
            raise BrokenPromise(f"{len(load.failures)} were refused: {load.failures[:3]}")
        procfs.until(
            lambda: not list(running.archive.rglob("*.dcm")),
            what="an empty directory",
            timeout=WALL,
        )
        kept = _check(running, server, books)
    return f"none of {load.sent} was refused, {longest:.1f} s at most without; {kept}"


def gateway_killed() -> str:
    """The storage worker is killed under load again and again: nothing is lost, nothing twice."""
    books = Accountant()
    with _server() as server, gateway(_config(server)) as running:
        with Load(running, books) as load:
            for _ in range(4):
                load.forget()
                load.until_stored(15)
                pid = running.child("storage-0")
                os.kill(pid, signal.SIGKILL)
                running.wait_child("storage-0", other_than=pid)
        kept = _check(running, server, books)
    return f"4 times; {len(load.failures)} failed; {kept}"


def holder_down() -> str:
    """A host is killed: the other one gives back all of its instances."""
    books = Accountant()
    with _server() as server, database() as base:
        base.start()
        shared = f'[archive]\ndsn = "{base.dsn}"\n{server.settings()}'
        titled = '[gateway]\nae_title = "{}"\n{}'
        with short_folder() as folder, gateway(titled.format("TWO", shared)) as two:
            one = Gateway(folder, config=titled.format("ONE", shared))
            try:
                with Load(one, books) as load:
                    load.until_stored(50)
            finally:
                one.program.kill_all()
            came = _given_back(two)
    missing = books.acknowledged - came.keys()
    if missing:
        raise BrokenPromise(f"{len(missing)} of {len(books.acknowledged)} do not come back")
    _compare(books, came)
    return f"{len(came)} instances of the host that is down come back"


def _check(running: Gateway, server: ObjectServer, books: Accountant) -> str:
    """Compare what was acknowledged with the store, and with what the gateway gives back."""
    rows = {row.uid: row.path for row in read_index(running.archive / "index.sqlite")}
    missing = books.acknowledged - rows.keys()
    if missing:
        raise BrokenPromise(f"{len(missing)} acknowledged are not in the index: {missing}")
    if len(set(rows.values())) != len(rows):
        raise BrokenPromise("two rows name one object")
    _compare(books, {uid: _digest(server, rows[uid]) for uid in books.acknowledged})
    came = _given_back(running)
    if lost := books.acknowledged - came.keys():
        raise BrokenPromise(f"{len(lost)} do not come back: {sorted(lost)[:3]}")
    _compare(books, came)
    return f"{len(books.acknowledged)} acknowledged are in the store, and come back"


def _compare(books: Accountant, digests: dict[str, str]) -> None:
    wrong = [
        uid
        for uid, digest in digests.items()
        if uid in books.accounts and digest not in books.accounts[uid].digests
    ]
    if wrong:
        raise BrokenPromise(f"{len(wrong)} are not what was sent: {wrong[:3]}")


def _digest(server: ObjectServer, path: str) -> str:
    """Return the digest of a data set in the store."""
    with short_folder() as folder:
        copy = folder / Path(path).name
        copy.write_bytes(server.content(path))
        return read_stored(copy).digest


def _given_back(running: Gateway) -> dict[str, str]:
    """Return the digests of all that the gateway gives back by C-GET."""
    with short_folder() as folder:
        keys = "-k", f"StudyInstanceUID={instances.STUDY}"
        done = run_cli("get", *running.address, *keys, "-o", folder, "--timeout", WALL)
        if done.popen.returncode != 0:
            raise BrokenPromise(f"C-GET: {done.err.text[-300:]}")
        found = map(read_stored, folder.glob("*.dcm"))
        return {one.uid: one.digest for one in found}
