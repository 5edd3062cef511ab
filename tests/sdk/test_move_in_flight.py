"""C-MOVE with several sub-operations on their way at once."""

import threading
from contextlib import contextmanager

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEGBaseline8Bit, MRImageStorage

from tests.peers import wire
from tests.requestor.scripted import one_at_a_time, scripted
from tests.sdk.test_move import WAIT, Mover, _jpeg, failed_list, image, scp

ASYNC_OPERATIONS = 0x53


@pytest.fixture
def mover():
    made = Mover()
    yield made
    made.close()


@contextmanager
def destination(*scripts, **options):
    """The values of a handler for a destination that follows a script."""
    with scripted(*scripts) as address:
        yield (*address, options)


def pairs(*numbers):
    return [(0xFF00, image(number)) for number in numbers]


def window_of(acceptor):
    return next((body for kind, body in acceptor.user if kind == ASYNC_OPERATIONS), None)


def test_as_many_as_the_destination_agrees_to_answered_in_any_order(mover):
    proposed = []

    def script(acceptor):
        acceptor.accept(wire.async_window(3, 1))
        proposed.append(window_of(acceptor))
        one, two, three = (acceptor.message() for _ in range(3))
        assert [m.instance for m in (one, two, three)] == ["1.2.3.1", "1.2.3.2", "1.2.3.3"]
        acceptor.respond(three, 0x0000)
        four = acceptor.message()
        acceptor.respond(one, 0xB000)
        five = acceptor.message()
        for message in (five, two, four):
            acceptor.respond(message, 0x0000)
        acceptor.release()

    with destination(script) as there:
        told = mover.move(there, 5, *pairs(1, 2, 3, 4, 5))
    assert proposed == [wire.item(0x53, wire.async_window(8, 1)[4:])[4:]]
    what, counters, final = told[-1]
    assert (what, counters) == (0xB000, [4, 0, 1, None])
    assert final.data is None
    pending = [counters for what, counters, _ in told if what == 0xFF00]
    assert pending[0] == [1, 0, 0, 4]
    assert all(sum(counters) == 5 for counters in pending)


def test_the_failed_list_keeps_the_order_of_the_handler(mover):
    def script(acceptor):
        acceptor.accept(wire.async_window(4, 1))
        messages = [acceptor.message() for _ in range(4)]
        for message in reversed(messages):
            acceptor.respond(message, 0x0000 if message is messages[1] else 0xA700)
        acceptor.release()

    with destination(script, operations=4) as there:
        what, counters, final = mover.move(there, 5, *pairs(1, 2), (0xFF00, None), *pairs(3, 4))[-1]
    assert (what, counters) == (0xB000, [1, 4, 0, None])
    assert failed_list(final) == ["1.2.3.1", "1.2.3.3", "1.2.3.4"]


def test_a_destination_that_agrees_to_none_gets_one_at_a_time(mover):
    script = one_at_a_time("1.2.3.1", "1.2.3.2", "1.2.3.3")
    with destination(script) as there:
        told = mover.move(there, 3, *pairs(1, 2, 3))
    assert [counters for _, counters, _ in told[1:]] == [
        [1, 0, 0, 2],
        [2, 0, 0, 1],
        [3, 0, 0, 0],
        [3, 0, 0, None],
    ]


def test_one_operation_is_not_negotiated(mover):
    proposed = []

    def script(acceptor):
        acceptor.accept()
        proposed.append(window_of(acceptor))
        acceptor.respond(acceptor.message(), 0x0000)
        acceptor.release()

    with destination(script, operations=1) as there:
        assert mover.move(there, 1, *pairs(1))[-1][0] == 0x0000
    assert proposed == [None]


def test_what_was_on_its_way_when_the_destination_was_lost_has_failed(mover):
    def lost(acceptor):
        acceptor.accept(wire.async_window(3, 1))
        first = acceptor.message()
        acceptor.message()
        acceptor.message()
        acceptor.respond(first, 0x0000)
        acceptor.message()

    def found(acceptor):
        acceptor.accept(wire.async_window(3, 1))
        acceptor.respond(acceptor.message(), 0x0000)
        acceptor.release()

    with destination(lost, found) as there:
        what, counters, final = mover.move(there, 5, *pairs(1, 2, 3, 4, 5))[-1]
    assert (what, counters) == (0xB000, [2, 3, 0, None])
    assert failed_list(final) == ["1.2.3.2", "1.2.3.3", "1.2.3.4"]


def begin_and_wait(mover, there, number, sent):
    """Yields two, and then a third once it was cancelled."""
    closed = threading.Event()

    def handle(event):
        try:
            yield there
            yield number
            yield from pairs(1, 2)
            sent.set()
            assert event.cancellation.wait(WAIT)
            yield from pairs(3)
        finally:
            closed.set()

    mover.begin(handle)
    return closed


def test_a_cancel_waits_for_what_is_on_its_way_and_sends_no_more(mover):
    sent, cancelled = threading.Event(), threading.Event()

    def script(acceptor):
        acceptor.accept(wire.async_window(8, 1))
        messages = [acceptor.message() for _ in range(2)]
        assert cancelled.wait(WAIT)
        acceptor.respond(messages[1], 0x0000)
        acceptor.respond(messages[0], 0xA700)
        acceptor.release()

    with destination(script) as there:
        begin_and_wait(mover, there, 5, sent)
        assert mover.next()[0] == 5
        assert sent.wait(WAIT)
        mover.executor.cancel("t", unwanted=False)
        cancelled.set()
        what, counters, final = mover.next()
    assert (what, counters) == (0xFE00, [1, 1, 0, 3])
    assert failed_list(final) == "1.2.3.1"


def test_nobody_awaits_it_any_more(mover):
    sent = threading.Event()

    def script(acceptor):
        acceptor.accept(wire.async_window(8, 1))
        for _ in range(2):
            acceptor.message()
        assert acceptor.peer.recv_pdu() == wire.abort()

    with destination(script) as there:
        closed = begin_and_wait(mover, there, 5, sent)
        assert sent.wait(WAIT)
        mover.executor.cancel("t", unwanted=True)
        assert closed.wait(WAIT)


def test_an_association_is_only_replaced_once_all_is_answered(mover, tmp_path):
    path = tmp_path / "mr.dcm"
    path.write_bytes(_jpeg(image(3, MRImageStorage)))

    def first(acceptor):
        acceptor.accept(wire.async_window(8, 1))
        messages = [acceptor.message() for _ in range(2)]
        acceptor.peer.sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            acceptor.peer.recv_pdu()
        acceptor.peer.sock.settimeout(WAIT)
        for message in messages:
            acceptor.respond(message, 0x0000)
        acceptor.release()

    def second(acceptor):
        acceptor.accept(wire.async_window(8, 1))
        assert (MRImageStorage, [JPEGBaseline8Bit]) in [p[1:] for p in acceptor.proposed]
        for _ in range(2):
            acceptor.respond(acceptor.message(), 0x0000)
        acceptor.release()

    with destination(first, second) as there:
        told = mover.move(there, 4, *pairs(1, 2), (0xFF00, path), *pairs(4))
    assert told[-1][:2] == (0x0000, [4, 0, 0, None])


def test_several_associations_at_once(mover):
    together = threading.Barrier(3)

    def answer(event):
        together.wait(WAIT)
        return 0x0000

    with scp(answer=answer) as them:
        told = mover.move((*them.address, {"associations": 3}), 6, *pairs(*range(1, 7)))
        assert told[-1][:2] == (0x0000, [6, 0, 0, None])
        assert len(them.titles) == 3
        assert sorted(uid for uid, *_ in them.stored) == [f"1.2.3.{n}" for n in range(1, 7)]
        assert [them.ended.get(timeout=WAIT) for _ in range(3)] == ["released"] * 3


def test_a_destination_that_takes_fewer_associations(mover):
    arrived, rejected = threading.Event(), threading.Event()

    def answer(event):
        if not arrived.is_set():
            arrived.set()
            assert rejected.wait(WAIT)
        return 0x0000

    with scp(answer=answer) as them:
        them._ae.maximum_associations = 1
        them.rejected = rejected.set
        told = mover.move((*them.address, {"associations": 4}), 4, *pairs(1, 2, 3, 4))
        assert told[-1][:2] == (0x0000, [4, 0, 0, None])
        assert len(them.titles) == 1


def test_an_association_that_is_lost_leaves_its_work_to_the_others(mover):
    together = threading.Barrier(2)

    def answer(event):
        number = int(event.request.AffectedSOPInstanceUID.rpartition(".")[2])
        if number <= 2:
            together.wait(WAIT)
        if number == 1:
            event.assoc.abort()
        return 0x0000

    contexts = [(CTImageStorage, [ExplicitVRLittleEndian])]
    with scp(answer=answer, contexts=contexts) as them:
        there = (*them.address, {"associations": 2})
        what, counters, final = mover.move(there, 5, *pairs(1, 2, 3, 4, 5))[-1]
    assert (what, counters) == (0xB000, [4, 1, 0, None])
    assert failed_list(final) == "1.2.3.1"


@pytest.mark.parametrize(
    "options", [{"associations": 0}, {"operations": -1}, {"operations": "8"}, {"operations": None}]
)
def test_options_that_make_no_sense(mover, options):
    told = mover.move(("127.0.0.1", 104, options), 1, *pairs(1))
    assert told[-1][0] == "destination"
