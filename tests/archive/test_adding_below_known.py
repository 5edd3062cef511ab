"""Instances of headers that are known, which PostgreSQL adds without a look at the rows above."""

from __future__ import annotations

import pytest

from tests.archive.conftest import entry, kept
from workers.archive.index import AddOutcome, SqliteIndex
from workers.archive.index.known_headers import _MOST, _PAUSE, KnownHeaders

ONE_MESSAGE = ["BEGIN", "SELECT", "WITH", "COMMIT"]


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


@pytest.fixture
def statements(monkeypatch):
    """Notes the statements of an index, by their first words."""

    def watch(index) -> list[str]:
        noted: list[str] = []
        executing = index._executing

        def wrapped(connection):
            execute = executing(connection)
            return lambda text, *rest: (noted.append(text.split()[0]), execute(text, *rest))[1]

        monkeypatch.setattr(index, "_executing", wrapped)
        return noted

    return watch


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
    import psycopg

    index = opened()
    add(index, batch("1.1"))
    commit, lost = index._commit, []

    def lose(execute):
        if lost:
            commit(execute)
            return
        lost.append(1)
        if committed:
            with index._writer.pipeline():  # whose end waits for the result
                commit(execute)
        index._writer.close()
        raise psycopg.OperationalError("the connection was lost")

    monkeypatch.setattr(index, "_commit", lose)
    added = add(index, batch("1.2", "1.3"))
    assert outcomes(added) == [AddOutcome.SAME if committed else AddOutcome.ADDED] * 2
    assert [line.entry.sop_instance_uid for line in index.journal()] == ["1.1", "1.2", "1.3"]


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
