import asyncio
import threading

import pytest

from gateway import Worker, evt
from gateway.sdk.notifications import NotificationThread, QueuedNotification
from tests.patience import WALL

WAIT = WALL


@pytest.fixture
def worker():
    return Worker("w")


@pytest.fixture
def notifier(worker, loop):
    notifier = NotificationThread(worker.bound_for, loop=loop, limit=3)
    yield notifier
    notifier.stop(WAIT)


def told(seq, topic="EVT_RELEASED", **body):
    return QueuedNotification(topic, "s", seq, 1700000000.0 + seq, body)


def run(notifier, *notifications):
    for each in notifications:
        notifier.put(each)
    notifier.start()
    assert notifier.stop(WAIT)


def test_in_order_on_one_thread(worker, notifier):
    seen = []

    @worker.on(evt.EVT_CONN_OPEN)
    @worker.on(evt.EVT_CONN_CLOSE)
    def watch(event):
        seen.append((event.name, event.address[1], threading.current_thread().name))

    run(
        notifier,
        told(1, "EVT_CONN_OPEN", address=["h", 1]),
        told(1, "EVT_CONN_CLOSE", address=["h", 2]),
        told(2, "EVT_CONN_OPEN", address=["h", 3]),
    )
    assert seen == [
        ("EVT_CONN_OPEN", 1, "notifications"),
        ("EVT_CONN_CLOSE", 2, "notifications"),
        ("EVT_CONN_OPEN", 3, "notifications"),
    ]


def test_an_event_is_as_it_was_told(worker, notifier, blob):
    seen = []
    worker.bind(evt.EVT_RELEASED, lambda event, more: seen.append((event, more)), ["x"])
    published = []
    run(
        notifier,
        QueuedNotification(
            "EVT_RELEASED", "s", 1, 1700000000.0, {}, blob, lambda *a: published.append(a)
        ),
    )
    ((event, more),) = seen
    assert (event.assoc.id, more, event.timestamp.timestamp()) == ("0-17", "x", 1700000000.0)
    event.publish(evt.EVT_INSTANCE_STORED, {"size": 1})
    assert published == [("EVT_INSTANCE_STORED", {"size": 1})]


def test_an_exception_does_not_keep_the_other_handlers_from_it(worker, notifier, caplog):
    seen = []

    def fail(event):
        raise ValueError("mine")

    async def fail_later(event):
        await asyncio.sleep(0)
        raise SystemExit

    worker.bind(evt.EVT_RELEASED, fail)
    worker.bind(evt.EVT_RELEASED, fail_later)
    worker.bind(evt.EVT_RELEASED, lambda event: seen.append(event.name))
    run(notifier, told(1), told(2))
    assert seen == ["EVT_RELEASED"] * 2
    assert caplog.text.count("fail raised") == 2
    assert caplog.text.count("fail_later raised") == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
def test_whatever_a_handler_raises_does_not_keep_the_others_from_it(worker, notifier, error):
    seen = []

    def fail(event):
        raise error

    async def fail_later(event):
        raise error

    for handler in (fail, fail_later, lambda event: seen.append(event.name)):
        worker.bind(evt.EVT_RELEASED, handler)
    run(notifier, told(1), told(2))
    assert seen == ["EVT_RELEASED"] * 2


def test_a_coroutine_is_waited_for(worker, notifier):
    seen = []

    async def watch(event):
        await asyncio.sleep(0)
        seen.append(event.name)

    worker.bind(evt.EVT_RELEASED, watch)
    worker.bind(evt.EVT_RELEASED, lambda event: seen.append("after"))
    run(notifier, told(1))
    assert seen == ["EVT_RELEASED", "after"]


def test_nobody_watches_any_more(notifier):
    run(notifier, told(1))


def test_overflow_is_counted_and_told_in_its_place(worker, notifier, caplog):
    seen = []
    worker.bind(evt.EVT_RELEASED, lambda event: seen.append(event.timestamp.second))
    worker.bind(
        evt.EVT_GAP, lambda event: seen.append((event.stream, event.topic, event.first, event.last))
    )
    for seq in range(1, 7):  # three are kept, three are lost
        notifier.put(told(seq))
    assert notifier.lost == 3
    run(notifier)
    first = told(1).timestamp % 60
    assert seen == [first, first + 1, first + 2, ("s", "EVT_RELEASED", 4, 6)]
    assert "topic=EVT_RELEASED stream=s first=4 last=6 lost" in caplog.text


def test_what_did_not_arrive_is_counted_as_lost(worker, notifier):
    seen = []
    worker.bind(evt.EVT_GAP, lambda event: seen.append((event.first, event.last)))
    gap = {"stream": "s", "topic": "EVT_RELEASED", "first": 3, "last": 9}
    run(notifier, QueuedNotification("EVT_GAP", "s", 0, 0.0, gap))
    assert (seen, notifier.lost) == ([(3, 9)], 7)


def test_a_gap_stands_before_what_came_after_it(worker, notifier):
    seen = []
    began, go, idle = threading.Event(), threading.Event(), threading.Event()

    def watch(event):
        seen.append(event.length)
        began.set()
        assert go.wait(WAIT)
        if event.length == 4:
            idle.set()

    worker.bind(evt.EVT_DATA_SENT, watch)
    worker.bind(evt.EVT_GAP, lambda event: seen.append((event.first, event.last)))
    notifier.start()
    for seq in range(1, 5):
        notifier.put(told(seq, "EVT_DATA_SENT", length=seq))
        assert began.wait(WAIT)  # the first is in the handler's hands, the queue holds three
    notifier.put(told(5, "EVT_DATA_SENT", length=5))
    go.set()
    assert idle.wait(WAIT)
    notifier.put(told(6, "EVT_DATA_SENT", length=6))
    assert notifier.stop(WAIT)
    assert seen == [1, 2, 3, 4, (5, 5), 6]


def test_stopping_does_not_wait_for_a_hung_handler(worker, loop):
    began, go = threading.Event(), threading.Event()

    def hang(event):
        began.set()
        go.wait(WAIT)

    worker.bind(evt.EVT_RELEASED, hang)
    notifier = NotificationThread(worker.bound_for, loop=loop)
    notifier.start()
    notifier.put(told(1))
    assert began.wait(WAIT)
    assert notifier.stop(0) is False
    go.set()
