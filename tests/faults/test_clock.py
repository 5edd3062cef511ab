"""The wall clock jumps by ten years in both directions: timers and file names are unaffected."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.accountant import Accountant
from tests.patience import PATIENCE, WALL
from tests.peers import instances, wire
from tests.peers.process import Gateway, run_cli
from tests.peers.raw import association, echo_ok
from tests.peers.sender import store_all

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.peer("gcc")

TEN_YEARS = 10 * 365 * 86400
HEARTBEAT = 0.2 * PATIENCE
CONFIG = f"[fabric]\nheartbeat = {HEARTBEAT}\n"


@pytest.fixture
def set_clock(tmp_path, monkeypatch) -> Callable[[int], None]:
    """A function that moves the wall clock of all programs started from now on."""
    library, file = tmp_path / "clock.so", tmp_path / "offset"
    command = ["gcc", "-shared", "-fPIC", "-O2", "-o", library, Path(__file__).with_name("clock.c")]
    subprocess.run(command, check=True, timeout=WALL)
    file.write_text("0")
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("CLOCK_OFFSET", str(file))

    def move(seconds: int) -> None:
        fresh = file.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.rename(file)

    return move


def years_of(gateway: Gateway) -> set[int]:
    """Return the years in the names of its archive folders."""
    return {int(path.name[:4]) for path in gateway.archive.glob("2???????")}


def test_the_wall_clock_jumps(folder, set_clock) -> None:
    books, now = Accountant(), time.gmtime().tm_year
    gateway = Gateway(folder, config=CONFIG)
    try:
        batches = iter([instances.many(3) + instances.many(1, size=100_000) for _ in range(9)])
        assert store_all(gateway.address, next(batches), listener=books).failed == {}
        first = next(batches)
        contexts = (first[0].context(), wire.context(3))
        with association(gateway.address, *contexts) as peer:
            for jump in (TEN_YEARS, -TEN_YEARS, 0):
                set_clock(jump)
                end = time.monotonic() + 5 * HEARTBEAT
                while time.monotonic() < end:
                    assert peer.echo(1, context_id=3).status == 0
                    time.sleep(HEARTBEAT / 4)  # heartbeats are to pass under this clock
                one = instances.make()
                books.sending(one)
                books.told(one.uid, peer.store(one, 2).status)
                assert echo_ok(gateway.address)
                told = store_all(gateway.address, next(batches), listener=books)
                assert (told.errors, told.failed) == ([], {})
            peer.release()
        said = gateway.program.err.text
        assert not re.search(r"WORKER_LOST|silent|A-ABORT|ended:|ended=aborted", said), said
        years = years_of(gateway)
        assert {now, now + 10} & years, years
        assert min(years) < now - 5, "the clock was not moved at all"
        books.check(gateway.archive, spool=gateway.spool)
        set_clock(-TEN_YEARS)
        assert gateway.stop() == 0
    finally:
        gateway.close()
    before = set(gateway.archive.rglob("*.dcm"))
    again = Gateway(folder, config=CONFIG)
    try:
        assert set(again.archive.rglob("*.dcm")) == before
        assert store_all(again.address, next(batches), listener=books).failed == {}
        books.check(again.archive, spool=again.spool)
        assert run_cli("archive", "verify", "--data", again.data).popen.returncode == 0
        assert again.stop() == 0
    finally:
        again.close()
