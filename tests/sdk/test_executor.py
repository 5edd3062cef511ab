import asyncio
import gc
import itertools
import queue
import sys
import threading
import weakref

import pytest
from pydicom.dataset import Dataset

from gateway import evt
from gateway.errors import FabricError
from gateway.sdk import Event, handler_answers, streams
from gateway.sdk.bound_handler import BoundHandler
from gateway.sdk.executor import Executor
from gateway.sdk.jobs import GRACE
from tests.sdk.conftest import WAIT, dimse_event


def submit(executor, handler, *, event=evt.EVT_C_ECHO, args=(), deadline=30.0, token="t"):
    made = dimse_event(event)
    executor.submit(token, BoundHandler(event, handler, args, deadline=deadline), made, deadline)
    return made


def test_a_handler_is_called_with_its_args(executor, acceptor):
    submit(executor, lambda event, a, b: a + b, args=(0xA000, 0x0700), token="one")
    token, reply = acceptor.next()
    assert token == "one"
    assert reply.payload["status"] == 0xA700


def test_a_coroutine_runs_on_a_loop(executor, acceptor):
    names = []

    async def handle(event):
        await asyncio.sleep(0)
        names.append(threading.current_thread().name)
        return 0xB000

    submit(executor, handle)
    assert acceptor.payload()["status"] == 0xB000
    assert names == ["handlers-async"]


def test_what_a_handler_raises_is_told_and_logged(executor, acceptor, caplog):
    def handle(event):
        raise ValueError("no such thing")

    submit(executor, handle)
    assert acceptor.payload() == {"failed": "raised", "error": "ValueError: no such thing"}
    assert executor.drain(WAIT)
    assert "raised" in caplog.text
    assert "EVT_C_ECHO" in caplog.text


def test_an_exit_of_a_handler_is_an_error_of_the_handler(executor, acceptor):
    submit(executor, lambda event: sys.exit(3))
    assert acceptor.payload() == {"failed": "raised", "error": "SystemExit: 3"}

    async def handle(event):
        raise LookupError

    submit(executor, handle)
    assert acceptor.payload() == {"failed": "raised", "error": "LookupError"}


class Outcome(BaseException):
    """As a test framework or another event loop has it."""


ODD_ERRORS = [Outcome, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError]


@pytest.mark.parametrize("kind", ["returns", "coroutine", "yields"])
@pytest.mark.parametrize("error", ODD_ERRORS)
def test_whatever_a_handler_raises_is_its_own_failure(acceptor, loop, error, kind):
    def returns(event):
        raise error

    async def coroutine(event):
        raise error

    def yields(event):
        yield 0xFF00, Dataset()
        raise error

    executor = Executor(1, acceptor.send, loop=loop)
    executor.start()
    handler = {"returns": returns, "coroutine": coroutine, "yields": yields}[kind]
    event = evt.EVT_C_FIND if kind == "yields" else evt.EVT_C_ECHO
    submit(executor, handler, event=event)
    if kind == "yields":
        acceptor.next()
    assert "failed" in acceptor.payload()
    submit(executor, lambda event: 0xB000)
    assert acceptor.payload()["status"] == 0xB000
    executor.stop()
    assert executor.drain(WAIT)


def test_requests_run_beside_each_other(executor, acceptor):
    meet = threading.Barrier(2)
    for token in "ab":
        submit(executor, lambda event: meet.wait(WAIT) * 0, token=token)
    assert {acceptor.next()[0], acceptor.next()[0]} == {"a", "b"}
    assert executor.drain(WAIT)
    assert executor.in_hand == 0


def test_a_temporary_file_ends_with_its_request(executor, acceptor):
    closed = threading.Event()
    event = dimse_event(evt.EVT_C_ECHO)
    event.close = closed.set
    executor.submit("t", BoundHandler(evt.EVT_C_ECHO, lambda event: 0), event, 30)
    assert closed.wait(WAIT)


def find(*values):
    def handle(event):
        yield from values

    return handle


def test_a_generator_gives_many_answers(executor, acceptor):
    submit(executor, find((0xFF00, None), (0xFF01, None)), event=evt.EVT_C_FIND)
    replies = [acceptor.next()[1] for _ in range(3)]
    assert [r.payload["status"] for r in replies] == [0xFF00, 0xFF01, 0x0000]
    assert [r.final for r in replies] == [False, False, True]


def test_an_asynchronous_generator_gives_many_answers(executor, acceptor):
    closed = threading.Event()

    async def handle(event):
        try:
            for _ in range(2):
                await asyncio.sleep(0)
                yield 0xFF00, None
            yield 0xFE00, None
            yield 0xFF00, None
        finally:
            closed.set()

    submit(executor, handle, event=evt.EVT_C_FIND)
    assert [acceptor.payload()["status"] for _ in range(3)] == [0xFF00, 0xFF00, 0xFE00]
    assert closed.wait(WAIT)
    assert acceptor.replies.empty()


def test_a_coroutine_may_give_the_list(executor, acceptor):
    async def handle(event):
        return [(0xFF00, None)]

    submit(executor, handle, event=evt.EVT_C_FIND)
    assert [acceptor.payload()["status"] for _ in range(2)] == [0xFF00, 0x0000]


def test_a_generator_that_raises_later(executor, acceptor):
    def handle(event):
        yield 0xFF00, None
        raise ValueError("later")

    submit(executor, handle, event=evt.EVT_C_FIND)
    assert acceptor.payload()["status"] == 0xFF00
    assert acceptor.payload() == {"failed": "raised", "error": "ValueError: later"}


def test_nothing_to_iterate_over(executor, acceptor):
    submit(executor, lambda event: None, event=evt.EVT_C_FIND)
    assert acceptor.payload()["status"] == 0x0000
    submit(executor, lambda event: 5, event=evt.EVT_C_FIND)
    assert acceptor.payload()["failed"] == "bad_status"


def test_a_generator_is_closed_when_nobody_wants_more(executor, acceptor):
    closed = threading.Event()
    acceptor.wanted = False

    def handle(event):
        try:
            while True:
                yield 0xFF00, None
        finally:
            closed.set()

    submit(executor, handle, event=evt.EVT_C_FIND)
    assert closed.wait(WAIT)
    assert executor.drain(WAIT)
    acceptor.next()
    assert acceptor.next()[1] is handler_answers.UNWANTED, "which frees the credit"
    assert acceptor.replies.empty()


def test_a_generator_is_closed_at_its_next_yield_after_a_cancel(executor, acceptor):
    began, go, closed = threading.Event(), threading.Event(), threading.Event()

    def handle(event):
        try:
            began.set()
            assert go.wait(WAIT)
            yield 0xFF00, Dataset()
            raise AssertionError("this was the last one")
        finally:
            assert event.is_cancelled
            assert event.is_cancelled, "for good"
            closed.set()

    submit(executor, handle, event=evt.EVT_C_FIND)
    assert began.wait(WAIT)
    executor.cancel("t", unwanted=False)
    go.set()
    assert acceptor.payload() == {"status": 0xFE00, "elements": {}}
    assert closed.wait(WAIT)
    assert executor.drain(WAIT)
    assert acceptor.replies.empty()


def test_a_generator_may_answer_a_cancel_itself(executor, acceptor):
    def handle(event):
        yield 0xFF00, Dataset()
        assert event.cancellation.wait(WAIT)
        status = Dataset()
        status.Status, status.ErrorComment = 0xFE00, "as you wish"
        yield status, None

    submit(executor, handle, event=evt.EVT_C_FIND)
    acceptor.next()
    executor.cancel("t", unwanted=False)
    assert acceptor.payload()["elements"] == {"ErrorComment": "as you wish"}


def test_a_generator_that_nobody_awaits_is_closed_at_its_next_yield(executor, acceptor):
    began, go, closed = threading.Event(), threading.Event(), threading.Event()

    def handle(event):
        try:
            began.set()
            assert go.wait(WAIT)
            yield 0xFF00, Dataset()
        finally:
            closed.set()

    submit(executor, handle, event=evt.EVT_C_FIND)
    assert began.wait(WAIT)
    executor.cancel("t", unwanted=True)
    go.set()
    assert closed.wait(WAIT)
    assert acceptor.next()[1] is handler_answers.UNWANTED


@pytest.mark.parametrize("event", [evt.EVT_C_FIND, evt.EVT_C_GET, evt.EVT_C_MOVE], ids=str)
def test_a_handler_that_raises_before_it_yields(executor, acceptor, event):
    def handle(event):
        raise KeyError("x")

    submit(executor, handle, event=event)
    assert acceptor.payload() == {"failed": "raised", "error": "KeyError: 'x'"}


@pytest.mark.parametrize(
    ("event", "kind"),
    [(evt.EVT_C_FIND, "raised"), (evt.EVT_C_GET, "first"), (evt.EVT_C_MOVE, "first")],
)
def test_a_generator_that_raises_before_it_yields(executor, acceptor, event, kind):
    def handle(event):
        yield from {}["x"]

    submit(executor, handle, event=event)
    assert acceptor.payload() == {"failed": kind, "error": "KeyError: 'x'"}


def test_the_time_of_others_is_not_the_handlers(acceptor, loop, clock):
    extended = queue.SimpleQueue()
    executor = Executor(1, acceptor.send, loop=loop, extend=extended.put, clock=clock)
    began, go = threading.Event(), threading.Event()

    class Slow(streams.FindAnswers):
        def __call__(self, value):
            with self.peer_time():
                began.set()
                assert go.wait(WAIT)
            return super().__call__(value)

    def converter(event, routes, peer_time, offer):
        made = Slow(event)
        made.peer_time = peer_time
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "converter", converter)
        executor.start()

        def handle(event):
            yield 0x0000, None

        submit(executor, handle, event=evt.EVT_C_FIND)
        assert began.wait(WAIT)
        assert extended.get(timeout=WAIT) == "t"
        clock.now += 1000
        assert not executor.tick()
        assert extended.get(timeout=WAIT) == "t", "once more"
        clock.now += 1
        go.set()
        assert acceptor.payload()["status"] == 0x0000
        assert extended.get(timeout=WAIT) == "t", "the handler's time begins"
    executor.stop()


def test_cancel_reaches_a_running_handler(executor, acceptor):
    began, cancelled = threading.Event(), threading.Event()

    def handle(event):
        began.set()
        assert event.cancellation.wait(WAIT)
        cancelled.set()
        return 0xFE00 if event.is_cancelled is False else 0x0000

    submit(executor, handle, token="x")
    assert began.wait(WAIT)
    executor.cancel("another")
    executor.cancel("x")
    assert cancelled.wait(WAIT)
    assert acceptor.payload()["status"] == 0x0000


def test_a_cancelled_request_that_has_not_begun_is_not_begun(acceptor, loop):
    executor = Executor(1, acceptor.send, loop=loop)
    submit(executor, lambda event: 0, token="x")
    executor.cancel("x")
    executor.start()
    assert acceptor.payload()["failed"] == "raised"
    executor.stop()


def test_a_cancelled_request_whose_answer_is_awaited_is_begun(acceptor, loop):
    executor = Executor(1, acceptor.send, loop=loop)
    submit(executor, lambda event: 0xB000 + event.is_cancelled, token="x")
    executor.cancel("x", unwanted=False)
    executor.start()
    assert acceptor.payload()["status"] == 0xB001
    executor.stop()


def test_a_thread_outlives_what_cannot_be_sent(loop, caplog):
    sent = queue.SimpleQueue()

    def send(token, reply):
        if token == "bad":
            raise FabricError("cannot be encoded")
        sent.put(token)
        return True

    executor = Executor(1, send, loop=loop)
    executor.start()
    submit(executor, lambda event: 0, token="bad")
    submit(executor, lambda event: 0, token="good")
    assert sent.get(timeout=WAIT) == "good"
    assert "could not be answered" in caplog.text
    executor.stop()
    assert executor.drain(WAIT)


def test_an_association_that_cannot_be_decoded(executor, acceptor, caplog):
    event = Event(evt.EVT_C_ECHO, {}, blob=b"\xc1")
    executor.submit("t", BoundHandler(evt.EVT_C_ECHO, lambda event: event.assoc), event, 30)
    assert acceptor.payload()["failed"] == "raised"
    assert executor.drain(WAIT)
    assert "association=? " in caplog.text


class Hanging:
    """A handler that returns when it is told to."""

    def __init__(self):
        self.began = threading.Event()
        self.go = threading.Event()

    def __call__(self, event):
        self.began.set()
        self.go.wait(WAIT)
        return 0x0000


def test_a_handler_past_its_deadline_is_abandoned(executor, acceptor, clock, caplog):
    hanging = Hanging()
    event = submit(executor, hanging, deadline=5)
    assert hanging.began.wait(WAIT)
    clock.now += 4.9
    assert executor.tick() is False
    assert not event.is_cancelled
    clock.now += 0.1
    assert executor.tick() is False
    assert event.is_cancelled
    assert executor.drain(0), "what is abandoned is not waited for"
    submit(executor, lambda event: 0xB000, token="other")
    assert acceptor.payload()["status"] == 0xB000, "other threads go on"
    assert "past its deadline" in caplog.text
    clock.now += GRACE - 0.1
    assert executor.tick() is False
    clock.now += 0.1
    assert executor.tick() is True
    hanging.go.set()
    assert acceptor.payload() == {"failed": "raised", "error": "past its deadline"}


def test_a_short_deadline_has_as_short_a_grace(executor, acceptor, clock):
    hanging = Hanging()
    submit(executor, hanging, deadline=0.5)
    assert hanging.began.wait(WAIT)
    clock.now += 0.75
    assert executor.tick() is False
    clock.now += 0.25
    assert executor.tick() is True
    hanging.go.set()


def test_a_handler_that_returns_within_the_grace_gives_its_thread_back(executor, acceptor, clock):
    hanging = Hanging()
    submit(executor, hanging, deadline=5)
    assert hanging.began.wait(WAIT)
    clock.now += 6
    executor.tick()
    hanging.go.set()
    acceptor.next()
    submit(executor, lambda event: 0, token="u")
    submit(executor, lambda event: 0, token="v")
    acceptor.next()
    acceptor.next()
    assert executor.drain(WAIT)
    clock.now += GRACE
    assert executor.tick() is False


def test_a_coroutine_past_its_deadline_is_cancelled(executor, acceptor, clock):
    began, ended = threading.Event(), threading.Event()

    async def handle(event):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    submit(executor, handle, deadline=5)
    assert began.wait(WAIT)
    clock.now += 5
    executor.tick()
    assert ended.wait(WAIT)
    assert acceptor.payload()["error"] == "past its deadline"


def test_the_deadline_starts_anew_at_each_answer_and_rests_in_between(loop, clock):
    sending, go = threading.Event(), threading.Event()
    more = threading.Event()

    def send(token, reply):
        sending.set()
        assert go.wait(WAIT)
        return True

    def handle(event):
        yield 0xFF00, None
        more.set()
        assert event.cancellation.wait(WAIT)
        yield 0xFF00, None

    executor = Executor(1, send, loop=loop, clock=clock)
    executor.start()
    event = submit(executor, handle, event=evt.EVT_C_FIND, deadline=5)
    assert sending.wait(WAIT)
    clock.now += 1000  # the acceptor takes its time
    assert executor.tick() is False
    assert not event.is_cancelled
    go.set()
    assert more.wait(WAIT)
    clock.now += 4
    executor.tick()
    assert not event.is_cancelled
    clock.now += 1
    executor.tick()
    assert event.is_cancelled
    executor.stop()


def test_a_request_that_waited_too_long_is_not_begun(acceptor, loop, clock):
    executor = Executor(1, acceptor.send, loop=loop, clock=clock)
    submit(executor, lambda event: 0, deadline=5)
    clock.now += 5
    executor.tick()
    executor.start()
    assert "failed" in acceptor.payload()
    executor.stop()


def test_holding_back_leaves_to_others_what_others_may_do(executor, acceptor):
    executor.hold_back()
    made = dimse_event(evt.EVT_C_ECHO)
    executor.submit("r", BoundHandler(evt.EVT_C_ECHO, lambda event: 0, (), True), made, 30)
    assert executor.in_hand == 0
    submit(executor, lambda event: 0xB001, token="x")
    assert acceptor.next()[0] == "x"


def test_drain_waits_for_what_is_in_hand(executor, acceptor):
    hanging = Hanging()
    submit(executor, hanging)
    assert hanging.began.wait(WAIT)
    assert not executor.drain(0)
    hanging.go.set()
    assert executor.drain(WAIT)


def test_a_call_waits_for_a_thread_while_the_system_has_none(acceptor, loop, clock, monkeypatch):
    start = threading.Thread.start

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    executor = Executor(2, acceptor.send, loop=loop, clock=clock)
    executor.start()
    submit(executor, lambda event: 0xA700)
    executor.tick()
    assert executor.in_hand == 1
    monkeypatch.setattr(threading.Thread, "start", start)
    executor.tick()
    assert acceptor.payload()["status"] == 0xA700
    executor.stop()
    assert executor.drain(WAIT)


def test_memory_is_given_back_after_work_and_not_in_between(acceptor, loop):
    given_back = queue.SimpleQueue()
    executor = Executor(1, acceptor.send, loop=loop, release=lambda: given_back.put("once"))
    executor.start()
    executor.rest()
    assert given_back.empty(), "nothing was done yet"
    go = threading.Event()
    submit(executor, lambda event: go.wait(WAIT) and 0x0000, event=evt.EVT_C_ECHO)
    executor.rest()
    assert given_back.empty(), "a request is in hand"
    go.set()
    assert acceptor.payload()["status"] == 0x0000
    assert executor.drain(WAIT)
    executor.rest()
    executor.rest()
    assert given_back.get_nowait() == "once"
    assert given_back.empty()
    executor.stop()


def test_what_a_request_held_is_freed_when_it_is_answered(executor, acceptor):
    gc.disable()  # without a search for cycles
    try:
        event = submit(executor, lambda event: 0x0000)
        held = weakref.ref(event)
        del event
        assert acceptor.payload()["status"] == 0x0000
        assert executor.drain(WAIT)
        submit(executor, lambda event: 0x0000)  # the thread of the first has gone on
        assert acceptor.payload()["status"] == 0x0000
        assert held() is None
    finally:
        gc.enable()


def test_what_is_to_follow_the_answer_follows_it(executor, acceptor, caplog):
    order = queue.SimpleQueue()

    def handler(event):
        event.after_answer(lambda: order.put(acceptor.replies.qsize()))
        event.after_answer(lambda: 1 / 0)
        event.after_answer(lambda: order.put("next"))
        return 0x0000

    submit(executor, handler)
    assert order.get(timeout=WAIT) == 1, "the answer was not sent yet"
    assert order.get(timeout=WAIT) == "next"
    assert acceptor.payload()["status"] == 0x0000
    assert executor.drain(WAIT)
    assert "after its answer" in caplog.text


def quick(executor, tokens, handler=lambda event: 0x0000):
    """Submit calls of a handler that returns at once, all of them in one message."""
    bound = BoundHandler(evt.EVT_C_ECHO, handler, ())
    executor.submit_many([(t, bound, dimse_event(evt.EVT_C_ECHO), 30.0) for t in tokens])


def test_answers_of_handlers_that_return_at_once_leave_together(acceptor, loop, clock):
    together = []
    executor = Executor(
        4, acceptor.send, loop=loop, clock=clock, send_many=lambda answers: together.append(answers)
    )
    for turn in range(50):
        quick(executor, [f"{turn}-{number}" for number in range(8)])
    executor.start()
    assert executor.drain(WAIT)
    alone = [acceptor.next()[0] for _ in range(acceptor.replies.qsize())]
    grouped = [token for answers in together for token, _ in answers]
    assert sorted([*alone, *grouped]) == sorted(f"{t}-{n}" for t in range(50) for n in range(8))
    assert max(map(len, together)) > 1
    executor.stop()


@pytest.mark.parametrize("concurrency", [2, 3])
def test_an_answer_does_not_wait_for_a_handler_that_blocks(acceptor, loop, clock, concurrency):
    executor = Executor(concurrency, acceptor.send, loop=loop, clock=clock)
    goes_on = threading.Event()
    blocks = BoundHandler(evt.EVT_C_ECHO, lambda event: goes_on.wait(WAIT) and 0xA700, ())
    quick(executor, ["first"])
    executor.submit("blocks", blocks, dimse_event(evt.EVT_C_ECHO), 30.0)
    quick(executor, ["last"])
    executor.start()
    assert {acceptor.next()[0] for _ in range(2)} == {"first", "last"}
    goes_on.set()
    assert acceptor.next()[0] == "blocks"
    assert executor.drain(WAIT)
    executor.stop()


def test_nothing_is_held_where_no_other_thread_could_send_it(acceptor, loop, clock):
    together = []
    executor = Executor(
        1, acceptor.send, loop=loop, clock=clock, send_many=lambda answers: together.append(answers)
    )

    def count_sent(event):
        return acceptor.replies.qsize()

    quick(executor, ["first", "second", "third"], count_sent)
    executor.start()
    assert [acceptor.payload()["status"] for _ in range(3)] == [0, 1, 2]
    assert executor.drain(WAIT)
    assert together == []
    executor.stop()


def test_the_answer_of_a_handler_that_takes_its_time_is_not_held(acceptor, loop):
    together, seconds = [], itertools.count()
    executor = Executor(
        2,
        acceptor.send,
        loop=loop,
        clock=lambda: float(next(seconds)),
        send_many=lambda answers: together.append(answers),
    )
    quick(executor, ["a", "b", "c"])
    executor.start()
    assert {acceptor.next()[0] for _ in range(3)} == {"a", "b", "c"}
    assert executor.drain(WAIT)
    assert together == []
    executor.stop()
