"""Handlers of batches: what gathers, who is answered what, and what one does not do to others."""

import asyncio
import queue
import threading

import pytest
from pydicom.dataset import Dataset

from gateway import Worker, evt
from gateway.errors import FabricError
from gateway.sdk import testing
from gateway.sdk.bound_handler import BoundHandler
from gateway.sdk.executor import Executor
from gateway.sdk.jobs import GRACE
from tests.sdk.batch_requests import bind, statuses, submit, submit_all, told
from tests.sdk.conftest import WAIT, dimse_event


@pytest.fixture
def concurrency():
    return 8


class Gate:
    """A handler of batches whose first call waits; `sizes` are those of all calls."""

    def __init__(self):
        self.began, self.go = threading.Event(), threading.Event()
        self.sizes = []

    def __call__(self, events):
        self.sizes.append(len(events))
        if not self.began.is_set():
            self.began.set()
            assert self.go.wait(WAIT)
        return [0xB000 + len(self.sizes)] * len(events)


def test_what_comes_meanwhile_is_the_next_batch(executor, acceptor):
    gate = Gate()
    bound = bind(gate)
    submit(executor, bound, "a")
    assert gate.began.wait(WAIT)
    submit(executor, bound, *"bcdefg")
    gate.go.set()
    assert statuses(acceptor, 7) == {
        "a": 0xB001,
        **dict.fromkeys("bcde", 0xB002),
        **dict.fromkeys("fg", 0xB003),
    }
    assert gate.sizes == [1, 4, 2], "one call at a time"
    assert executor.drain(WAIT)
    assert executor.in_hand == 0


def test_the_requests_of_one_message_are_one_batch(executor, acceptor):
    gate = Gate()
    gate.go.set()
    bound = bind(gate, batch=64)
    single = BoundHandler(evt.EVT_C_ECHO, lambda event: 0xB007)
    requests = [(token, bound, dimse_event(evt.EVT_C_ECHO), 30.0) for token in "abcde"]
    requests.insert(2, ("single", single, dimse_event(evt.EVT_C_ECHO), 30.0))
    executor.submit_many(requests)
    assert statuses(acceptor, 6) == {**dict.fromkeys("abcde", 0xB001), "single": 0xB007}
    assert gate.sizes == [5]


def test_the_answers_of_one_batch_leave_at_once(acceptor, loop, clock):
    sent = queue.SimpleQueue()
    executor = Executor(8, acceptor.send, send_many=sent.put, loop=loop, clock=clock)
    executor.start()
    late = dimse_event(evt.EVT_C_ECHO)

    def handle(events):
        if late in events:
            clock.now += 30
            executor.tick()
        return [0xB000, ValueError("of one"), 0xB002]

    submit_all(executor, bind(handle), *"abc")
    assert [(token, a.payload.get("status", a.payload.get("error")))
            for token, a in sent.get(timeout=WAIT)] == [
        ("a", 0xB000), ("b", "ValueError: of one"), ("c", 0xB002)]  # fmt: skip
    bound = bind(handle)
    executor.submit_many(
        [
            ("late", bound, late, 30.0),
            *((t, bound, dimse_event(evt.EVT_C_ECHO), 60.0) for t in "de"),
        ]
    )
    answers = dict(sent.get(timeout=WAIT))
    assert answers["late"].payload["error"] == "past its deadline"
    assert answers["e"].payload["status"] == 0xB002
    assert executor.drain(WAIT)
    executor.stop()


def test_answers_that_cannot_leave_at_once_leave_one_by_one(acceptor, loop):
    def refuse(answers):
        raise FabricError("one of them cannot be encoded")

    executor = Executor(8, acceptor.send, send_many=refuse, loop=loop)
    executor.start()
    submit_all(executor, bind(lambda events: [0xB000] * len(events)), *"ab")
    assert statuses(acceptor, 2) == {"a": 0xB000, "b": 0xB000}
    executor.stop()
    assert executor.drain(WAIT)


def test_it_needs_one_thread(executor, acceptor):
    names = set()

    def handle(events):
        names.add(threading.current_thread().name)
        return [0] * len(events)

    for token in "abc":
        submit(executor, bind(handle), token)
        acceptor.next()
        assert executor.drain(WAIT)
    assert names == {"handler-0"}


def test_other_handlers_do_not_wait_for_it(executor, acceptor):
    gate = Gate()
    submit(executor, bind(gate), "a")
    assert gate.began.wait(WAIT)
    single = BoundHandler(evt.EVT_C_ECHO, lambda event: 0xB007)
    executor.submit("single", single, dimse_event(evt.EVT_C_ECHO), 30.0)
    assert statuses(acceptor, 1) == {"single": 0xB007}
    gate.go.set()
    acceptor.next()


def test_each_gets_its_own_answer_and_args_follow_the_events(executor, acceptor):
    gate = Gate()
    submit(executor, bind(gate), "first")
    assert gate.began.wait(WAIT)
    answer = Dataset()
    answer.Status, answer.ErrorComment = 0xB001, "so so"

    def handle(events, *args):
        assert args == (7,)
        return [0xB000, answer, ValueError("of one"), "nonsense"]

    submit(executor, bind(handle, 7), *"abcd")
    gate.go.set()
    acceptor.next()
    replies = {token: reply.payload for token, reply in told(acceptor, 4).items()}
    assert replies["a"]["status"] == 0xB000
    assert replies["b"] == {"status": 0xB001, "elements": {"ErrorComment": "so so"}}
    assert replies["c"] == {"failed": "raised", "error": "ValueError: of one"}
    assert replies["d"]["failed"] == "bad_status"


@pytest.mark.parametrize("wrong", [[0x0000], [0] * 3, 0x0000, None, {1: 0, 2: 0}], ids=repr)
def test_anything_but_a_list_of_as_many_fails_all_and_is_logged_once(
    executor, acceptor, caplog, wrong
):
    gate = Gate()
    submit(executor, bind(gate), "first")
    assert gate.began.wait(WAIT)
    submit(executor, bind(lambda events: wrong), "a", "b")
    gate.go.set()
    acceptor.next()
    assert {r.payload["failed"] for r in told(acceptor, 2).values()} == {"bad_status"}
    assert caplog.text.count("a batch of") == 1


def test_raising_fails_all_and_is_logged_once(executor, acceptor, caplog):
    gate = Gate()
    submit(executor, bind(gate), "first")
    assert gate.began.wait(WAIT)

    def handle(events):
        raise KeyError("x")

    submit(executor, bind(handle), *"abc")
    gate.go.set()
    acceptor.next()
    errors = [reply.payload for reply in told(acceptor, 3).values()]
    assert errors == [{"failed": "raised", "error": "KeyError: 'x'"}] * 3
    assert executor.drain(WAIT)
    assert caplog.text.count("raised for a batch of 3") == 1


def test_a_handler_that_is_bound_meanwhile_gets_what_came_for_it(executor, acceptor):
    gate = Gate()
    submit(executor, bind(gate), "a")
    assert gate.began.wait(WAIT)
    submit(executor, bind(lambda events: [0xB00A] * len(events)), "b")
    submit(executor, bind(lambda events: [0xB00B] * len(events)), "c")
    gate.go.set()
    assert statuses(acceptor, 3) == {"a": 0xB001, "b": 0xB00A, "c": 0xB00B}


def test_a_coroutine_answers_a_batch(executor, acceptor):
    async def handle(events):
        await asyncio.sleep(0)
        return [0xB000] * len(events)

    submit(executor, bind(handle), "a")
    assert statuses(acceptor, 1) == {"a": 0xB000}


def test_a_cancelled_one_that_has_not_begun_is_not_begun(executor, acceptor):
    gate = Gate()
    bound = bind(gate)
    submit(executor, bound, "a")
    assert gate.began.wait(WAIT)
    submit(executor, bound, *"bcd")
    executor.cancel("c")
    executor.cancel("d", unwanted=False)
    gate.go.set()
    replies = {token: reply.payload for token, reply in told(acceptor, 4).items()}
    assert replies["c"] == {"failed": "raised", "error": "cancelled before it began"}
    assert {replies[token]["status"] for token in "bd"} == {0xB002}
    assert gate.sizes == [1, 2]


def test_one_past_its_deadline_takes_no_other_with_it(executor, acceptor, clock):
    gate, go = Gate(), threading.Event()
    submit(executor, bind(gate, deadline=60), "first")
    assert gate.began.wait(WAIT)

    def handle(events):
        assert go.wait(WAIT)
        return [0xB001] * len(events)

    bound = bind(handle, deadline=60)
    (late,) = submit(executor, bound, "late")
    clock.now += 30
    (other,) = submit(executor, bound, "other")
    gate.go.set()
    acceptor.next()
    clock.now += 30
    executor.tick()
    assert late.is_cancelled
    assert not other.is_cancelled
    go.set()
    replies = {token: reply.payload for token, reply in told(acceptor, 2).items()}
    assert replies["late"]["failed"] == "raised"
    assert replies["other"]["status"] == 0xB001


def test_a_coroutine_is_cancelled_once_nobody_awaits_any_of_it(executor, acceptor, clock):
    gate = Gate()
    submit(executor, bind(gate), "first")
    assert gate.began.wait(WAIT)
    began, ended = threading.Event(), threading.Event()

    async def handle(events):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    submit(executor, bind(handle, deadline=5), "a", "b")
    gate.go.set()
    acceptor.next()
    assert began.wait(WAIT)
    executor.cancel("a", unwanted=True)
    assert not ended.is_set()
    clock.now += 5
    executor.tick()
    assert ended.wait(WAIT)
    assert {r.payload["error"] for r in told(acceptor, 2).values()} == {"past its deadline"}


def test_a_hung_call_makes_the_member_hung_and_can_be_given_up(executor, acceptor, clock):
    gate = Gate()
    bound = bind(gate, deadline=5)
    submit(executor, bound, "a")
    assert gate.began.wait(WAIT)
    submit(executor, bound, "b")
    clock.now += 5
    assert executor.tick() is False
    clock.now += GRACE
    assert executor.tick() is True
    submit(executor, bound, "c")
    assert executor.give_up_hung() == 1, "b waited for it, and was answered when it was late"
    replies = {token: reply.payload for token, reply in told(acceptor, 3).items()}
    assert {replies[token]["error"] for token in "ab"} == {"past its deadline"}
    assert replies["c"]["status"] == 0xB002, "another thread took over"
    gate.go.set()
    assert acceptor.next()[0] == "a", "which nobody awaits any more"
    submit(executor, bound, "d")
    assert statuses(acceptor, 1) == {"d": 0xB003}


def test_holding_back_leaves_what_waits_to_others(executor, acceptor):
    gate = Gate()
    bound = bind(gate, redeliver=True)
    submit(executor, bound, "a")
    assert gate.began.wait(WAIT)
    submit(executor, bound, "b", "c")
    executor.hold_back()
    assert executor.in_hand == 1
    gate.go.set()
    assert statuses(acceptor, 1) == {"a": 0xB001}
    assert executor.drain(WAIT)
    assert gate.sizes == [1]
    assert acceptor.replies.empty()


def test_a_temporary_file_ends_with_its_batch(executor, acceptor):
    closed = threading.Semaphore(0)
    bound = bind(lambda events: [0] * len(events))
    for token in "ab":
        event = dimse_event(evt.EVT_C_ECHO)
        event.close = closed.release
        executor.submit(token, bound, event, 30)
    assert closed.acquire(timeout=WAIT)
    assert closed.acquire(timeout=WAIT)


@pytest.mark.parametrize("event", [evt.EVT_C_FIND, evt.EVT_C_GET, evt.EVT_C_MOVE], ids=str)
def test_streams_do_not_come_in_batches(event):
    with pytest.raises(ValueError, match=f"{event} has many answers"):
        Worker("w").on(event, batch=4)(lambda events: [])


def test_what_else_cannot_be():
    worker = Worker("w")
    with pytest.raises(ValueError, match="nothing to answer in a batch"):
        worker.bind(evt.EVT_RELEASED, lambda events: [], batch=4)
    for wrong in (-1, 2.0, True, "4"):
        with pytest.raises(ValueError, match="number from 1 up"):
            worker.bind(evt.EVT_C_ECHO, lambda events: [], batch=wrong)
    with pytest.raises(TypeError, match=r"cannot be called as .*\(events, args\[0\]\)"):
        worker.bind(evt.EVT_C_ECHO, lambda events: [], [1], batch=4)


def test_a_test_calls_it_with_a_batch_of_one():
    worker = Worker("w")

    @worker.on(evt.EVT_C_ECHO, batch=16)
    def echo(events):
        assert len(events) == 1
        return [0xB000 + event.message_id for event in events]

    assert testing.echo(worker) == 0xB001
    worker.unbind(evt.EVT_C_ECHO, echo)
    worker.bind(evt.EVT_C_ECHO, lambda events: 0x0000, batch=16)
    assert testing.echo(worker) == 0x0000, "as the catalogue says of a C-ECHO that fails"


def test_what_may_take_long_comes_alone_beside_the_batches(executor, acceptor):
    gate, calls = Gate(), []
    slow = set()

    def handle(events):
        calls.append(len(events))
        return gate(events) if slow & set(events) else [0xB000] * len(events)

    bound = BoundHandler(evt.EVT_C_ECHO, handle, batch=4, alone=lambda event: event in slow)
    events = [(token, bound, dimse_event(evt.EVT_C_ECHO), 30.0) for token in "sabt"]
    slow |= {events[0][2], events[3][2]}
    executor.submit_many(events)
    assert gate.began.wait(WAIT)
    assert statuses(acceptor, 2) == {"a": 0xB000, "b": 0xB000}
    gate.go.set()
    assert statuses(acceptor, 2) == {"s": 0xB001, "t": 0xB002}
    assert sorted(calls) == [1, 1, 2]


def test_a_function_that_fails_to_tell_puts_it_with_the_others(executor, acceptor):
    def fail(event):
        raise ValueError

    submit_all(
        executor, BoundHandler(evt.EVT_C_ECHO, lambda e: [0] * len(e), batch=4, alone=fail), "a"
    )
    assert statuses(acceptor, 1) == {"a": 0}


def test_one_that_is_late_before_its_call_is_answered_and_nothing_hangs(executor, acceptor, clock):
    gate = Gate()
    bound = bind(gate, batch=1, deadline=30.0)
    submit(executor, bind(gate, batch=1, deadline=1000.0), "a")
    assert gate.began.wait(WAIT)
    submit(executor, bound, "b")
    clock.now += 30 + GRACE
    assert not executor.tick(), "it waits for a call that is in time"
    assert told(acceptor, 1)["b"].payload["error"] == "past its deadline"
    assert executor.in_hand == 1
    gate.go.set()
    assert statuses(acceptor, 1) == {"a": 0xB001}
    assert gate.sizes == [1]


def test_alone_is_for_batches() -> None:
    worker = Worker("w")
    with pytest.raises(ValueError, match="`alone` is for batches"):
        worker.bind(evt.EVT_C_ECHO, lambda event: 0, alone=lambda event: True)
