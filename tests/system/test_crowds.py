"""Very many peers and watchers, up to the limits of the process: established peers are served."""

from __future__ import annotations

import os
import resource
import signal
import threading
from contextlib import contextmanager

import pytest
import zmq

from tests.conftest import running
from tests.patience import WALL
from tests.peers import instances, procfs, wire
from tests.peers.raw import RawPeer, association, echo_ok, echoes
from tests.peers.workers import STORAGE_OFF, WATCH, UserWorker


@contextmanager
def many_descriptors():
    """Raise the limit of descriptors of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_1100_associations_at_once() -> None:
    """Descriptors above 1,024 work like others, and max_associations is exact."""
    count = 1100
    config = f"[association]\nmax_associations = {count}\n"
    with many_descriptors(), running(config) as gateway:
        peers = []
        try:
            for _ in range(count):
                peers.append(RawPeer(gateway.address))
                peers[-1].associate(wire.context(1))
            with RawPeer(gateway.address) as one_more:
                one_more.send(wire.associate_rq(wire.context(1)))
                assert one_more.recv_pdu() == wire.associate_rj(2, 3, 2)
            for peer in (peers[0], peers[count // 2], peers[-1]):
                assert peer.echo().status == 0
            peers[0].release()
            procfs.until(lambda: echoes(gateway.address), what="the place that is free")
        finally:
            for peer in peers:
                peer.close()


def test_2000_silent_connections_move_nobody() -> None:
    with many_descriptors(), running("[association]\nmax_pending = 1000\n") as gateway:
        silent = []
        with association(gateway.address, wire.context(1)) as healthy:
            try:
                for number in range(2000):
                    silent.append(RawPeer(gateway.address))
                    if number % 100 == 0:
                        assert healthy.echo().status == 0
                        assert echo_ok(gateway.address)
            finally:
                for peer in silent:
                    peer.close()


SHORT = "no connections can be accepted, new ones have to wait: Too many open files"


def test_descriptors_used_up(start_gateway) -> None:
    """Open associations are served; the accept loop stops and logs one line."""
    gateway = start_gateway("[association]\nartim_timeout = 6000.0\n")
    acceptor = gateway.child("acceptor-0")
    small, big = instances.many(2), instances.many(2, size=100_000)
    with association(gateway.address, small[0].context(), wire.context(3)) as healthy:
        assert healthy.store(small[0], 1).status == 0x0000
        assert healthy.store(big[0], 2).status == 0x0000
        soft, hard = resource.prlimit(acceptor, resource.RLIMIT_NOFILE)
        most = max(procfs.descriptors(acceptor)) + 20
        resource.prlimit(acceptor, resource.RLIMIT_NOFILE, (most, hard))
        silent = [RawPeer(gateway.address) for _ in range(60)]
        try:
            gateway.program.err.wait_for(SHORT)
            for _ in range(500):
                assert healthy.echo(3, context_id=3).status == 0
            assert healthy.store(small[1], 4).status == 0x0000
            assert healthy.store(big[1], 5).status == 0xA700
        finally:
            for peer in silent:
                peer.close()
        procfs.until(lambda: echoes(gateway.address), what="new associations")
        assert healthy.store(big[1], 6).status == 0x0000
        gateway.program.err.wait_for("connections are accepted again")
        said = [line for line in gateway.program.err.lines if SHORT in line]
        assert len(said) == 1, "the accept loop spins"
        healthy.release()
    assert gateway.child("acceptor-0") == acceptor
    resource.prlimit(acceptor, resource.RLIMIT_NOFILE, (soft, hard))


def _spent(acceptor: int, peer: RawPeer, batch: list[instances.Instance]) -> float:
    """Return the CPU seconds of the acceptor for a C-STORE of each instance."""
    before = procfs.cpu_seconds(acceptor)
    for number, one in enumerate(batch):
        assert peer.store(one, number).status == 0x0000
    return procfs.cpu_seconds(acceptor) - before


@pytest.mark.slow
def test_watchers_that_sleep_cost_a_store_next_to_nothing(folder) -> None:
    """A hundred watchers never read, and the process of another one is stopped."""
    with running() as gateway, association(gateway.address, instances.make().context()) as peer:
        acceptor = gateway.child("acceptor-0")
        _spent(acceptor, peer, instances.many(50))
        before = _spent(acceptor, peer, instances.many(150))
        context = zmq.Context()
        watchers = []
        for _ in range(100):
            watcher = context.socket(zmq.SUB)
            watcher.setsockopt(zmq.LINGER, 0)
            watcher.setsockopt(zmq.RCVHWM, 1)
            watcher.connect(f"ipc://{gateway.data}/run/acceptor-0.events")
            watcher.subscribe(b"EVT_INSTANCE_STORED\0")
            assert watcher.poll(1000 * WALL), "the beacon that confirms a subscription"
            watchers.append(watcher)
        try:
            with UserWorker(folder, WATCH, gateway.data, name="watch") as still:
                still.wait_ready()
                for pid in procfs.descendants(still.pid):
                    os.kill(pid, signal.SIGSTOP)
                assert _spent(acceptor, peer, instances.many(150)) < 2 * before + 0.5
        finally:
            for watcher in watchers:
                watcher.close()
            context.term()


SLOW = """
import os
import threading

from gateway import Worker, evt

worker = Worker("slow", concurrency=4)


@worker.on(evt.EVT_C_STORE, deadline=600)
def store(event):
    while not os.path.exists("go"):
        threading.Event().wait(0.05)
    return 0x0000
"""


@pytest.mark.slow
def test_a_slow_worker_leaves_the_memory_flat(folder) -> None:
    """Ten peers send 12 MB each of small instances while the worker answers none of them."""
    count, each = 10, 200
    config = f"{STORAGE_OFF}[spool]\ninline_max = 65536\n"
    with running(config) as gateway, UserWorker(folder, SLOW, gateway.data, name="slow") as worker:
        worker.wait_ready()
        acceptor = gateway.child("acceptor-0")
        one = instances.make(size=60_000)
        stream = b"".join(
            wire.message(1, wire.store_rq(one.uid, n), one.data_set) for n in range(each)
        )
        peers = [RawPeer(gateway.address) for _ in range(count)]
        for peer in peers:
            peer.associate(one.context())
        before = procfs.memory(acceptor)
        senders = [threading.Thread(target=peer.send, args=(stream,)) for peer in peers]
        for sender in senders:
            sender.start()
        try:
            senders[0].join(1.5)
            assert senders[0].is_alive(), "reading went on although nothing was answered"
            grown = procfs.memory(acceptor) - before
            assert grown < count * 2e6 + 10e6, f"{grown / 1e6:.0f} MB"
            assert echo_ok(gateway.address)
        finally:
            (folder / "go").touch()
        for peer in peers:
            assert {peer.recv_response().status for _ in range(each)} == {0x0000}
            peer.close()
        for sender in senders:
            sender.join()
