"""Files left by a crash are removed or indexed; files of other programs are left alone."""

from __future__ import annotations

import re
import shutil
import sqlite3
import threading

import pytest

from tests.accountant import Accountant, read_index
from tests.patience import PATIENCE, WALL
from tests.peers import instances, procfs, sender
from tests.peers.process import COMMAND, Gateway, Program, run_cli
from tests.peers.raw import association, echo_ok
from tests.peers.workers import STORAGE_OFF, UserWorker


def token(number: int) -> str:
    return f"20200101-120000000-0-{number:024x}"


def test_a_start_tells_orphans_strangers_and_links_apart(folder) -> None:
    first = Gateway(folder)
    books = Accountant()
    kept = instances.many(3)
    assert sender.store_all(first.address, kept, listener=books).failed == {}
    assert first.stop() == 0
    spool, archive = first.spool, first.archive
    precious = folder / "precious"
    precious.write_text("somebody's own")
    bucket = archive / "20200101" / "120000000-0"
    bucket.mkdir(parents=True)
    # Left by a crash.
    whole, second = instances.make(), next(iter(archive.rglob("*.dcm")))
    books.sending(whole)
    half = spool / "incoming" / "0" / f"{token(1)}.part"
    half.write_bytes(whole.part10()[:500])
    sealed = spool / "ready" / token(2)
    sealed.write_bytes(whole.part10())
    unfinished = archive / "tmp" / "0123456789abcdef"
    unfinished.mkdir(parents=True)
    (unfinished / f"{token(3)}.1.part").write_bytes(b"half")
    (bucket / f"{token(4)}.dcm").write_bytes(whole.part10())
    copy = bucket / f"{token(5)}.dcm"
    shutil.copy(second, copy)
    # Of other programs.
    strangers = [
        spool / "incoming" / "0" / "notes.txt",
        spool / "ready" / "holiday.jpg",
        bucket / "notes.txt",
        archive / "report.pdf",
    ]
    for stranger in strangers:
        stranger.write_text("not ours")
    links = [
        spool / "incoming" / "0" / f"{token(6)}.part",
        spool / "ready" / token(7),
        bucket / f"{token(8)}.dcm",
    ]
    for link in links:
        link.symlink_to(precious)

    again = Gateway(folder)
    try:
        log = again.program.err
        log.wait_for("archive foreign path='report.pdf'")
        log.wait_for("spool swept acceptor=0 partial=1 sealed=1 foreign=4")
        log.wait_for("unfinished files deleted=1")
        log.wait_for("kind=indexed files=1 first=20200101/120000000-0/")
        log.wait_for("kind=duplicates files=1")
        assert not any(path.exists() for path in (half, sealed, unfinished, second))
        assert copy.exists(), "of two files with the same content the first received one stays"
        assert all(path.read_text() == "not ours" for path in strangers)
        assert all(path.is_symlink() for path in links)
        assert precious.read_text() == "somebody's own"
        assert whole.uid in {row.uid for row in read_index(archive / "index.sqlite")}
        for path in (strangers[2], links[2]):
            log.wait_for(re.escape(f"archive foreign path='{path.relative_to(archive)}'"))
            path.unlink()
        for path in (strangers[1], links[0], links[1]):
            path.unlink()
        books.check(archive, spool=spool)
        assert sender.store_all(again.address, instances.many(2), listener=books).failed == {}
        assert again.stop() == 0
    finally:
        again.close()


def test_an_index_that_is_busy_is_waited_for(start_gateway) -> None:
    """While another program, such as a backup, writes to the index, only C-STORE waits."""
    gateway = start_gateway()
    books = Accountant()
    assert sender.store_all(gateway.address, instances.many(1), listener=books).failed == {}
    other = sqlite3.connect(gateway.archive / "index.sqlite", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        mine, outcomes = instances.many(8), []
        waiting = threading.Thread(
            target=lambda: outcomes.append(
                sender.store_all(gateway.address, mine, listener=books, timeout=WALL)
            )
        )
        waiting.start()
        assert echo_ok(gateway.address)
        waiting.join(1.0)
        assert not books.acknowledged & {one.uid for one in mine}, "success without a row"
        other.execute("ROLLBACK")
        waiting.join(WALL)
    finally:
        other.close()
    assert (outcomes[0].errors, outcomes[0].failed) == ([], {})
    books.check(gateway.archive, spool=gateway.spool)


POISON = """
import os

from gateway import Worker, evt

worker = Worker("fragile", concurrency=4)


@worker.on(evt.EVT_C_STORE, redeliver=True, deadline=600)
def store(event):
    if event.request.MessageID == 666:
        os._exit(9)
    return 0x0000
"""


def test_what_kills_each_worker_is_parked_and_the_others_go_on(folder, start_gateway) -> None:
    gateway = start_gateway(
        f"{STORAGE_OFF}[fabric]\nheartbeat = {0.2 * PATIENCE}\nlease_grace = {WALL}\n"
    )
    one, spooled = instances.make(), instances.make(size=100_000)
    innocent = instances.many(40)
    outcomes: list[sender.Outcome] = []
    with UserWorker(folder, POISON, gateway.data, name="fragile") as worker:
        worker.wait_ready()
        beside = threading.Thread(
            target=lambda: outcomes.append(sender.store_all(gateway.address, innocent))
        )
        for number, poison in enumerate((one, spooled)):
            with association(gateway.address, poison.context()) as peer:
                peer.sock.settimeout(WALL)
                if not number:
                    beside.start()
                assert peer.store(poison, 666).status == 0xA700
                peer.release()
            parked = list((gateway.spool / "quarantine").iterdir())
            assert len(parked) == number + 1
        beside.join(WALL)
        assert (outcomes[0].errors, outcomes[0].failed) == ([], {})
        held = {path.read_bytes()[-1000:] for path in parked}
        assert held == {one.data_set[-1000:], spooled.data_set[-1000:]}
        procfs.until(
            lambda: sender.store_all(gateway.address, instances.many(1)).failed == {},
            what="a worker that is back",
        )


@pytest.mark.slow
def test_a_damaged_index_is_refused_and_never_made_anew(folder) -> None:
    first = Gateway(folder)
    assert sender.store_all(first.address, instances.many(3)).failed == {}
    assert first.stop() == 0
    index = first.archive / "index.sqlite"
    for damage in (b"not a database at all" * 500, b"", None):
        if damage is None:
            index.unlink()
        else:
            index.write_bytes(damage)
        waiting = Program(COMMAND, "serve", "--port", 0, "--data", first.data)
        try:
            waiting.err.wait_for("child=storage-0 is waiting: .*archive reindex")
            told = run_cli("status", "--data", first.data)
            assert told.popen.returncode == 1
            assert "archive reindex" in told.out.text
        finally:
            waiting.terminate()
            waiting.wait()
        assert "Traceback" not in waiting.err.text
        assert (index.read_bytes() if index.exists() else None) == damage
        assert len(list(first.archive.rglob("*.dcm"))) == 3
    assert run_cli("archive", "reindex", "--data", first.data).popen.returncode == 0
    again = Gateway(folder)
    try:
        assert len(read_index(index)) == 3
        assert sender.store_all(again.address, instances.many(1)).failed == {}
        assert again.stop() == 0
    finally:
        again.close()
