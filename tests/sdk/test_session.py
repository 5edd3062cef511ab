import logging
import threading

import pytest

from gateway import Worker, evt
from gateway.datasets.coding import decode, encode
from gateway.errors import AlreadyRegistered, ConfigError, FabricError, Unanswered
from gateway.sdk.session_ending import SessionEnding, SessionEndReason
from tests.fabric.answer_stream import Stream
from tests.patience import PATIENCE
from tests.sdk.conftest import dimse_event, store_event
from tests.sdk.fabric import WAIT, Watcher, echo
from tests.sdk.test_move import image, scp


@pytest.fixture
def worker():
    return Worker("mine", concurrency=2)


def test_a_request_reaches_its_handler(server, session_of, worker, blob):
    seen = []

    @worker.on(evt.EVT_C_ECHO)
    def handle(event):
        seen.append((event.assoc.requestor.ae_title, event.message_id, event.attempt))
        return 0xB000

    session_of(worker)
    answer = server.ask("EVT_C_ECHO", echo(5), assoc=blob)
    assert answer.payload == {"status": 0xB000, "elements": {}}
    assert seen == [("MODALITY", 5, 1)]


def test_an_inline_instance_arrives_whole(server, session_of, worker, instance):
    made = store_event(instance)
    seen = []

    @worker.on(evt.EVT_C_STORE)
    async def handle(event):
        seen.append((event.dataset, event.encoded_dataset(), event.dataset_path.exists()))
        return 0x0000

    session_of(worker)
    payload = dict(made._payload)
    assert server.ask("EVT_C_STORE", payload, data=made._data).payload["status"] == 0
    assert seen == [(instance, made._data, True)]


def test_the_registration_says_how_to_ask(server, session_of, worker):
    worker.bind(evt.EVT_C_STORE, lambda event: 0, redeliver=True, durable=True, deadline=7.0)
    session_of(worker)
    binding = server.call(server.server.binding, "EVT_C_STORE")
    assert (binding.redeliver, binding.durable, binding.deadline) == (True, True, 7.0)


def test_a_stream_under_credit(server, session_of, worker, instance):
    @worker.on(evt.EVT_C_FIND)
    def find(event):
        for _ in range(100):
            yield 0xFF00, event.identifier

    session_of(worker)
    made = dimse_event(
        evt.EVT_C_FIND,
        data=encode(instance, "1.2.840.10008.1.2"),
        syntax="1.2.840.10008.1.2",
    )

    async def ask():
        payload = dict(made._payload)
        async with Stream(server.server, "EVT_C_FIND", payload, data=made._data) as stream:
            return [answer async for answer in stream]

    answers = server.run(ask())
    assert [a.payload["status"] for a in answers] == [0xFF00] * 100 + [0]
    assert answers[0].data == made._data


def test_a_cancel_reaches_the_handler(server, session_of, worker):
    began, cancelled = threading.Event(), threading.Event()

    @worker.on(evt.EVT_C_ECHO)
    def handle(event):
        began.set()
        if event.cancellation.wait(WAIT) and event.is_cancelled:
            cancelled.set()
        return 0

    session_of(worker)
    asking = server.asking("EVT_C_ECHO", echo())
    assert began.wait(WAIT)
    asking.cancel()
    assert cancelled.wait(WAIT)


def test_notifications_arrive_in_order(server, session_of, worker, blob):
    seen, all_seen = [], threading.Event()

    @worker.on(evt.EVT_CONN_OPEN)
    def watch(event):
        seen.append((event.address, event.assoc.id))
        if len(seen) == 3:
            all_seen.set()

    session_of(worker)
    for port in (1, 2, 3):
        server.publish("EVT_CONN_OPEN", {"address": ["h", port]}, blob)
    assert all_seen.wait(WAIT)
    assert seen == [(("h", port), "0-17") for port in (1, 2, 3)]


def test_a_handler_publishes(server, session_of, worker, run_dir, blob):
    watcher = Watcher(run_dir, "EVT_INSTANCE_STORED")

    @worker.on(evt.EVT_C_ECHO)
    def handle(event):
        event.publish(evt.EVT_INSTANCE_STORED, {"size": event.message_id})
        return 0

    @worker.on(evt.EVT_RELEASED)
    def watch(event):
        event.publish(evt.EVT_INSTANCE_STORED, {"path": event.assoc.id})

    session_of(worker)
    server.ask("EVT_C_ECHO", echo(3), assoc=blob)
    told = watcher.next()
    assert (told.body, told.assoc) == ({"size": 3}, blob)
    server.publish("EVT_RELEASED", {}, blob)
    assert watcher.next().body == {"path": "0-17"}
    watcher.stop()


def test_a_handler_need_not_make_what_nobody_watches(server, session_of, worker, run_dir):
    worker.bind(evt.EVT_C_ECHO, lambda event: 0xB000 * event.is_watched(evt.EVT_INSTANCE_STORED))
    session_of(worker)
    assert server.ask("EVT_C_ECHO", echo()).payload["status"] == 0
    watcher = Watcher(run_dir, "EVT_INSTANCE_STORED")
    assert server.ask("EVT_C_ECHO", echo()).payload["status"] == 0xB000
    watcher.stop()


def test_bind_and_unbind_while_it_runs(server, session_of, worker):
    worker.bind(evt.EVT_C_ECHO, lambda event: 0)
    session_of(worker)
    assert server.call(server.server.binding, "EVT_C_STORE") is None

    def store(event):
        return 0xB007

    worker.bind(evt.EVT_C_STORE, store, durable=True)
    assert server.call(server.server.binding, "EVT_C_STORE").durable
    worker.unbind(evt.EVT_C_STORE, store)
    assert server.call(server.server.binding, "EVT_C_STORE") is None
    assert server.ask("EVT_C_ECHO", echo()).payload["status"] == 0


def test_watching_follows_too(server, session_of, worker):
    worker.bind(evt.EVT_C_ECHO, lambda event: 0)
    session_of(worker)
    seen = threading.Event()

    def watch(event):
        seen.set()

    worker.bind(evt.EVT_RELEASED, watch)
    assert server.call(server.server.wants, "EVT_RELEASED")
    server.publish("EVT_RELEASED", {})
    assert seen.wait(WAIT)
    worker.unbind(evt.EVT_RELEASED, watch)


def test_a_bind_that_another_worker_prevents_changes_nothing(server, session_of, worker):
    rival = Worker("rival")
    rival.bind(evt.EVT_C_STORE, lambda event: 0)
    session_of(rival)
    worker.bind(evt.EVT_C_ECHO, lambda event: 0)
    session_of(worker)
    with pytest.raises(AlreadyRegistered, match="rival"):
        worker.bind(evt.EVT_C_STORE, lambda event: 0)
    assert worker.get_events() == [evt.EVT_C_ECHO]
    assert server.ask("EVT_C_ECHO", echo()).payload["status"] == 0


def test_a_rival_is_refused_with_the_holders_name(server, session_of, worker):
    worker.bind(evt.EVT_C_ECHO, lambda event: 0)
    session_of(worker)
    rival, stopped = Worker("rival"), []
    rival.bind(evt.EVT_C_ECHO, lambda event: 0)
    rival.on_stop(lambda: stopped.append(True))
    with pytest.raises(AlreadyRegistered, match="mine"):
        session_of(rival)
    assert stopped == [True]


def test_no_gateway(session_of, worker, run_dir):
    worker.bind(evt.EVT_C_ECHO, lambda event: 0)
    with pytest.raises(FabricError, match=str(run_dir)):
        session_of(worker)


def test_nothing_bound(server, session_of, worker):
    with pytest.raises(ConfigError, match="worker mine: no handler is bound to any event"):
        session_of(worker)


def test_a_worker_may_only_do_work_of_its_own(server, session_of, worker):
    begun = []
    worker.on_start(lambda: begun.append(True))
    session_of(worker)
    assert begun == [True]
    assert "mine" in str(server.call(server.server.facts))


def test_hooks_are_called_before_and_after(server, session_of, worker, tmp_path, caplog):
    calls = []

    @worker.on_start
    def begin():
        calls.append((worker.context.data_dir, worker.context.options, worker.context.member))
        worker.bind(evt.EVT_C_ECHO, lambda event: 0)

    @worker.on_stop
    async def end():
        calls.append("end")
        raise ValueError("at the end")

    worker.on_stop(lambda: calls.append("end, too"))
    session = session_of(worker, options={"a": 1}, member=3)
    assert server.ask("EVT_C_ECHO", echo()).payload["status"] == 0
    assert session.close(SessionEnding(SessionEndReason.ASKED))
    assert calls == [(tmp_path, {"a": 1}, 3), "end", "end, too"]
    assert "a stop hook raised" in caplog.text


def test_what_is_in_hand_is_finished_before_leaving(server, session_of, worker):
    began, go = threading.Event(), threading.Event()

    @worker.on(evt.EVT_C_ECHO)
    def handle(event):
        began.set()
        assert go.wait(WAIT)
        return 0xB001

    session = session_of(worker)
    asking = server.asking("EVT_C_ECHO", echo())
    assert began.wait(WAIT)
    session.end(SessionEndReason.ASKED)
    ending = session.wait()
    closed = []
    closing = threading.Thread(target=lambda: closed.append(session.close(ending)))
    closing.start()
    while server.call(server.server.binding, "EVT_C_ECHO") is not None:
        """Until it takes no more."""
    go.set()
    assert asking.result(WAIT).payload["status"] == 0xB001
    closing.join(WAIT)
    assert closed == [True]
    assert ending.status == 0


def test_draining_has_an_end(server, session_of, worker, caplog):
    began, go = threading.Event(), threading.Event()

    @worker.on(evt.EVT_C_ECHO)
    def handle(event):
        began.set()
        go.wait(WAIT)
        return 0

    session = session_of(worker, drain_timeout=0.0)
    server.asking("EVT_C_ECHO", echo())
    assert began.wait(WAIT)
    stopped = []
    worker.on_stop(lambda: stopped.append(True))
    assert session.close(SessionEnding(SessionEndReason.ASKED)) is False
    assert "leaves with 1 in hand" in caplog.text
    assert not stopped, "the handler may still need what a hook would close"
    go.set()


def test_a_newer_generation_takes_over(server, session_of, worker):
    worker.bind(evt.EVT_C_ECHO, lambda event: 0xB001)
    old = session_of(worker)
    newer = Worker("mine")
    newer.bind(evt.EVT_C_ECHO, lambda event: 0xB002)
    new = session_of(newer)
    assert new.generation > old.generation
    ending = old.wait()
    assert (ending.why, ending.status) == (SessionEndReason.SUPERSEDED, 4)
    assert old.close(ending)
    assert server.ask("EVT_C_ECHO", echo()).payload["status"] == 0xB002


def test_the_settings_name_and_concurrency_win(server, session_of, worker, run_dir):
    watcher = Watcher(run_dir, "EVT_WORKER_UP")
    worker.bind(evt.EVT_C_ECHO, lambda event: 0)
    session_of(worker, name="other", concurrency=3, generation=7)
    told = watcher.next().body
    assert (told["worker"], told["generation"]) == ("other", 7)
    watcher.stop()


def test_a_hung_handler_ends_the_session(server, session_of, worker, caplog):
    began, go = threading.Event(), threading.Event()

    @worker.on(evt.EVT_C_ECHO, deadline=0.2 * PATIENCE)
    def handle(event):
        if event.message_id == 1:
            began.set()
            go.wait(WAIT)
        return 0xB002

    session = session_of(worker)
    asking = server.asking("EVT_C_ECHO", echo(1))
    assert began.wait(WAIT)
    with pytest.raises(Unanswered):
        asking.result(WAIT)
    ending = session.wait()
    assert (ending.why, ending.status) == (SessionEndReason.HUNG, 1)
    assert session.close(ending) is False
    go.set()
    assert any(r.levelno == logging.ERROR for r in caplog.records)


def test_a_request_for_what_was_unbound_fails(server, session_of, worker, monkeypatch):
    worker.bind(evt.EVT_C_ECHO, lambda event: 0)
    session_of(worker)
    monkeypatch.setattr(worker, "bound", lambda event: ())
    answer = server.ask("EVT_C_ECHO", echo())
    assert answer.payload == {
        "failed": "raised",
        "error": "LookupError: no handler is bound to EVT_C_ECHO any more",
    }


def test_negotiation(server, session_of, worker):
    item = {
        "sop_class_uid": "1.2.3",
        "service_class_uid": "1.2.840.10008.4.2",
        "related_general_sop_class_identification": [],
    }
    worker.bind(evt.EVT_USER_ID, lambda event: (event.primary_field == b"me", None))
    worker.bind(evt.EVT_SOP_EXTENDED, lambda event: event.app_info)
    worker.bind(evt.EVT_SOP_COMMON, lambda event: event.items)
    worker.bind(evt.EVT_ASSOCIATE, lambda event: object())
    session_of(worker)
    who = {"user_id_type": 1, "primary_field": b"me", "secondary_field": b""}
    assert server.ask("EVT_USER_ID", who).payload == {"value": [True, None]}
    info = {"app_info": {"1.2.3": b"\0"}}
    assert server.ask("EVT_SOP_EXTENDED", info).payload == {"value": {"1.2.3": b"\0"}}
    told = server.ask("EVT_SOP_COMMON", {"items": {"1.2.3": item}}).payload
    assert told == {"value": {"1.2.3": item}}
    told = server.ask("EVT_ASSOCIATE", {}).payload
    assert told["failed"] == "bad_status"
    assert "True, False or (result, source, reason)" in told["error"]


@pytest.mark.parametrize(
    ("why", "status"),
    [(SessionEndReason.ASKED, 0), (SessionEndReason.ORPHANED, 0), (SessionEndReason.HUNG, 1),
     (SessionEndReason.ENDED, 1), (SessionEndReason.REFUSED, 3), (SessionEndReason.SUPERSEDED, 4)],
)  # fmt: skip
def test_exit_statuses(why, status):
    assert SessionEnding(why).status == status


def collect(server, event, payload, blob, *, then=None, limit=None):
    """The answers of a stream; `then` is called with the stream after each."""

    async def answers():
        told = []
        async with Stream(server.server, event.name, payload, blob) as stream:
            async for answer in stream:
                told.append(answer)
                if then is not None:
                    then(stream)
                if limit is not None and len(told) >= limit:
                    break
        return told

    return server.run(answers())


def query(**parameters):
    payload = dimse_event(evt.EVT_C_FIND, **parameters)._payload
    return {**payload, "context": [3, "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.1.2"]}


def test_a_cancel_ends_a_stream(server, session_of, worker, blob):
    closed = threading.Event()

    @worker.on(evt.EVT_C_FIND)
    def handle(event):
        try:
            while True:
                yield 0xFF00, decode(b"", "1.2.840.10008.1.2")
        finally:
            closed.set()

    session_of(worker)
    told = collect(server, evt.EVT_C_FIND, query(), blob, then=lambda stream: stream.cancel())
    assert told[-1].payload == {"status": 0xFE00, "elements": {}}
    assert {answer.payload["status"] for answer in told[:-1]} == {0xFF00}
    assert closed.wait(WAIT)


def test_a_stream_that_nobody_reads_frees_its_credit(server, session_of, blob):
    worker = Worker("mine", concurrency=1)

    @worker.on(evt.EVT_C_FIND)
    def handle(event):
        while True:
            yield 0xFF00, decode(b"", "1.2.840.10008.1.2")

    session_of(worker)
    for _ in range(3):
        assert len(collect(server, evt.EVT_C_FIND, query(), blob, limit=1)) == 1


def test_the_time_of_a_destination_is_not_the_handlers(server, session_of, worker, blob):
    def slowly(event):
        threading.Event().wait(1.2 * PATIENCE)
        return 0x0000

    with scp(answer=slowly) as them:

        @worker.on(evt.EVT_C_MOVE, deadline=0.8 * PATIENCE)
        def handle(event):
            yield them.address
            yield 1
            yield 0xFF00, image()

        session = session_of(worker)
        watch = threading.Thread(target=session.wait)
        watch.start()
        payload = query(MoveDestination="THEM")
        told = collect(server, evt.EVT_C_MOVE, payload, blob)
        session.end(SessionEndReason.ASKED)
        watch.join(WAIT)
    statuses = [answer.payload.get("status") for answer in told]
    assert statuses == [None, 0xFF00, 0x0000]


def test_a_hung_member_gets_nothing_more(server, session_of, worker, blob):
    go, began = threading.Event(), threading.Event()

    @worker.on(evt.EVT_C_ECHO, redeliver=True, deadline=0.4 * PATIENCE)
    def handle(event):
        began.set()
        go.wait(WAIT)
        return 0

    session = session_of(worker)
    with pytest.raises(Unanswered):
        server.ask("EVT_C_ECHO", echo(), assoc=blob)
    assert began.is_set()
    ending = session.wait()
    assert ending.why is SessionEndReason.HUNG
    closing = threading.Thread(target=session.close, args=(ending,))
    closing.start()
    closing.join(WAIT)
    began.clear()
    later = session_of(worker_of(lambda event: 0xB000), generation=session.generation)
    assert server.ask("EVT_C_ECHO", echo(), assoc=blob).payload["status"] == 0xB000
    assert not began.is_set()
    go.set()
    later.close(SessionEnding(SessionEndReason.ASKED))


def worker_of(handler):
    made = Worker("mine")
    made.bind(evt.EVT_C_ECHO, handler)
    return made
