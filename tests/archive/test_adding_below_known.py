"""Instances of headers that are known, which PostgreSQL adds without a look at the rows above."""

from __future__ import annotations

import pytest

from tests.archive.conftest import entry, kept
from workers.archive.index import AddOutcome, IndexFailure, SqliteIndex
from workers.archive.index.known_headers import _MOST, _PAUSE, KnownHeaders

ONE_MESSAGE = ["SELECT"]


@pytest.fixture
def opened(postgres_schema):
    """Opens the index again each time it is called, as another host does."""
    from workers.archive.index.postgres import PostgresIndex

    indexes: list[PostgresIndex] = []

    def make() -> PostgresIndex:
        indexes.append(PostgresIndex(postgres_schema))
        return indexes[-1]

    yield make
    for one in indexes:
        one.close()


def batch(*uids: str, series: str = "1.2", study: str = "1.3", received: str = "", **texts: str):
    return [
        (entry(uid)._replace(received=received or uid), kept(uid, series, study, **texts))
        for uid in uids
    ]


def add(index, news):
    return index.add_all(news, absent=frozenset(one.sop_instance_uid for one, _ in news))


def outcomes(added) -> list[AddOutcome]:
    return [one.outcome for one in added]


def test_the_second_batch_of_a_series_is_one_message(opened, statements):
    index = opened()
    add(index, batch("1.1"))
    noted = statements(index)
    added = add(index, batch("1.2", "1.3", "1.4", InstanceNumber="7"))
    assert noted == ONE_MESSAGE
    assert outcomes(added) == [AddOutcome.ADDED] * 3
    assert index.find("1.3") == entry("1.3")._replace(received="1.3")
    assert [line.entry.sop_instance_uid for line in index.journal()] == ["1.1", "1.2", "1.3", "1.4"]


TEXTS = [
    "",
    *('a"b', "a\\b", 'x","y', "NULL", "{}", "a,b", "\x1f\n\t", " Größe ", "\\"),
]


@pytest.mark.parametrize("texts", [TEXTS, [*TEXTS, None], [""], [None], []], ids=repr)
def test_an_array_of_texts_arrives_as_it_was(opened, texts):
    from workers.archive.index.array_insertion import text_array

    with opened()._reading() as execute:
        assert execute("SELECT ?::text[]", (text_array(texts),)).fetchone()[0] == texts


def test_arrays_of_bytes_and_numbers(opened):
    from workers.archive.index.array_insertion import bytes_array, number_array

    with opened()._reading() as execute:
        parameters = bytes_array([b"", b'\0"\\,']), number_array([-1, 1 << 40])
        found = execute("SELECT ?::bytea[], ?::bigint[]", parameters).fetchone()
    assert found == ([b"", b'\0"\\,'], [-1, 1 << 40])


def test_the_rows_are_those_of_the_other_way(opened, tmp_path):
    """With several series and patients, values that only some have, and late arrivals."""
    batches = [
        batch("1.1"),
        batch("1.2", "1.3"),
        batch("2.1", series="2.2", SeriesDescription="other", received="9"),
        batch("1.4", series="1.2", received="0"),
        batch("1.5", InstanceNumber="1", ContentDate="20200101")
        + batch("1.6", InstanceNumber="+2"),
        batch("3.1", study="3.3", PatientID="P2") + batch("1.7", NumberOfFrames='"\\'),
        batch("3.2", study="3.3", PatientID="P2") + batch("1.8"),
        *(batch(f"1.1{n}", InstanceNumber=text) for n, text in enumerate(TEXTS)),
        [one for n, text in enumerate(TEXTS) for one in batch(f"1.2{n}", InstanceNumber=text)],
    ]
    first = opened()
    with SqliteIndex(tmp_path / "index.sqlite") as second:
        for news in batches:
            assert outcomes(add(first, news)) == outcomes(add(second, news))
        for index in (first, second):
            assert not list(index.wrong_studies())
        assert sorted(first.stored_values()) == sorted(second.stored_values())
        assert list(first.studies()) == list(second.studies())
        lines = [
            [(one.kind, one.entry, one.study_instance_uid, one.series_instance_uid) for one in some]
            for some in (first.journal(), second.journal())
        ]
    assert lines[0] == lines[1]


def test_one_that_another_host_has_added_meanwhile(opened):
    first, second = opened(), opened()
    add(first, batch("1.1"))
    second.add(entry("1.2"), kept("1.2"))
    added = add(first, batch("1.2", "1.3"))
    assert outcomes(added) == [AddOutcome.DIFFERENT, AddOutcome.ADDED] or (
        outcomes(added) == [AddOutcome.SAME, AddOutcome.ADDED]
    )
    assert added[0].before == entry("1.2")
    assert first.find("1.3") is not None


def test_one_that_comes_twice_in_a_batch(opened):
    index = opened()
    add(index, batch("1.1"))
    assert outcomes(add(index, batch("1.2", "1.2"))) == [AddOutcome.ADDED, AddOutcome.SAME]


def test_a_header_that_another_host_has_removed_is_made_again(opened):
    first, second = opened(), opened()
    add(first, batch("1.1"))
    assert second.remove(["1.1"])
    assert outcomes(add(first, batch("1.2"))) == [AddOutcome.ADDED]
    assert [one.instances for one in first.studies()] == [1]


def test_nothing_is_added_in_one_message_if_a_newer_header_must_not_lose_its_attributes(opened):
    """The attributes of the study are those of the other series, until the next one is newer."""
    index = opened()
    add(index, batch("1.1", StudyDescription="first"))
    add(index, batch("2.1", series="2.2", StudyDescription="second"))
    assert outcomes(add(index, batch("1.9", StudyDescription="first"))) == [AddOutcome.ADDED]
    assert not list(index.wrong_studies())


@pytest.mark.parametrize("committed", [True, False])
def test_a_connection_that_is_lost_in_the_middle(opened, monkeypatch, committed: bool):
    from workers.archive.index import postgres

    index, really = opened(), postgres.add_below_known
    add(index, batch("1.1"))

    def lose(*arguments):
        if committed:
            assert really(*arguments)
        index._writer.close()
        raise postgres.psycopg.OperationalError("the connection was lost")

    monkeypatch.setattr(postgres, "add_below_known", lose)
    added = add(index, batch("1.2", "1.3"))
    assert outcomes(added) == [AddOutcome.SAME if committed else AddOutcome.ADDED] * 2
    assert [line.entry.sop_instance_uid for line in index.journal()] == ["1.1", "1.2", "1.3"]
    monkeypatch.undo()
    assert outcomes(add(index, batch("1.4"))) == [AddOutcome.ADDED]


def test_who_may_not_make_a_function_adds_in_the_other_way(opened, statements, monkeypatch):
    from workers.archive.index import postgres

    monkeypatch.setattr(postgres, "CREATION", ("CREATE FUNCTION nobody.may() RETURNS int",))
    index = opened()
    add(index, batch("1.1"))
    noted = statements(index)
    assert outcomes(add(index, batch("1.2"))) == [AddOutcome.ADDED]
    assert noted == ["BEGIN", "SELECT", "SELECT", "WITH", "COMMIT"]


def test_a_function_that_is_gone_is_not_called_again(opened, statements):
    index = opened()
    add(index, batch("1.1"))
    index._writer.execute("DROP FUNCTION pg_temp.add_below_known")
    assert outcomes(add(index, batch("1.2"))) == [AddOutcome.ADDED]
    noted = statements(index)
    assert outcomes(add(index, batch("1.3"))) == [AddOutcome.ADDED]
    assert noted[0] == "BEGIN"


def test_a_new_study_waits_three_times_for_the_server(opened, monkeypatch):
    """For the headers, for the study and its assignment, and for the commit."""
    index = opened()
    add(index, batch("1.1"))
    waits = []
    executing = index._executing

    def wrapped(connection):
        execute = executing(connection)

        class Waiting:
            def __init__(self, cursor):
                self.fetchone = lambda: (waits.append("one"), cursor.fetchone())[1]
                self.fetchall = lambda: (waits.append("all"), cursor.fetchall())[1]

        return lambda *statement: Waiting(execute(*statement))

    monkeypatch.setattr(index, "_executing", wrapped)
    add(index, batch("2.1", study="2.3", series="2.2", PatientID="P2"))
    assert waits == ["all", "one", "all"], "the last two answers come together"
    assert not list(index.wrong_studies())
    assert [one.patient_id for one in index.studies()] == ["P1", "P2"]


def test_who_may_not_take_ids_waits_for_each(opened):
    index = opened()
    index.dialect._may_take = False
    add(index, batch("1.1"))
    assert outcomes(add(index, batch("1.2"))) == [AddOutcome.ADDED]
    other = opened()
    add(other, batch("2.1", study="2.3", series="2.2"))
    assert other.dialect._may_take
    assert [one.instances for one in other.studies()] == [2, 1]


def test_a_commit_that_fails_is_no_success(opened):
    """The result of the statement comes before that of the commit."""
    index = opened()
    add(index, batch("1.1"))
    index._writer.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no'; END $$"
    )
    index._writer.execute(
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON journal DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION fail()"
    )
    try:
        (added,) = add(index, batch("1.2"))
    except IndexFailure as failure:
        added = failure
    assert isinstance(added, IndexFailure)
    assert index.find("1.2") is None


def test_what_one_cannot_do_does_not_harm_the_others(opened):
    index = opened()
    add(index, batch("1.1"))
    added = add(index, batch("1.2") + batch("1.3", InstanceNumber="\ud800") + batch("1.4"))
    assert isinstance(added[1], Exception)
    assert outcomes([added[0], added[2]]) == [AddOutcome.ADDED] * 2
    assert index.find("1.3") is None


def test_after_a_failure_the_next_batches_look():
    headers = KnownHeaders()
    headers.used([b"1", b"2"])
    assert headers.are_known([b"1", b"2"])
    headers.failed([b"1"])
    for _ in range(_PAUSE):
        assert not headers.are_known([b"1", b"2"])
        headers.used([b"1"])
    assert headers.are_known([b"1", b"2"])


def test_headers_of_which_nothing_came_for_long_are_forgotten():
    headers = KnownHeaders()
    headers.used(bytes([n // 256, n % 256]) for n in range(_MOST))
    headers.used([b"\0\0"])
    headers.used([b"new"])
    assert headers.are_known([b"new", b"\0\0"])
    assert not headers.are_known([b"\0\1"])
