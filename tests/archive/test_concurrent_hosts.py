"""Several hosts change one index in PostgreSQL at the same time, and one of them hangs."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.archive.conftest import entry, kept
from tests.patience import WALL
from tests.peers import procfs
from workers.archive.attributes import Level
from workers.archive.index import AddOutcome, updates
from workers.archive.index.journal_order import BITS, order_journal
from workers.archive.index.placing import above_of
from workers.archive.index.search import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workers.archive.index.postgres import PostgresIndex


@pytest.fixture
def opened(postgres_schema) -> Iterator[Callable[[], PostgresIndex]]:
    from workers.archive.index.postgres import PostgresIndex

    every: list[PostgresIndex] = []

    def open_one() -> PostgresIndex:
        every.append(PostgresIndex(postgres_schema))
        return every[-1]

    yield open_one
    for one in every:
        one.close()


@contextmanager
def added_without_commit(index: PostgresIndex, uid: str, **texts: str) -> Iterator[None]:
    """An instance is added by a host that hangs in its transaction until the block ends."""
    with index._transaction() as execute:
        adding = updates.Adding(index.dialect, index._insert)
        above = above_of(kept(uid, **texts))
        index._lock_studies(execute, [texts.get("study", "1.3")])
        adding.begin(execute, [entry(uid)], {above})
        adding.add(execute, entry(uid), kept(uid, **texts), above)
        adding.finish(execute)
        yield


def kinds(index: PostgresIndex) -> list[str]:
    return [one.entry.sop_instance_uid for one in index.journal()]


def test_a_host_that_hangs_holds_up_nobody_elses_studies(opened):
    hung, other = opened(), opened()
    with added_without_commit(hung, "1.1", study="1.3"):
        for number in range(3):
            uid = f"2.{number}"
            added = other.add(entry(uid), kept(uid, "2.8", f"2.9.{number}", PatientID="P2"))
            assert added.outcome is AddOutcome.ADDED


def test_one_that_hangs_with_the_same_study_loses_its_transaction(opened, monkeypatch):
    """Those that wait for it end it: the server does not where statements are pipelined."""
    from workers.archive.index import postgres
    from workers.archive.index.database_session import LIMITS

    monkeypatch.setattr(postgres, "_HUNG", 0.2)
    monkeypatch.setitem(LIMITS, "idle_in_transaction_session_timeout", 0)
    monkeypatch.setitem(LIMITS, "lock_timeout", 100)
    hung, other = opened(), opened()
    with pytest.raises(postgres.psycopg.Error), added_without_commit(hung, "1.1", study="1.3"):
        assert other.add(entry("1.2"), kept("1.2")).outcome is AddOutcome.ADDED
    # what it had in hand is then done by the next attempt
    assert hung.add(entry("1.1"), kept("1.1")).outcome is AddOutcome.ADDED
    assert kinds(other) == ["1.2", "1.1"]


def test_one_that_hangs_is_ended_although_nobody_waits_for_its_locks(opened, monkeypatch):
    """The readers of the journal do wait for it."""
    from workers.archive.index import postgres
    from workers.archive.index.database_session import LIMITS

    monkeypatch.setattr(postgres, "_HUNG", WALL)
    monkeypatch.setitem(LIMITS, "idle_in_transaction_session_timeout", 0)
    hung, other = opened(), opened()
    with ExitStack() as hanging:
        hanging.enter_context(added_without_commit(hung, "1.1", study="1.3"))
        other.add(entry("2.1"), kept("2.1", "2.2", "2.3", PatientID="P2"))
        assert other.end_hung() == 0  # not so soon
        monkeypatch.setattr(postgres, "_HUNG", -1.0)
        procfs.until(lambda: other.end_hung() == 1, what="a backend that waits for its client")
        procfs.until(lambda: kinds(other) == ["2.1"], what="the end of that transaction")
        with pytest.raises(postgres.psycopg.Error):
            hanging.close()


def test_the_limits_are_below_what_a_host_may_cost_another(opened):
    index = opened()
    with index._reading() as execute:
        told = execute(
            "SELECT current_setting('idle_in_transaction_session_timeout'), "
            "current_setting('lock_timeout'), current_setting('statement_timeout')"
        ).fetchone()
    assert told == ("3s", "800ms", "1min")


def test_the_journal_shows_no_line_before_one_that_can_still_appear_in_front_of_it(opened):
    first, second = opened(), opened()
    with added_without_commit(first, "1.1", study="1.3"):
        second.add(entry("2.1"), kept("2.1", "2.2", "2.3", PatientID="P2"))
        assert kinds(second) == []
    lines = second.journal()
    assert {one.entry.sop_instance_uid for one in lines} == {"1.1", "2.1"}
    assert [one.seq for one in lines] == sorted(one.seq for one in lines)
    cursor = lines[-1].seq
    second.add(entry("2.2"), kept("2.2", "2.2", "2.3", PatientID="P2"))
    assert [one.entry.sop_instance_uid for one in second.journal(cursor)] == ["2.2"]


def test_lines_of_one_transaction_are_in_the_order_in_which_they_were_written(opened):
    index = opened()
    uids = [f"1.{number}" for number in range(1, 30)]
    index.add_all([(entry(uid), kept(uid)) for uid in uids])
    assert kinds(index) == uids
    numbers = [one.seq for one in index.journal()]
    assert numbers == list(range(numbers[0], numbers[0] + len(uids)))


def test_numbers_go_on_in_a_database_that_was_restored(opened, postgres_schema):
    """Its transactions are numbered anew, so that the lines are ahead of it."""
    import psycopg

    index = opened()
    index.add(entry("1.1"), kept("1.1"))
    (line,) = index.journal()
    ahead = line.seq + (10_000_000 << BITS)
    with psycopg.connect(postgres_schema, autocommit=True) as connection:
        connection.execute("UPDATE journal SET seq = %s", (ahead,))
    after = opened()
    after.add(entry("1.2"), kept("1.2"))
    assert [one.entry.sop_instance_uid for one in after.journal(ahead)] == ["1.2"]
    assert [one.entry.sop_instance_uid for one in index.journal()] == ["1.1", "1.2"]


def test_the_base_stays_when_nothing_is_ahead(opened):
    index = opened()
    index.add(entry("1.1"), kept("1.1"))

    def base(execute):
        order_journal(execute)
        return execute("SELECT base FROM journal_base").fetchone()[0]

    assert index._write(base) == index._write(base)


def test_hosts_that_store_the_same_studies_agree_in_the_end(opened):
    """The same patients, studies, series and instances, from three hosts at once."""
    hosts = [opened() for _ in range(3)]
    uids = [f"1.{number}" for number in range(1, 41)]
    wrong: list[object] = []

    def store(host: PostgresIndex, order: list[str]) -> None:
        for at in range(0, len(order), 5):
            news = [(_at(uid), _texts(uid)) for uid in order[at : at + 5]]
            wrong.extend(one for one in host.add_all(news) if isinstance(one, Exception))

    def _at(uid: str):
        return entry(uid)._replace(received=f"20260101-{int(uid[2:]):06d}")

    def _texts(uid: str):
        number = int(uid[2:])
        study, patient = f"3.{number % 4}", f"P{number % 2}"
        return kept(
            uid,
            f"2.{number % 6}",
            study,
            PatientID=patient,
            PatientName=f"Name^{number % 3}",
            StudyDescription=f"d{number}",
        )

    orders = [uids, uids[::-1], uids[20:] + uids[:20]]
    threads = [
        threading.Thread(target=store, args=pair) for pair in zip(hosts, orders, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WALL)
    assert wrong == []
    assert hosts[0].count(Query(Level.IMAGE)) == len(uids)
    assert sorted(kinds(hosts[1])) == sorted(uids)
    assert list(hosts[2].wrong_studies()) == []


def test_hosts_that_remove_and_store_in_one_study_do_not_lose_it(opened):
    one, other = opened(), opened()
    for number in range(20):
        one.add(entry(f"1.{number}"), kept(f"1.{number}", StudyDescription=f"d{number}"))
    removing = threading.Thread(
        target=lambda: [one.remove([f"1.{number}"]) for number in range(20)]
    )
    removing.start()
    for number in range(20, 40):
        added = other.add(entry(f"1.{number}"), kept(f"1.{number}"))
        assert added.outcome is AddOutcome.ADDED
    removing.join(WALL)
    assert one.count(Query(Level.IMAGE)) == 20
    assert list(one.wrong_studies()) == []
