"""C-MOVE with lists of instances: sent in order, and counted as they are answered."""

import asyncio
import os
import threading
from dataclasses import replace

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from gateway.datasets.conversion import encoded_instance
from gateway.fabric import Answer
from gateway.sdk.move import store_queue
from gateway.sdk.move.progress import EACH, Progress
from tests.peers import wire
from tests.peers.scp import free_port
from tests.requestor.scripted import one_at_a_time
from tests.sdk.test_move import WAIT, Mover, failed_list, image, scp
from tests.sdk.test_move_in_flight import destination


@pytest.fixture
def mover():
    made = Mover()
    yield made
    made.close()


def some(*numbers):
    return [encoded_instance(image(number), ExplicitVRLittleEndian) for number in numbers]


def uids(*numbers):
    return [f"1.2.3.{number}" for number in numbers]


def pending(told):
    return [counters for what, counters, _ in told if what == 0xFF00]


def test_lists_are_sent_in_order_and_each_instance_is_told_of(mover):
    with scp() as them:
        lists = [(0xFF00, some(1)), (0xFF00, some(2, 3, 4)), (0xFF00, []), (0xFF00, some(5))]
        told = mover.move(them.address, 5, *lists)
        assert told[-1][:2] == (0x0000, [5, 0, 0, None])
        assert [uid for uid, _, _ in them.stored] == uids(1, 2, 3, 4, 5)
        assert {origin for _, _, origin in them.stored} == {("MODALITY", 9)}
    assert pending(told) == [[n, 0, 0, 5 - n] for n in range(1, 6)]


@pytest.mark.parametrize("is_cached", [True, False])
def test_files_are_sent_whether_they_are_cached_or_not(mover, tmp_path, monkeypatch, is_cached):
    """One that is gone fails alone."""

    def preadv(*_):
        raise BlockingIOError(11, "not cached")

    def in_file(one, number):
        path = tmp_path / str(number)
        path.write_bytes(b"head" + one.data)
        return replace(one, data=None, path=str(path), offset=4)

    if not is_cached:
        monkeypatch.setattr(os, "preadv", preadv)
    files = [in_file(one, number) for number, one in enumerate(some(*range(40)))]
    os.unlink(files[7].path)
    with scp() as them:
        told = mover.move(them.address, 40, (0xFF00, files[:20]), (0xFF00, files[20:]))
        what, counters, final = told[-1]
        assert (what, counters) == (0xB000, [39, 1, 0, None])
        assert [uid for uid, _, _ in them.stored] == uids(*range(7), *range(8, 40))
    assert failed_list(final) == "1.2.3.7"


def test_one_at_a_time_where_no_window_was_agreed_to(mover):
    script = one_at_a_time(*uids(1, 2, 3))
    with destination(script) as there:
        assert mover.move(there, 3, (0xFF00, some(1, 2, 3)))[-1][1] == [3, 0, 0, None]


def test_as_many_as_the_window_and_the_failed_list_in_order(mover):
    def script(acceptor):
        acceptor.accept(wire.async_window(3, 1))
        first = [acceptor.message() for _ in range(3)]
        assert [message.instance for message in first] == uids(1, 2, 3)
        for message in reversed(first):
            acceptor.respond(message, 0xA700)
        acceptor.respond(acceptor.message(), 0xB000)
        acceptor.release()

    with destination(script) as there:
        what, counters, final = mover.move(there, 4, (0xFF00, some(1, 2, 3, 4)))[-1]
    assert (what, counters) == (0xB000, [0, 3, 1, None])
    assert failed_list(final) == uids(1, 2, 3)


def test_progress_is_told_while_the_handler_does_something_else(mover):
    told_of = threading.Event()

    def handle(event):
        yield them.address
        yield 3
        yield 0xFF00, some(1, 2)
        assert told_of.wait(WAIT)
        yield 0xFF00, some(3)

    with scp() as them:
        mover.begin(handle)
        assert mover.next()[0] == 3
        assert [mover.next()[1] for _ in range(2)] == [[1, 0, 0, 2], [2, 0, 0, 1]]
        told_of.set()
        assert mover.rest()[-1][:2] == (0x0000, [3, 0, 0, None])


def test_a_cancel_stops_between_two_instances(mover):
    def script(acceptor):
        acceptor.accept()
        message = acceptor.message()
        mover.executor.cancel("t", unwanted=False)
        acceptor.respond(message, 0x0000)
        acceptor.release()

    with destination(script) as there:
        what, counters, _ = mover.move(there, 5, (0xFF00, some(1, 2, 3)), (0xFF00, some(4, 5)))[-1]
    assert (what, counters) == (0xFE00, [1, 0, 0, 4])


def test_only_what_was_on_its_way_fails_with_an_association(mover):
    def lost(acceptor):
        acceptor.accept()
        acceptor.respond(acceptor.message(), 0x0000)
        acceptor.message()

    def found(acceptor):
        acceptor.accept()
        for number in (3, 4):
            message = acceptor.message()
            assert message.instance == f"1.2.3.{number}"
            acceptor.respond(message, 0x0000)
        acceptor.release()

    with destination(lost, found) as there:
        what, counters, final = mover.move(there, 4, (0xFF00, some(1, 2, 3, 4)))[-1]
    assert (what, counters) == (0xB000, [3, 1, 0, None])
    assert failed_list(final) == "1.2.3.2"


def test_all_fail_where_nobody_listens(mover):
    lists = (0xFF00, some(1, 2)), (0xFF00, some(3))
    what, counters, final = mover.move(("127.0.0.1", free_port()), 3, *lists)[-1]
    assert (what, counters) == (0xA801, [0, 3, 0, None])
    assert failed_list(final) == uids(1, 2, 3)


def test_what_has_to_be_converted_is_sent_in_its_turn(mover):
    with scp(contexts=[(CTImageStorage, [ImplicitVRLittleEndian])]) as them:
        values = [*some(1, 2), image(3), *some(4), None]
        what, counters, _ = mover.move(them.address, 5, (0xFF00, values))[-1]
        assert (what, counters) == (0xB000, [4, 1, 0, None])
        assert sorted(uid for uid, _, _ in them.stored) == uids(1, 2, 3, 4)
        assert {syntax for _, syntax, _ in them.stored} == {ImplicitVRLittleEndian}


def test_several_associations_share_a_list(mover):
    with scp() as them:
        lists = (0xFF00, some(*range(9))), (0xFF00, some(*range(9, 12)))
        told = mover.move((*them.address, {"associations": 3}), 12, *lists)
        assert told[-1][:2] == (0x0000, [12, 0, 0, None])
        assert sorted(uid for uid, _, _ in them.stored) == sorted(uids(*range(12)))
        assert 1 < len(them.titles) <= 3
    completed = [counters[0] for counters in pending(told)]
    assert completed == sorted(completed)


def test_few_bytes_are_in_memory_however_long_the_list(mover, monkeypatch):
    monkeypatch.setattr(store_queue, "MOST_BYTES", 1)
    most = 0
    put = store_queue.StoreQueue.put

    def watched(queue, store):
        nonlocal most
        put(queue, store)
        most = max(most, len(queue))

    monkeypatch.setattr(store_queue.StoreQueue, "put", watched)
    with scp() as them:
        told = mover.move(them.address, 40, (0xFF00, some(*range(1, 41))))
        assert told[-1][:2] == (0x0000, [40, 0, 0, None])
        assert [uid for uid, _, _ in them.stored] == uids(*range(1, 41))
    assert most == 1


class Counters:
    """What is told: the number of instances that were counted."""

    def __init__(self, credit: int) -> None:
        self.credit = credit
        self.counted = 0
        self.given: list[int] = []
        self.progress = Progress(self.offer, self.current)

    def current(self) -> Answer:
        return Answer({"n": self.counted}, final=False)

    def offer(self, held: list[Answer]) -> int:
        self.given += [answer.payload["n"] for answer in held[: self.credit]]
        return min(self.credit, len(held))

    def count(self) -> None:
        self.counted += 1
        self.progress.tell()


def test_counters_that_find_no_credit_give_way_to_later_ones():
    counters = Counters(1)
    counters.count()
    counters.count()
    counters.credit = 0
    counters.count()
    counters.count()
    counters.credit = 16
    counters.progress.close()
    counters.count()
    assert counters.given == [1, 2, 4], "and nothing once it is closed"


def test_the_first_are_told_each_and_later_ones_of_a_moment_together():
    async def count() -> None:
        for _ in range(EACH + 50):
            counters.count()
        assert counters.given == []
        counters.progress.flush()

    counters = Counters(1000)
    asyncio.run(count())
    assert counters.given == [*range(1, EACH + 1), EACH + 50]
