"""The connection to PostgreSQL is lost: idle, in the middle, and at the worst moment."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from tests.archive.conftest import entry, kept
from tests.archive.test_index import query
from tests.patience import WALL
from workers.archive.attributes import Level
from workers.archive.index import AddOutcome, IndexFailure, updates

SELF = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
def index(postgres_schema):
    from workers.archive.index.postgres import PostgresIndex

    with PostgresIndex(f"{postgres_schema} application_name=index") as index:
        yield index


@pytest.fixture
def drop(postgres_dsn):
    """Ends the index's connections, as a restart of the server does; gives their number."""
    import psycopg

    def drop() -> int:
        with psycopg.connect(postgres_dsn, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE application_name = 'index'"
            ).fetchall()
            return len(rows)

    return drop


def test_idle_connections_that_the_server_closed_cost_nothing(index, drop):
    index.add(entry("1.1"), kept("1.1"))
    assert index.find("1.1") is not None
    assert drop() == 2
    assert index.add(entry("1.2"), kept("1.2")).outcome is AddOutcome.ADDED
    assert index.find("1.2") == entry("1.2")
    assert drop() == 2
    assert index.count(query(Level.IMAGE)) == 2
    assert len(list(index.search(query(Level.IMAGE, "SOPInstanceUID")))) == 2


def test_many_that_read_at_once_lose_theirs(index, drop):
    index.add(entry("1.1"), kept("1.1"))
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(index._reading())("SELECT 1")
    assert drop() == 5
    for _ in range(6):
        assert index.count(query(Level.IMAGE)) == 1


def test_what_was_interrupted_before_its_commit_is_done_once_more(index):
    attempts = []

    def work(execute):
        attempts.append(1)
        execute("INSERT INTO bucket VALUES ('HERE', 'b', 1)")
        if len(attempts) == 1:
            execute(SELF)
        return "done"

    assert index._write(work) == "done"
    assert len(attempts) == 2
    assert index.buckets("HERE") == {"b": 1}


def test_but_not_for_ever(index):
    attempts = []

    def work(execute):
        attempts.append(1)
        execute(SELF)

    with pytest.raises(IndexFailure):
        index._write(work)
    assert len(attempts) == 2
    assert index.add(entry("1.1"), kept("1.1")).outcome is AddOutcome.ADDED


@pytest.fixture
def lossy(index, monkeypatch):
    """Have the connection lost at the first COMMIT: after it was done, if `committed`."""
    import psycopg

    executing, commits = type(index)._executing, []

    def lose(*, committed: bool) -> None:
        def wrapped(self, connection):
            inner = executing(self, connection)

            def execute(text, parameters=None):
                if text == "COMMIT" and not commits:
                    commits.append(1)
                    if committed:
                        with connection.pipeline():  # whose end waits for the result
                            inner(text, parameters)
                    connection.close()
                    raise psycopg.OperationalError("the connection was lost")
                return inner(text, parameters)

            return execute

        monkeypatch.setattr(type(index), "_executing", wrapped)

    return lose


@pytest.mark.parametrize("committed", [True, False])
def test_an_answer_to_a_commit_that_was_lost(index, lossy, committed: bool):
    """It is not known what has happened; who tries again is right in both cases."""
    lossy(committed=committed)
    with pytest.raises(IndexFailure, match="lost"):
        index.note_buckets("HERE", {"b": 1})
    assert index.buckets("HERE") == ({"b": 1} if committed else {})


@pytest.mark.parametrize("committed", [True, False])
def test_an_instance_is_added_again_then(index, lossy, committed: bool):
    lossy(committed=committed)
    added = index.add(entry("1.1"), kept("1.1"))
    assert added.outcome is (AddOutcome.SAME if committed else AddOutcome.ADDED)
    assert [one.kind for one in index.journal()] == ["stored"]
    assert index.count(query(Level.IMAGE)) == 1


def test_an_error_of_a_statement_is_no_lost_connection(index):
    attempts = []

    def work(execute):
        attempts.append(1)
        execute("SELECT nothing FROM nowhere")

    with pytest.raises(IndexFailure):
        index._write(work)
    assert len(attempts) == 1


def test_the_dsn_may_say_how_long_to_wait(postgres_schema):
    from workers.archive.index.postgres import PostgresIndex

    with PostgresIndex(f"{postgres_schema} keepalives_idle=7") as index:
        said = index._connect()
        parameters = said.info.get_parameters()
        said.close()
    assert (parameters["keepalives_idle"], parameters["tcp_user_timeout"]) == ("7", "30000")


@pytest.fixture
def away(index, monkeypatch):
    """A server that is out of reach; gives a function that says for how many attempts."""
    import psycopg

    from workers.archive.index import postgres

    connect, left = index._connect_once, [0]
    monkeypatch.setattr(postgres, "_PAUSE", 0.0)

    def connect_once(*_):
        if left[0]:
            left[0] -= 1
            raise psycopg.OperationalError("connection refused")
        return connect()

    monkeypatch.setattr(index, "_connect_once", connect_once)

    def away(attempts: int) -> None:
        left[0] = attempts

    return away


def test_a_request_waits_for_a_server_that_comes_back(index, drop, away):
    index.add(entry("1.1"), kept("1.1"))
    index.patience = WALL
    drop()
    away(10)
    assert index.add(entry("1.2"), kept("1.2")).outcome is AddOutcome.ADDED
    drop()
    away(10)
    assert index.find("1.2") is not None


def test_but_no_longer_than_its_patience_from_the_beginning_of_the_outage(index, drop, away):
    index.patience = WALL
    index._away_since = time.monotonic() - WALL
    drop()
    away(1)
    with pytest.raises(IndexFailure, match="refused") as failed:
        index.add(entry("1.1"), kept("1.1"))
    assert failed.value.is_outage
    # and the next outage is another one
    index.find("1.1")
    drop()
    away(1)
    assert index.find("1.1") is None


def test_the_check_does_not_wait(index, away):
    index.patience = WALL
    index.check()
    index._checking.close()
    away(1)
    with pytest.raises(IndexFailure, match="refused"):
        index.check()
    index.check()


def test_an_error_that_waiting_does_not_mend_is_no_outage(index):
    with pytest.raises(IndexFailure) as failed, index._reading() as execute:
        execute("SELECT nothing FROM nowhere")
    assert not failed.value.is_outage


def test_the_statements_of_a_batch_do_not_grow_with_its_instances(index, statements):
    index.add(entry("1.1"), kept("1.1"))
    noted = statements(index)
    index.add_all([(entry(f"2.{n}"), kept(f"2.{n}")) for n in range(50)])
    assert noted == ["BEGIN", "SELECT", "SELECT", "SELECT", "WITH", "COMMIT"]
    assert index.count(query(Level.IMAGE)) == 51


def test_instances_are_found_by_their_key_although_the_plan_is_from_when_there_were_few(index):
    """A plan that reads the whole table would be kept until the server counts its rows again."""
    for number in range(12):  # then psycopg has prepared the statement, and the server its plan
        index.add(entry(f"1.{number}"), kept(f"1.{number}"))
    index.add_all([(entry(f"2.{n}"), kept(f"2.{n}")) for n in range(2000)])

    def read(execute) -> int:
        text = (
            "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'instance' "
            "AND schemaname = current_schema()"
        )
        return execute(text).fetchone()[0]

    def look_up(execute) -> int:
        before = read(execute)
        assert len(updates.find_all(execute, index.dialect, ["2.1", "2.1999"])) == 2
        return read(execute) - before

    assert index._write(look_up) == 0
