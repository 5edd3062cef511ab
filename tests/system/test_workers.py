"""Workers that die, are replaced, misbehave or work on many requests at once.

No association notices more than it must: a request that was in hand fails, and nothing else.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from textwrap import dedent

import pytest

from gateway.process import EXIT_SUPERSEDED
from gateway.requestor import Address, Instance, Proposal, associate
from tests.conftest import running
from tests.interop.scu import scu
from tests.interop.test_negotiation import Asked, identity
from tests.patience import PATIENCE, WALL
from tests.peers import instances, procfs, wire
from tests.peers.raw import RawPeer, association
from tests.peers.workers import STORAGE_OFF, UserWorker

FIND = """
import os

from pydicom.dataset import Dataset

from gateway import Worker, evt

worker = Worker("finder")


@worker.on(evt.EVT_C_FIND)
def find(event):
    for number in range(3):
        ds = Dataset()
        ds.PatientID = str(number)
        yield 0xFF00, ds
    if event.assoc.requestor.ae_title == "STAYS":
        print("waiting", os.getpid(), flush=True)
        event.cancellation.wait(600)
"""


def test_killed_in_the_middle_of_a_find(folder) -> None:
    with running(STORAGE_OFF) as gateway, UserWorker(folder, FIND, gateway.data) as worker:
        worker.wait_ready()
        with scu(gateway.address, "STAYS", end=False) as peer:
            responses = peer.stream("FIND")
            assert [next(responses).status for _ in range(3)] == [0xFF00] * 3
            pid = int(worker.out.wait_for(r"^waiting (\d+)$")[1])
            os.kill(pid, signal.SIGKILL)
            assert [one.status for one in responses] == [0xA700]
            assert peer.ask("ECHO")[0].status == 0x0000
            again = peer.stream("FIND")
            assert [next(again).status for _ in range(3)] == [0xFF00] * 3, "by the restarted one"


WINDOW = """
import threading

from gateway import Worker, evt

worker = Worker("slow", concurrency=8)
all_at_once = threading.Barrier(8)


@worker.on(evt.EVT_ASYNC_OPS)
def window(event):
    return 8, 1


@worker.on(evt.EVT_C_STORE)
def store(event):
    all_at_once.wait(600)
    return 0x0000
"""


def instance_of(one: instances.Instance) -> Instance:
    size = len(one.data_set)
    return Instance(one.sop_class, one.uid, one.transfer_syntax, size, data=one.data_set)


def test_eight_slow_stores_of_one_association_run_at_once(folder) -> None:
    """Each handler waits until eight of them run."""
    mine = instances.many(24)

    async def send(address: Address) -> list[int]:
        proposal = Proposal([(wire.CT, (wire.EXPLICIT,))], async_ops=(8, 1))
        assoc = await associate(address, proposal)
        assert assoc.window == 8
        stores = (assoc.c_store(instance_of(one)) for one in mine)
        answers = await asyncio.gather(*stores)
        await assoc.release()
        return [answer.status for answer in answers]

    with running(STORAGE_OFF) as gateway, UserWorker(folder, WINDOW, gateway.data) as worker:
        worker.wait_ready()
        assert asyncio.run(send(Address(*gateway.address))) == [0x0000] * len(mine)


SWAP = """
from gateway import Worker, evt

worker = Worker("swapped")


@worker.on(evt.EVT_C_STORE)
def store(event):
    return VERSION
"""
OLD, NEW = 0xB000, 0xB007


def test_new_code_takes_over_during_a_stream_of_stores(folder) -> None:
    statuses: list[int] = []
    enough, old_seen, new_seen = threading.Event(), threading.Event(), threading.Event()

    def stream(address) -> None:
        mine = instances.many(100)
        with association(address, mine[0].context()) as peer:
            number = 0
            while not enough.is_set():
                statuses.append(peer.store(mine[number % 100], number % 65536).status)
                (old_seen if statuses[-1] == OLD else new_seen).set()
                number += 1
            peer.release()

    (folder / "new").mkdir()
    with (
        running(STORAGE_OFF) as gateway,
        UserWorker(folder, f"VERSION = {OLD}\n{SWAP}", gateway.data) as old,
        ThreadPoolExecutor(3) as pool,
    ):
        old.wait_ready()
        try:
            streams = [pool.submit(stream, gateway.address) for _ in range(3)]
            assert old_seen.wait(WALL)
            with UserWorker(folder / "new", f"VERSION = {NEW}\n{SWAP}", gateway.data) as new:
                assert new_seen.wait(WALL)
                assert old.wait() == EXIT_SUPERSEDED, "the old one leaves by itself"
                enough.set()
                for one in streams:
                    one.result(WALL)
                new.terminate()
                assert new.wait() == 0
        finally:
            enough.set()
    assert set(statuses) == {OLD, NEW}, "none fails"
    assert statuses[-1] == NEW


AUTH = """
import os

from gateway import Worker, evt

worker = Worker("auth")


@worker.on(evt.EVT_ASSOCIATE, deadline=DEADLINE)
def admit(event):
    return verdict(event, "ADMITTED", True)


@worker.on(evt.EVT_USER_ID, deadline=DEADLINE)
def identify(event):
    return verdict(event, "IDENTIFIED", (True, None))


def verdict(event, stays, yes):
    print(event.name, os.getpid(), flush=True)
    if event.assoc.requestor.ae_title == stays:
        event.cancellation.wait(600)
    return yes
"""


@pytest.mark.parametrize("title", ["ADMITTED", "IDENTIFIED"])
def test_killed_while_it_thinks_about_a_peer(folder, title: str) -> None:
    source = AUTH.replace("DEADLINE", "600")
    event = "EVT_ASSOCIATE" if title == "ADMITTED" else "EVT_USER_ID"
    with (
        running(STORAGE_OFF) as gateway,
        UserWorker(folder, source, gateway.data) as worker,
        ThreadPoolExecutor(1) as pool,
    ):
        worker.wait_ready()
        asked = pool.submit(Asked, gateway, title, identity())
        pid = int(worker.out.wait_for(rf"^{event} (\d+)$")[1])
        os.kill(pid, signal.SIGKILL)
        assert asked.result(WALL).rejected == (2, 3, 1)
        assert Asked(gateway, "FRIEND", identity()).rejected is None, "the restarted one answers"


IDENTITY = wire.user_information(
    wire.maximum_length(16384), wire.implementation(), wire.user_identity(2, b"me", b"it")
)
REQUESTS = {
    "with an identity": wire.associate_rq(user=IDENTITY),
    "without one": wire.associate_rq(),
}


def answer(address, request: bytes) -> bytes:
    with RawPeer(address) as peer:
        peer.send(request)
        return peer.recv_pdu()


def kill_for_good(worker: UserWorker) -> None:
    """Kill the worker's process while its launcher is stopped, so that it is not restarted."""
    os.kill(worker.pid, signal.SIGSTOP)
    for pid in procfs.descendants(worker.pid):
        os.kill(pid, signal.SIGKILL)
    worker.kill_all()


@pytest.mark.parametrize("grace", [0.3, 30])
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_an_auth_worker_that_is_killed_lets_nobody_in(folder, request_, grace: float) -> None:
    """Associations are rejected while the lease is vacant, and afterwards too."""
    source = AUTH.replace("DEADLINE", str(0.5 * PATIENCE))
    config = f"{STORAGE_OFF}[fabric]\nlease_grace = {grace}\n"
    with running(config) as gateway, UserWorker(folder, source, gateway.data) as worker:
        assert answer(gateway.address, request_)[:1] == b"\x02", "nobody has ever registered"
        worker.wait_ready()
        assert answer(gateway.address, request_)[:1] == b"\x02"
        kill_for_good(worker)
        for _ in range(4):  # while the lease is vacant, each waits until its deadline
            assert answer(gateway.address, request_) == wire.associate_rj(2, 3, 1)
        with UserWorker(folder, source, gateway.data) as again:
            again.wait_ready()
            assert answer(gateway.address, request_)[:1] == b"\x02"
            again.terminate()
            assert again.wait() == 0
        assert answer(gateway.address, request_)[:1] == b"\x02", "the worker has left in order"


BAD = {
    "raises": "raise RuntimeError('no')",
    "hangs": "event.cancellation.wait(600)",
    "sleeps": "__import__('time').sleep(600)",
    "nonsense": "return object()",
    "too much": "return {n: 'x' * 1000 for n in range(20_000)}",
    "spins": "[None for _ in range(10**8)]",
    "leaves": "raise SystemExit(3)",
    "exits": "__import__('os')._exit(3)",
}
SERVICES = ["STORE", "FIND", "GET", "MOVE", "N_ACTION", "N_CREATE", "N_GET", "N_SET"]
BAD_WORKER = """
from gateway import Worker, evt

worker = Worker("bad-{number}")


@worker.on(evt.EVT_{event}, deadline={deadline})
def handle(event):
    print("asked", flush=True)
    {body}
"""


def test_eight_bad_workers_and_a_quick_echo(folder) -> None:
    """Eight workers fail, each in its own way, while C-ECHOs on another association succeed."""
    echoed, done = [], threading.Event()
    beside: dict[str, int] = {}
    """Echoes that were answered while a request was in hand."""

    def echoes(address) -> None:
        with RawPeer(address) as peer:
            peer.associate(wire.context(1))
            while not done.is_set():
                assert peer.echo(len(echoed) % 65536).status == 0x0000
                echoed.append(None)
            peer.release()

    def ask(address, kind: str) -> int:
        with scu(address, "PATIENT") as peer:
            before = len(echoed)
            status = peer.ask(kind)[-1].status
            beside[kind] = len(echoed) - before
            return status

    with running(STORAGE_OFF) as gateway, ThreadPoolExecutor(9) as pool:
        workers = []
        try:
            for number, (kind, body) in enumerate(zip(SERVICES, BAD.values(), strict=True)):
                event = kind if kind.startswith("N_") else f"C_{kind}"
                source = BAD_WORKER.format(
                    number=number, event=event, body=body, deadline=1.0 * PATIENCE
                )
                name = f"bad{number}"
                workers.append(UserWorker(folder, dedent(source), gateway.data, name=name))
            for worker in workers:
                worker.wait_ready()
            echoing = pool.submit(echoes, gateway.address)
            asked = {kind: pool.submit(ask, gateway.address, kind) for kind in SERVICES}
            statuses = {kind: future.result(WALL) for kind, future in asked.items()}
            done.set()
            echoing.result(WALL)
        finally:
            done.set()
            for worker in workers:
                worker.kill_all()
    assert 0x0000 not in statuses.values(), statuses
    hangs, sleeps = SERVICES[1], SERVICES[2]
    assert beside[hangs] > 10
    assert beside[sleeps] > 10
