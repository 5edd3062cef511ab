"""The storage worker with PostgreSQL: files of a batch are written while the one before commits."""

from __future__ import annotations

import threading

import pytest

from gateway import evt
from gateway.sdk.bound_handler import BoundHandler
from gateway.sdk.executor import Executor, HandlerLoop
from tests.patience import WALL
from tests.sdk.batch_requests import told
from tests.sdk.conftest import AnswerReceiver
from tests.workers.test_storage import Running, answers_of, event_of, offer, status_of
from workers.archive.index.postgres import PostgresIndex
from workers.archive.index.records import IndexFailure


@pytest.fixture
def running(tmp_path, postgres_schema):
    with Running(tmp_path, dsn=postgres_schema) as running:
        yield running


def begun(running, *offers):
    """A call whose files are stored, and not in the index."""
    handling = running.storage.store([event_of(one, 1, running.told) for one in offers])
    next(handling)
    return handling


def files(running) -> int:
    return len(list((running.folder / "archive").glob("2*/*/*.dcm")))


def test_files_are_stored_before_the_call_in_front_is_committed(running):
    offers = [offer(None) for _ in range(4)]
    first, second = begun(running, *offers[:2]), begun(running, *offers[2:])
    assert files(running) == 4
    assert running.storage.index.find(offers[0].uid) is None, "a row makes a file the instance"
    assert answers_of(first) == [0, 0]
    assert answers_of(second) == [0, 0]
    assert all(running.storage.index.find(one.uid) for one in offers)


@pytest.mark.parametrize("is_same", [True, False])
def test_one_uid_in_both_is_decided_by_the_order_of_the_calls(running, is_same: bool):
    one, other = offer(None), offer(None)
    body = one.data[one.claim.offset :]
    again = offer(None, uid=one.uid, data_set=body if is_same else body[:-2] + b"\1\2")
    first, second = begun(running, one), begun(running, again, other)
    assert answers_of(first) == [0]
    assert [status_of(one) for one in answers_of(second)] == [0 if is_same else 0xB000, 0]
    entry = running.storage.index.find(one.uid)
    assert entry.digest == one.claim.digest
    assert len(list(running.storage.index.everything())) == 2
    assert len(running.storage.index.conflicts()) == (0 if is_same else 1)


def test_what_was_not_committed_is_added_at_the_next_start(tmp_path, postgres_schema):
    """As after a kill: nobody was told of a success."""
    offers = [offer(None) for _ in range(3)]
    with Running(tmp_path, dsn=postgres_schema) as running:
        first, second = begun(running, *offers[:2]), begun(running, offers[2])
        first.close()
        second.close()
    with Running(tmp_path, dsn=postgres_schema) as running:
        assert all(running.storage.index.find(one.uid) for one in offers)
        assert [running.ask(one, attempt=2) for one in offers] == [0, 0, 0]
        assert files(running) == 3


def test_calls_of_the_worker_overlap_and_are_answered_in_their_order(running, monkeypatch):
    kept, go = threading.Semaphore(0), threading.Event()
    keep, add_all = running.storage.intake.keep, PostgresIndex.add_all

    def keep_and_tell(arrivals):
        cases = keep(arrivals)
        kept.release()
        return cases

    def add_late(self, *arguments, **how):
        assert go.wait(WALL)
        return add_all(self, *arguments, **how)

    monkeypatch.setattr(running.storage.intake, "keep", keep_and_tell)
    monkeypatch.setattr(PostgresIndex, "add_all", add_late)
    acceptor, loop = AnswerReceiver(), HandlerLoop()
    executor = Executor(8, acceptor.send, loop=loop)
    executor.start()
    bound = BoundHandler(evt.EVT_C_STORE, running.storage.store, batch=64)
    try:
        for token in "ab":
            event = event_of(offer(None), 1, running.told)
            executor.submit(token, bound, event, WALL)
            assert kept.acquire(timeout=WALL)
        assert acceptor.replies.empty()
        go.set()
        assert list(told(acceptor, 2)) == ["a", "b"]
    finally:
        go.set()
        executor.stop()
        executor.drain(WALL)
        loop.stop()


def test_an_index_that_fails_in_one_call_does_not_stop_the_next(running, monkeypatch):
    def fail(*_, **__):
        monkeypatch.undo()
        raise IndexFailure("gone")

    first, second = begun(running, offer(None)), begun(running, offer(None))
    monkeypatch.setattr(PostgresIndex, "add_all", fail)
    assert [status_of(one) for one in answers_of(first)] == [0xA700]
    assert answers_of(second) == [0]


def test_with_sqlite_a_call_is_whole(tmp_path):
    with Running(tmp_path) as running:
        handling = running.storage.store([event_of(offer(None), 1, running.told)])
        with pytest.raises(StopIteration) as ended:
            next(handling)
    assert ended.value.value == [0]
