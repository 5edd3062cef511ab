"""A full disk or a hung worker never leads to a false success."""

from __future__ import annotations

import os
import signal

from tests.accountant import Accountant, leftovers, read_archive
from tests.patience import PATIENCE, WALL
from tests.peers import instances, procfs, sender, wire
from tests.peers.disk import mounted
from tests.peers.process import Gateway
from tests.peers.raw import RawPeer, association, echo_ok
from tests.peers.workers import STORAGE_OFF, UserWorker

SLOW = """
import threading

from gateway import Worker, evt

worker = Worker("slow")
never = threading.Event()


@worker.on(evt.EVT_C_STORE, deadline=0.5)
def store(event):
    never.wait(600)
    return 0x0000
"""


def test_too_little_free_space_is_decided_at_the_command_set(start_gateway) -> None:
    gateway = start_gateway(f"[spool]\nmin_free = {1 << 40}\n")
    books = Accountant()
    mine = instances.many(3) + instances.many(2, size=300_000)
    outcome = sender.store_all(gateway.address, mine, listener=books)
    assert outcome.errors == []
    assert set(map(tuple, outcome.statuses.values())) == {(0xA700,)}
    for one in mine:
        books.must_fail(one.uid, "the spool is full")
    books.check(gateway.archive, spool=gateway.spool)
    assert read_archive(gateway.archive) == ([], [])
    assert echo_ok(gateway.address)


def test_disk_full_in_the_middle(folder) -> None:
    """The C-STORE fails with A700, its `.part` is removed, and small instances are stored."""
    with mounted(folder / "data", size="6m"):
        gateway = Gateway(folder, config="[spool]\nmin_free = 0\nrefuse_below = 0\n")
        try:
            books = Accountant()
            small, big, after = instances.many(3), instances.make(size=9 << 20), instances.many(3)
            outcome = sender.store_all(gateway.address, [*small, big, *after], listener=books)
            assert outcome.errors == []
            assert outcome.failed == {big.uid: [0xA700]}
            books.must_fail(big.uid, "the disk was full")
            books.check(gateway.archive, spool=gateway.spool)
            assert echo_ok(gateway.address)
            assert gateway.stop() == 0
        finally:
            gateway.close()
            gateway.program.kill_all()


def test_handler_that_never_returns_is_out_of_resources_at_its_deadline(
    start_gateway, folder
) -> None:
    gateway = start_gateway(STORAGE_OFF)
    one = instances.make()
    with UserWorker(folder, SLOW, gateway.data, name="slow") as worker:
        worker.wait_ready()
        with association(gateway.address, one.context(), wire.context(3)) as peer:
            assert peer.store(one).status == 0xA700
            assert peer.echo(2, context_id=3).status == 0
            peer.release()
    procfs.until(lambda: not list(leftovers(gateway.spool)), what="an empty spool")


def test_stopped_storage_worker_comes_back(start_gateway) -> None:
    """A worker stopped for longer than its lease loses no request and answers none twice."""
    gateway = start_gateway(f"[fabric]\nheartbeat = {0.2 * PATIENCE}\nlease_grace = {WALL}\n")
    books = Accountant()
    victim = gateway.child("storage-0")
    first, second = instances.many(4), instances.many(20)
    assert sender.store_all(gateway.address, first, listener=books).failed == {}
    os.kill(victim, signal.SIGSTOP)
    with association(gateway.address, second[0].context()) as peer:
        for number, one in enumerate(second[:10]):
            books.sending(one)
            peer.send(wire.message(1, wire.store_rq(one.uid, number), one.data_set))
        gateway.program.err.wait_for("EVT_WORKER_LOST")
        assert echo_ok(gateway.address)
        os.kill(victim, signal.SIGCONT)
        peer.sock.settimeout(WALL)
        for _ in range(10):
            response = peer.recv_response()
            books.told(second[response.message_id].uid, response.status)
        peer.release()
    assert {second[n].uid for n in range(10)} <= books.acknowledged
    procfs.until(
        lambda: sender.store_all(gateway.address, instances.many(1)).failed == {},
        what="a storage worker that answers again",
    )
    assert books.duplicates(gateway.archive) == {}


def test_associations_to_store_are_refused_while_the_disk_is_nearly_full(folder) -> None:
    """They are rejected with (2,3,2) until there is space again; reading goes on."""
    with mounted(folder / "data", size="12m"):
        ballast = folder / "data" / "ballast"
        config = f"[spool]\nmin_free = {1 << 20}\nrefuse_below = {6 << 20}\n"
        gateway = Gateway(folder, config=config)
        try:
            assert echo_ok(gateway.address)
            ballast.write_bytes(bytes(8 << 20))
            refusal = wire.associate_rj(2, 3, 2)
            procfs.until(lambda: asked(gateway) == refusal, what="a refusal")
            assert asked(gateway) == refusal
            gateway.program.err.wait_for("associations that only store are refused: ")
            assert gateway.program.err.text.count("associations that only store are refused: ") == 1
            assert echo_ok(gateway.address)
            ballast.unlink()
            procfs.until(lambda: asked(gateway)[:1] == b"\x02", what="an association")
            outcome = sender.store_all(gateway.address, instances.many(3))
            assert (outcome.errors, outcome.failed) == ([], {})
            assert gateway.stop() == 0
        finally:
            gateway.close()
            gateway.program.kill_all()


def asked(gateway: Gateway) -> bytes:
    """Return the answer to an A-ASSOCIATE-RQ that proposes to store."""
    with RawPeer(gateway.address) as peer:
        peer.send(wire.associate_rq(wire.context(1, wire.CT)))
        return peer.recv_pdu()
