"""kill -9 of each process under load: no acknowledged instance is lost, and it is restarted."""

from __future__ import annotations

import os
import signal
import socket
import threading

import pytest

from tests.accountant import Accountant, read_archive
from tests.conftest import running
from tests.patience import WALL
from tests.peers import instances, procfs, sender, wire
from tests.peers.process import Gateway
from tests.peers.raw import RawPeer, echo_ok

pytestmark = pytest.mark.timeout(300)

ASSOCIATIONS = 4
AFTER_READY = 40
"""Answers after a kill that show the new storage worker to be ready."""


class Progress(Accountant):
    """An accountant with a condition to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self._answered = threading.Condition()
        self.answers = 0

    def told(self, uid: str, status: int) -> None:
        super().told(uid, status)
        with self._answered:
            self.answers += 1
            self._answered.notify_all()

    def report_state(self) -> str:
        failed = [a.statuses for a in self.accounts.values() if a.statuses and not a.acknowledged]
        return f"{self.answers} answers, {len(self.acknowledged)} successes, failures {failed[:5]}"

    def wait_for(self, answers: int) -> bool:
        with self._answered:
            return self._answered.wait_for(lambda: self.answers >= answers, WALL)


def send(gateway: Gateway, mine: list[instances.Instance], books: Accountant):
    return sender.in_parallel(
        ASSOCIATIONS, mine, lambda share: sender.store_all(gateway.address, share, listener=books)
    )


class Background(threading.Thread):
    """The senders, in a thread beside the test."""

    def __init__(self, gateway: Gateway, mine: list[instances.Instance], books: Accountant):
        super().__init__(daemon=True)
        self._work = (gateway, mine, books)
        self.outcomes: list[sender.Outcome] = []
        self.start()

    def run(self) -> None:
        self.outcomes = send(*self._work)

    def finish(self) -> list[sender.Outcome]:
        self.join(2 * WALL)
        assert not self.is_alive(), "the senders still wait for answers"
        return self.outcomes


@pytest.mark.slow
@pytest.mark.parametrize("size", [2048, 150_000], ids=["inline", "spooled"])
def test_storage_worker_is_killed_again_and_again(start_gateway, size: int) -> None:
    gateway = start_gateway()
    mine = instances.many(500, size=size)
    books = Progress()
    senders = Background(gateway, mine, books)
    victim, killed = gateway.child("storage-0"), 0
    while books.answers + AFTER_READY < len(mine) - ASSOCIATIONS:
        # These answers come from the process that is killed next, so it was ready.
        assert books.wait_for(books.answers + AFTER_READY), books.report_state()
        os.kill(victim, signal.SIGKILL)
        killed += 1
        victim = gateway.wait_child("storage-0", other_than=victim)
    outcomes = senders.finish()
    assert killed >= 5, f"only {killed} kills while the instances went in"
    assert [o.errors for o in outcomes] == [[]] * ASSOCIATIONS
    assert {uid: s for o in outcomes for uid, s in o.failed.items()} == {}
    assert len(books.acknowledged) == len(mine)
    assert books.duplicates(gateway.archive) == {}
    assert len(read_archive(gateway.archive)[0]) == len(mine)
    books.check(gateway.archive, spool=gateway.spool)
    assert echo_ok(gateway.address)


def wait_echo(address) -> None:
    """Wait until a C-ECHO succeeds; the acceptor may still be starting."""

    def attempt() -> bool:
        try:
            return echo_ok(address)
        except (OSError, AssertionError, TypeError, ValueError):
            return False

    procfs.until(attempt, what="a C-ECHO after the kill")


@pytest.mark.slow
def test_acceptor_is_killed_in_mid_transfer(start_gateway) -> None:
    gateway = start_gateway()
    books = Progress()
    mine = instances.many(400, size=60_000)
    senders = Background(gateway, mine, books)
    half = instances.make(size=400_000)
    with RawPeer(gateway.address) as cut:
        cut.associate(half.context())
        books.sending(half)
        message = wire.message(1, wire.store_rq(half.uid), half.data_set)
        cut.send(message[: len(message) // 2])
        assert books.wait_for(50)
        victim = gateway.child("acceptor-0")
        os.kill(victim, signal.SIGKILL)
        wait_echo(gateway.address)
        assert len(cut.recv_all()) == 1, "the peer sees the close and nothing else"
    outcomes = senders.finish()
    assert any(o.errors for o in outcomes), "the kill hit nobody"
    books.check(gateway.archive)
    rest = [one for one in [*mine, half] if one.uid not in books.acknowledged]
    assert rest
    again = send(gateway, rest, books)
    assert [o.errors for o in again] == [[]] * ASSOCIATIONS
    assert books.acknowledged == {one.uid for one in [*mine, half]}
    books.check(gateway.archive, spool=gateway.spool)
    assert gateway.child("acceptor-0") != victim


@pytest.mark.parametrize("acceptors", [1, 2])
def test_sigterm_under_load_leaves_no_process(acceptors: int) -> None:
    with running("", ("--acceptors", str(acceptors))) as gateway:
        books = Progress()
        senders = Background(gateway, instances.many(2000, size=20_000), books)
        assert books.wait_for(50)
        family = gateway.children()
        assert len(family) >= acceptors + 1
        assert gateway.stop() == 0
        assert procfs.wait_gone(family) == set()
        senders.finish()
        assert 50 <= len(books.acknowledged) <= 2000
        books.check(gateway.archive)


def test_interrupt_leaves_no_process() -> None:
    with running() as gateway:
        family = gateway.children()
        os.kill(gateway.pid, signal.SIGINT)
        assert gateway.program.wait() == 0
        assert procfs.wait_gone(family) == set()


def test_kill_of_the_supervisor_takes_all_and_frees_the_port(folder) -> None:
    gateway = Gateway(folder)
    try:
        books = Progress()
        senders = Background(gateway, instances.many(2000), books)
        assert books.wait_for(20)
        family = gateway.children()
        os.kill(gateway.pid, signal.SIGKILL)
        assert procfs.wait_gone({gateway.pid, *family}) == set()

        def port_is_free() -> bool:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(gateway.address)
                    probe.listen()
                except OSError:
                    return False
            return True

        procfs.until(port_is_free, what="the port is free")
        senders.finish()
        books.check(gateway.archive)
    finally:
        gateway.close()
        gateway.program.kill_all()


def test_start_after_a_kill_needs_no_operator(folder) -> None:
    first = Gateway(folder)
    books = Progress()
    try:
        senders = Background(first, instances.many(1000, size=80_000), books)
        assert books.wait_for(40)
        os.kill(first.pid, signal.SIGKILL)
        assert procfs.wait_gone({first.pid, *first.family}) == set()
        senders.finish()
    finally:
        first.close()
        first.program.kill_all()
    second = Gateway(folder)
    try:
        assert echo_ok(second.address)
        books.check(second.archive, spool=second.spool)
        assert second.stop() == 0
    finally:
        second.close()
