"""The status that the peer gets for each way in which a handler or worker can fail.

Each row is driven by pynetdicom as the SCU; `status_worker.py` is the worker, and the calling AE
title tells it what to do.
"""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pynetdicom import AE, evt

from tests.conftest import running
from tests.interop.scu import KINDS, N_KINDS, Response, scu
from tests.patience import PATIENCE, WALL
from tests.peers import procfs, wire
from tests.peers.raw import RawPeer, echo_ok
from tests.peers.workers import STORAGE_OFF, UserWorker

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = (
    (Path(__file__).parent / "status_worker.py")
    .read_text()
    .replace("DEADLINE = 2.5", f"DEADLINE = {2.5 * PATIENCE}")
)


@pytest.fixture(scope="module")
def gateway():
    with running(STORAGE_OFF) as one:
        yield one


@pytest.fixture(scope="module")
def worker(gateway, tmp_path_factory) -> Iterator[UserWorker]:
    with UserWorker(tmp_path_factory.mktemp("worker"), SOURCE, gateway.data) as one:
        one.wait_ready()
        yield one
        one.terminate()
        assert one.wait() == 0


class Destination:
    """pynetdicom as the storage SCP that a C-MOVE sends to; `answers` are its next statuses."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.requests: list = []
        ae = AE(ae_title="DESTINATION")
        ae.add_supported_context(wire.CT, [wire.IMPLICIT, wire.EXPLICIT])
        handlers = [(evt.EVT_C_STORE, self._store)]
        self.server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.title = f"PORT{self.server.socket.getsockname()[1]}"

    def _store(self, event) -> int:
        self.requests.append(event)
        return self.answers.pop(0) if self.answers else 0x0000


@pytest.fixture(scope="module")
def scp() -> Iterator[Destination]:
    one = Destination()
    yield one
    one.server.shutdown()


@pytest.fixture
def destination(scp) -> Destination:
    scp.answers, scp.requests = [], []
    return scp


def row(name: str, n: int | None = None, **statuses: int) -> list:
    """The cells of a row: keywords for the columns, `n` for all N-services."""
    cells = {**({} if n is None else dict.fromkeys(N_KINDS, n)), **statuses}
    return [pytest.param(name, kind, cells[kind], id=f"{name}-{kind}") for kind in cells]


CELLS = [
    *row("RAISES", 0x0110, ECHO=0, STORE=0xC211, FIND=0xC311, GET=0xC411, MOVE=0xC511),
    *row("EXITS", 0x0110, ECHO=0, STORE=0xC211),
    *row("RAISES_LATER", FIND=0xC311, GET=0xC411, MOVE=0xC511),
    *row("RAISES_FIRST", FIND=0xC311, GET=0xC413, MOVE=0xC514),
    *row("ENDS_FIRST", FIND=0x0000, GET=0xC413, MOVE=0xC514),
    *row("NO_NUMBER", MOVE=0xC513),
    *row("WRONG_NUMBER", GET=0xC413, MOVE=0xC513),
    *row("NEGATIVE", GET=0xC413, MOVE=0xC513),
    *row("TRUTH", GET=0xC413, MOVE=0xC513),
    *row("TOO_MANY", GET=0xC416, MOVE=0xC516),
    *row("NO_STATUS", 0xC001, ECHO=0, STORE=0xC001, FIND=0xC001, GET=0xC001, MOVE=0xC001),
    *row("NO_STATUS_FIRST", GET=0xC001, MOVE=0xC001),
    *row("WRONG_TYPE", 0xC002, ECHO=0, STORE=0xC002, FIND=0xC002, GET=0xC002, MOVE=0xC002),
    *row("TOO_BIG", 0xC002, ECHO=0, STORE=0xC002),
    *row("NONE", 0xC002, ECHO=0, STORE=0xC002, FIND=0x0000, GET=0xC002, MOVE=0xC002),
    *row("NONE_LATER", FIND=0xC002, GET=0xC002, MOVE=0xC002),
    *row("NO_GENERATOR", FIND=0xC002, GET=0xC002, MOVE=0xC002),
    *row("NO_PAIR", N_ACTION=0xC002, N_CREATE=0xC002, N_GET=0xC002, N_SET=0xC002, FIND=0xC002),
    *row("NO_PAIR", N_EVENT_REPORT=0xC002),
    *row("UNENCODABLE", FIND=0xC312, GET=0xB000, MOVE=0xB000),
    *row("UNENCODABLE", N_ACTION=0x0110, N_CREATE=0x0110, N_GET=0x0110, N_SET=0x0110),
    *row("UNENCODABLE", N_EVENT_REPORT=0x0110),
    *row("NO_DATASET", N_ACTION=0x0110, N_CREATE=0x0110, N_GET=0x0110, N_SET=0x0110),
    *row("NONE_ENCODABLE", GET=0xA702, MOVE=0xA702),
    *row("NOWHERE", MOVE=0xA801),
    *row("UNREACHABLE", MOVE=0xA801),
    *row("INVALID", MOVE=0xC515),
    *row("INVALID_PORT", MOVE=0xC515),
    *row("PENDING", 0x0110, ECHO=0, STORE=0xC002),
    *row("CANCELS", 0x0110, ECHO=0, STORE=0xC002),
    *row("UNKNOWN", 0xD123, ECHO=0xD123, STORE=0xD123, FIND=0xD123, GET=0xD123, MOVE=0xD123),
    *row("STATUS_FIRST", GET=0xA900, MOVE=0xA900),
    *row("SET_FIRST", GET=0xA900, MOVE=0xA900),
    *row("OK", 0x0000, ECHO=0, STORE=0, FIND=0, GET=0, MOVE=0),
]


@pytest.mark.parametrize(("case", "kind", "status"), CELLS)
def test_cell(gateway, worker, destination, case: str, kind: str, status: int) -> None:
    with scu(gateway.address, case) as peer:
        responses = peer.ask(kind, destination=destination.title)
        assert f"{responses[-1].status:04X}" == f"{status:04X}"
        assert all(one.status in (0xFF00, 0xFF01) for one in responses[:-1])
        assert peer.ask("ECHO")[0].status in (0x0000, status), "the association must live"


UNANSWERED = dict.fromkeys(N_KINDS, 0x0110) | {
    "ECHO": 0x0000,
    "STORE": 0xA700,
    "FIND": 0xA700,
    "GET": 0xA701,
    "MOVE": 0xA701,
}
BEGUN = {"FIND": 0xA700, "GET": 0xA702, "MOVE": 0xA702}
"""Once the first match is sent, or the number of sub-operations is known."""
IN_HAND = [("LATE", kind) for kind in KINDS] + [("LATE_LATER", kind) for kind in BEGUN]


def expected(case: str, kind: str) -> int:
    return BEGUN[kind] if case == "LATE_LATER" else UNANSWERED[kind]


def ask(gateway, case: str, kind: str, destination: str) -> list[Response]:
    with scu(gateway.address, case) as peer:
        return peer.ask(kind, destination=destination)


def all_in_hand(gateway, destination) -> dict:
    """Each kind of request at once; the futures of their responses."""
    pool = ThreadPoolExecutor(len(IN_HAND))
    try:
        return {cell: pool.submit(ask, gateway, *cell, destination.title) for cell in IN_HAND}
    finally:
        pool.shutdown(wait=False)


def check(futures) -> None:
    got = {cell: future.result(WALL)[-1] for cell, future in futures.items()}
    assert {cell: f"{one.status:04X}" for cell, one in got.items()} == {
        cell: f"{expected(*cell):04X}" for cell in IN_HAND
    }
    for kind in ("GET", "MOVE"):
        assert got["LATE_LATER", kind].counters() == (None, 1, 1, 0)
        assert got["LATE", kind].counters() == (None, None, None, None)


def test_deadline_passed(gateway, worker, destination) -> None:
    check(all_in_hand(gateway, destination))


def test_worker_lost(gateway, worker, destination) -> None:
    worker.out.forget()
    futures = all_in_hand(gateway, destination)
    pattern = r"^in hand \S+ (\d+)$"
    procfs.until(
        lambda: sum("in hand" in line for line in worker.out.lines) == len(IN_HAND),
        what="all requests in hand",
    )
    os.kill(int(worker.out.wait_for(pattern)[1]), signal.SIGKILL)
    check(futures)
    procfs.until(
        lambda: ask(gateway, "OK", "STORE", "")[-1].status == 0x0000,
        what="the restarted worker",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_no_worker(bare, kind: str) -> None:
    assert ask(bare, "OK", kind, "NOBODY")[-1].status == UNANSWERED[kind]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A gateway whose worker has left: for `lease_grace` its contexts are still accepted."""
    with running(STORAGE_OFF + "[fabric]\nlease_grace = 600\n") as one:
        with UserWorker(tmp_path_factory.mktemp("left"), SOURCE, one.data) as worker:
            worker.wait_ready()
            worker.terminate()
            assert worker.wait() == 0
        yield one


def test_busy(folder) -> None:
    """The one credit is taken: of two requests of a kind one waits, the other is told at once."""
    source = SOURCE.replace("concurrency=32", "concurrency=1")
    source = source.replace(f"DEADLINE = {2.5 * PATIENCE}", "DEADLINE = 600")
    pool = ThreadPoolExecutor(2 * len(KINDS))
    with (
        running(STORAGE_OFF + "[fabric]\nqueue = 1\n") as gateway,
        UserWorker(folder, source, gateway.data) as worker,
        RawPeer(gateway.address) as holder,
    ):
        worker.wait_ready()
        holder.associate(calling="LATE")
        holder.send(wire.message(1, wire.echo_rq()))
        worker.out.wait_for("in hand")
        twice = {k: [pool.submit(briefly, gateway, k) for _ in "ab"] for k in KINDS}
        got = {kind: [future.result() for future in both] for kind, both in twice.items()}
    pool.shutdown()
    assert {kind: sorted(both, key=str) for kind, both in got.items()} == {
        kind: [UNANSWERED[kind], None] for kind in KINDS
    }


def briefly(gateway, kind: str) -> int | None:
    """The status of a response that comes soon; None if none does."""
    with scu(gateway.address, "OK", timeout=3 * PATIENCE, end=False) as peer:
        try:
            return peer.ask(kind)[-1].status
        except AssertionError:
            return None


def test_nobody_else_notices(gateway, worker) -> None:
    """Handlers that hang in one association do not slow down the C-ECHO of another."""
    threads = [
        threading.Thread(target=ask, args=(gateway, "LATE", kind, "NOBODY"))
        for kind in ("STORE", "FIND", "GET", "N_GET")
    ]
    worker.out.forget()
    for thread in threads:
        thread.start()
    worker.out.wait_for("in hand EVT_C_FIND")
    assert echo_ok(gateway.address)
    for thread in threads:
        thread.join(WALL)
