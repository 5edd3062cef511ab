"""Batch handlers that yield: what runs at the same time, in which order, and what hangs."""

import threading

import pytest

from gateway import Worker, evt
from gateway.sdk import testing
from gateway.sdk.executor import Executor
from gateway.sdk.jobs import GRACE
from tests.sdk.batch_requests import bind, statuses, submit, submit_all, told
from tests.sdk.conftest import WAIT, dimse_event


@pytest.fixture
def concurrency():
    return 8


class TwoParts:
    """A batch handler in two parts, each of which waits for a gate; call N answers 0xB000 + N."""

    def __init__(self, calls=4):
        self.first = [threading.Event() for _ in range(calls)]
        self.second = [threading.Event() for _ in range(calls)]
        self.went_on = [threading.Event() for _ in range(calls)]
        self.began = threading.Semaphore(0)
        self.sizes = []
        self.order = []

    def open(self, *gates):
        for gate in gates:
            gate.set()

    def __call__(self, events):
        number = len(self.sizes)
        self.sizes.append(len(events))
        self.began.release()
        assert self.first[number].wait(WAIT)
        yield
        self.order.append(number)
        self.went_on[number].set()
        assert self.second[number].wait(WAIT)
        return [0xB000 + number] * len(events)


def test_the_next_call_begins_while_one_is_behind_its_yield(executor, acceptor):
    parts = TwoParts()
    bound = bind(parts)
    submit(executor, bound, "a")
    assert parts.began.acquire(timeout=WAIT)
    submit(executor, bound, *"bc")
    parts.open(parts.first[0])
    assert parts.began.acquire(timeout=WAIT), "the first one has not ended"
    submit(executor, bound, *"de")
    assert parts.sizes == [1, 2], "but no third one"
    parts.open(parts.first[1], parts.second[0])
    assert statuses(acceptor, 1) == {"a": 0xB000}
    assert parts.began.acquire(timeout=WAIT)
    parts.open(parts.second[1], parts.first[2], parts.second[2])
    assert statuses(acceptor, 4) == {**dict.fromkeys("bc", 0xB001), **dict.fromkeys("de", 0xB002)}
    assert parts.sizes == [1, 2, 2]
    assert executor.drain(WAIT)


def test_what_is_behind_the_yield_runs_in_the_order_of_the_calls(executor, acceptor):
    parts = TwoParts()
    bound = bind(parts)
    submit(executor, bound, "a")
    assert parts.began.acquire(timeout=WAIT)
    parts.open(parts.first[0], parts.first[1], parts.second[1])
    assert parts.went_on[0].wait(WAIT)
    submit(executor, bound, "b")
    assert parts.began.acquire(timeout=WAIT)
    assert parts.order == [0], "the second call is ready, and waits"
    parts.open(parts.second[0])
    assert [acceptor.next()[0] for _ in range(2)] == ["a", "b"]
    assert parts.order == [0, 1]


def test_a_worker_with_one_thread_does_one_call_after_the_other(acceptor, loop):
    executor = Executor(1, acceptor.send, loop=loop)
    executor.start()
    parts = TwoParts()
    parts.open(*parts.first, *parts.second)
    for token in "abc":
        submit(executor, bind(parts), token)
    assert told(acceptor, 3).keys() == set("abc")
    assert executor.drain(WAIT)
    executor.stop()


def test_one_that_returns_before_its_yield_is_an_ordinary_call(executor, acceptor):
    def handle(events):
        if events:
            return [0xB000] * len(events)
        yield

    submit_all(executor, bind(handle), *"abc")
    assert statuses(acceptor, 3) == dict.fromkeys("abc", 0xB000)
    submit(executor, bind(handle), "d")
    assert statuses(acceptor, 1) == {"d": 0xB000}


@pytest.mark.parametrize("at", [0, 1])
def test_raising_in_either_part_fails_all_and_the_next_call_goes_on(executor, acceptor, at: int):
    def fail(events):
        if at == 0:
            raise KeyError("x")
        yield
        raise KeyError("x")

    submit_all(executor, bind(fail), *"ab")
    assert [one.payload["error"] for one in told(acceptor, 2).values()] == ["KeyError: 'x'"] * 2
    parts = TwoParts()
    parts.open(*parts.first, *parts.second)
    submit(executor, bind(parts), "c")
    assert statuses(acceptor, 1) == {"c": 0xB000}


def test_yielding_twice_fails_all_and_closes_the_generator(executor, acceptor):
    closed = []

    def handle(events):
        try:
            yield
            yield
        finally:
            closed.append(len(events))

    submit_all(executor, bind(handle), *"ab")
    errors = {one.payload["error"] for one in told(acceptor, 2).values()}
    assert errors == {"TypeError: the handler of a batch yields once at most"}
    assert closed == [2]


def test_a_hung_call_behind_its_yield_can_be_given_up(executor, acceptor, clock):
    parts = TwoParts()
    bound = bind(parts, deadline=5)
    submit(executor, bound, "a")
    assert parts.began.acquire(timeout=WAIT)
    parts.open(parts.first[0], *parts.first[1:], *parts.second[1:])
    assert parts.went_on[0].wait(WAIT)
    clock.now += 4
    submit(executor, bound, "b")
    assert parts.began.acquire(timeout=WAIT)
    clock.now += 1
    assert executor.tick() is False
    clock.now += GRACE - 1
    submit(executor, bound, "c")
    clock.now += 1
    assert executor.tick() is True
    assert executor.give_up_hung() == 1
    replies = {token: one.payload for token, one in told(acceptor, 3).items()}
    assert {replies[token]["error"] for token in "ab"} == {"past its deadline"}
    assert replies["c"]["status"] == 0xB002
    parts.open(parts.second[0])
    assert acceptor.next()[0] == "a", "which nobody awaits any more"
    assert executor.drain(WAIT)


def test_one_that_waits_for_its_turn_is_given_up_with_the_one_before(executor, acceptor, clock):
    parts = TwoParts()
    bound = bind(parts, deadline=5)
    submit(executor, bound, "a")
    assert parts.began.acquire(timeout=WAIT)
    parts.open(*parts.first, *parts.second[1:])
    assert parts.went_on[0].wait(WAIT)
    submit(executor, bound, "b")
    assert parts.began.acquire(timeout=WAIT)
    clock.now += 5
    executor.tick()
    clock.now += GRACE
    assert executor.give_up_hung() == 2
    assert {one.payload["error"] for one in told(acceptor, 2).values()} == {"past its deadline"}
    submit(executor, bound, "c")
    parts.open(parts.second[0])
    seen = [acceptor.next() for _ in range(3)]
    assert {token: one.payload["status"] for token, one in seen if token == "c"} == {"c": 0xB002}
    assert 1 not in parts.order, "its second part never ran"


def test_an_asynchronous_generator_cannot_handle_a_batch():
    async def handle(events):
        yield

    with pytest.raises(TypeError, match="is a generator, but EVT_C_STORE has one answer"):
        Worker("w").bind(evt.EVT_C_STORE, handle, batch=4)


def test_a_test_calls_it_with_a_batch_of_one():
    worker = Worker("w")

    @worker.on(evt.EVT_C_ECHO, batch=16)
    def echo(events):
        yield
        return [0xB000 + event.message_id for event in events]

    assert testing.echo(worker) == 0xB001


def test_a_request_that_is_cancelled_while_its_call_waits_is_answered_with_the_others(
    executor, acceptor
):
    parts = TwoParts()
    bound = bind(parts)
    submit(executor, bound, "a")
    assert parts.began.acquire(timeout=WAIT)
    parts.open(*parts.first, *parts.second[1:])
    assert parts.went_on[0].wait(WAIT)
    event = dimse_event(evt.EVT_C_ECHO)
    executor.submit("b", bound, event, 30.0)
    assert parts.began.acquire(timeout=WAIT)
    executor.cancel("b", unwanted=False)
    assert event.is_cancelled
    parts.open(parts.second[0])
    assert statuses(acceptor, 2) == {"a": 0xB000, "b": 0xB001}
