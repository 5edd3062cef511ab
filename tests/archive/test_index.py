"""One suite for every implementation of the index."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.sdk import ConfigError
from tests.archive.conftest import entry, kept
from workers.archive.attributes import BY_KEYWORD, Level
from workers.archive.identifier import STUDY_ROOT, Model, find_query
from workers.archive.index import AddOutcome, IndexFailure, schema, updates
from workers.archive.index.search import COMPUTED, Query
from workers.archive.matching import conditions


def query(level: Level, *keywords: str, **keys: str) -> Query:
    found = [
        (BY_KEYWORD[keyword].level, condition)
        for keyword, text in keys.items()
        if keyword != "ModalitiesInStudy"
        for condition in conditions(BY_KEYWORD[keyword], text)
    ]
    modalities = conditions(BY_KEYWORD["Modality"], keys.get("ModalitiesInStudy", ""))
    return Query(
        level,
        tuple(BY_KEYWORD[k] for k in keywords if k in BY_KEYWORD),
        tuple(COMPUTED[k] for k in keywords if k in COMPUTED),
        tuple(found),
        modalities,
    )


def test_kinds_of_files_come_with_their_number_and_most_files_first(index):
    ct, mr = entry("1.1").sop_class_uid, "1.2.840.10008.5.1.4.1.1.4"
    index.add(entry("1.1")._replace(sop_class_uid=mr), kept("1.1"))
    for number in range(2, 5):
        index.add(entry(f"1.{number}"), kept(f"1.{number}"))
    index.add(entry("1.5")._replace(transfer_syntax_uid="1.2.840.10008.1.2"), kept("1.5"))
    index.add(entry("1.6"), kept("1.6", "2.2", "2.3"))
    assert index.kinds(query(Level.IMAGE, StudyInstanceUID="1.3")) == [
        (ct, "1.2.840.10008.1.2.1", 3),
        (ct, "1.2.840.10008.1.2", 1),
        (mr, "1.2.840.10008.1.2.1", 1),
    ]
    assert index.kinds(query(Level.IMAGE, StudyInstanceUID="9.9")) == []


class TestAdding:
    def test_what_was_added_is_found_as_it_was(self, index):
        one = entry("1.1")
        assert index.add(one, kept("1.1")).outcome is AddOutcome.ADDED
        assert index.find("1.1") == one
        assert index.find("1.2") is None

    def test_another_connection_sees_it_at_once(self, open_index):
        first, second = open_index(), open_index()
        first.add(entry("1.1"), kept("1.1"))
        assert second.find("1.1") == entry("1.1")

    def test_the_same_again_is_the_same(self, index):
        index.add(entry("1.1"), kept("1.1"))
        again = index.add(entry("1.1", path="a/b/c.dcm"), kept("1.1"))
        assert (again.outcome, again.before) == (AddOutcome.SAME, entry("1.1"))
        assert index.count(query(Level.IMAGE)) == 1
        assert len(index.journal()) == 1

    def test_another_content_does_not_replace_the_first(self, index):
        index.add(entry("1.1"), kept("1.1"))
        other = index.add(entry("1.1", b"other"), kept("1.1"))
        assert other.outcome is AddOutcome.DIFFERENT
        assert index.find("1.1") == entry("1.1")

    def test_unless_it_shall(self, index):
        index.add(entry("1.1"), kept("1.1"))
        other = entry("1.1", b"other", path="x/y/z.dcm")
        standing = index.add(other, kept("1.1", study="1.9"), replace=True)
        assert (standing.outcome, standing.before) == (AddOutcome.REPLACED, entry("1.1"))
        assert index.find("1.1") == other
        assert index.to_delete("HERE") == [entry("1.1").path]
        assert [study.study_instance_uid for study in index.studies()] == ["1.9"]
        index.deleted("HERE", index.to_delete("HERE"))
        assert index.to_delete("HERE") == []

    def test_from_many_threads_each_once(self, open_index):
        indexes = [open_index(), open_index()]

        def add(number: int) -> AddOutcome:
            uid = f"1.{number // 4}"
            return indexes[number % 2].add(entry(uid), kept(uid, series=f"2.{number % 3}")).outcome

        with ThreadPoolExecutor(16) as pool:
            outcomes = list(pool.map(add, range(200)))
        assert outcomes.count(AddOutcome.ADDED) == 50
        assert outcomes.count(AddOutcome.SAME) == 150
        assert indexes[0].count(query(Level.IMAGE)) == 50
        assert index_numbers(indexes[1]) == sorted(index_numbers(indexes[1]))

    def test_what_one_cannot_do_does_not_harm_the_others(self, index):
        broken = entry("1.1")._replace(path=None)
        with pytest.raises(IndexFailure):
            index.add(broken, kept("1.1"))
        assert index.add(entry("1.2"), kept("1.2")).outcome is AddOutcome.ADDED
        assert index.find("1.1") is None
        assert index.count(query(Level.PATIENT)) == 1

    def test_many_in_one_transaction(self, index):
        index.add(entry("1.9"), kept("1.9"))
        news = [
            (entry("1.1"), kept("1.1")),
            (entry("1.2"), kept("1.2", series="2.2")),
            (entry("1.1", path="a/b/c.dcm"), kept("1.1")),
            (entry("1.1", b"other"), kept("1.1")),
            (entry("1.9", b"other"), kept("1.9")),
        ]
        standings = index.add_all(news)
        assert [one.outcome.value for one in standings] == [
            *("added", "added", "same", "different", "different")
        ]
        assert standings[2].before == standings[3].before == entry("1.1")
        assert [one.entry.sop_instance_uid for one in index.journal()] == ["1.9", "1.1", "1.2"]
        assert [index.count(query(level)) for level in Level] == [1, 1, 2, 3]
        assert index.find_all(["1.2", "1.3", "1.9"]) == {u: entry(u) for u in ("1.2", "1.9")}
        assert index.add_all([]) == []

    @pytest.mark.parametrize("replace", [False, True])
    def test_what_was_absent_may_have_been_added_meanwhile(self, index, replace):
        index.add(entry("1.1"), kept("1.1"))
        index.add(entry("1.2"), kept("1.2"))
        news = [
            (entry("1.1", path="a/b/c.dcm"), kept("1.1")),
            (entry("1.2", b"other", path="a/b/d.dcm"), kept("1.2")),
            (entry("1.3"), kept("1.3")),
        ]
        absent = frozenset(one.sop_instance_uid for one, _ in news)
        found = index.add_all(news, replace=replace, absent=absent)
        expected = ("replaced", "replaced") if replace else ("same", "different")
        assert [one.outcome.value for one in found] == [*expected, "added"]
        assert [one.before for one in found] == [entry("1.1"), entry("1.2"), None]
        assert index.count(query(Level.IMAGE)) == 3

    def test_what_is_absent_is_not_looked_for(self, index, monkeypatch):
        monkeypatch.setattr(updates, "_search", lambda *_: pytest.fail("looked for"))
        news = [(entry(uid), kept(uid)) for uid in ("1.1", "1.2")]
        found = index.add_all(news, absent=frozenset({"1.1", "1.2"}))
        assert [one.outcome for one in found] == [AddOutcome.ADDED] * 2

    def test_many_of_which_one_replaces_the_other(self, index):
        news = [
            (entry("1.1"), kept("1.1")),
            (entry("1.1", b"other", path="a/b/c.dcm"), kept("1.1", study="1.9")),
            (entry("1.2"), kept("1.2")),
        ]
        first, second, third = index.add_all(news, replace=True)
        assert (first.outcome, third.outcome) == (AddOutcome.ADDED, AddOutcome.ADDED)
        assert (second.outcome, second.before) == (AddOutcome.REPLACED, entry("1.1"))
        assert [one.kind for one in index.journal()] == ["stored", "replaced", "stored"]
        assert {s.study_instance_uid for s in index.studies()} == {"1.3", "1.9"}

    def test_what_one_of_many_cannot_do_does_not_harm_the_others(self, index):
        broken = entry("1.2")._replace(path=None)
        news = [(entry("1.1"), kept("1.1")), (broken, kept("1.2", series="2.2", study="2.3"))]
        news += [(entry("1.3"), kept("1.3", series="2.2", study="2.3")), (broken, kept("1.2"))]
        first, second, third, fourth = index.add_all(news)
        assert (first.outcome, third.outcome) == (AddOutcome.ADDED, AddOutcome.ADDED)
        assert isinstance(second, IndexFailure)
        assert isinstance(fourth, IndexFailure)
        assert [one.entry.sop_instance_uid for one in index.journal()] == ["1.1", "1.3"]
        assert [index.count(query(level)) for level in Level] == [1, 2, 2, 2]

    def test_without_any_uid_above(self, index):
        index.add(entry("1.1"), kept("1.1", series="", study="", PatientID=""))
        index.add(entry("1.2"), kept("1.2", series="", study="1.3", PatientID=""))
        assert [index.count(query(level)) for level in Level] == [1, 1, 0, 2]

    def test_text_that_means_something_to_sql(self, index):
        text = "'; DROP TABLE instance; -- %_?\\\"\x1b"
        index.add(entry("1.1"), kept("1.1", PatientName=text, StudyDescription=text))
        assert list(index.search(query(Level.STUDY, "StudyDescription"))) == [(text,)]


def index_numbers(index) -> list[int]:
    return [one.seq for one in index.journal()]


class TestJournal:
    def test_each_thing_that_happened_in_its_order(self, index):
        index.add(entry("1.1"), kept("1.1"))
        index.set_aside(entry("1.1", b"other", path="c/d/e.dcm"))
        index.add(entry("1.1", b"third", path="f/g/h.dcm"), kept("1.1"), replace=True)
        index.remove(["1.1", "1.2"])
        journal = index.journal()
        assert [one.kind for one in journal] == ["stored", "conflict", "replaced", "removed"]
        assert journal[0].entry == entry("1.1")
        assert (journal[0].study_instance_uid, journal[0].series_instance_uid) == ("1.3", "1.2")
        assert (journal[3].study_instance_uid, journal[3].series_instance_uid) == ("1.3", "1.2")

    def test_a_line_for_each_of_many_with_the_uids_of_its_own_series(self, index):
        index.add(entry("1.9"), kept("1.9"))
        news = [
            (
                entry(f"1.1.{n}", path=f"a/b/{n}.dcm")._replace(received=f"{n:013x}"),
                kept(
                    f"1.1.{n}",
                    f"2.{n % 3 % 2}",
                    "3.1",
                    **({"InstanceNumber": "7"} if n % 5 else {}),
                ),
            )
            for n in range(47)
        ]
        assert {one.outcome for one in index.add_all(news)} == {AddOutcome.ADDED}
        assert index.find_all([one.sop_instance_uid for one, _ in news]) == {
            one.sop_instance_uid: one for one, _ in news
        }
        lines = {line.entry: line for line in index.journal()[1:]}
        assert len(lines) == len(index.journal()) - 1 == len(news)
        for one, texts in news:
            line = lines[one]
            uids = line.study_instance_uid, line.series_instance_uid
            assert (line.kind, *uids) == ("stored", "3.1", texts["SeriesInstanceUID"])
        numbered = query(Level.IMAGE, InstanceNumber="7")
        assert index.count(numbered) == sum(n % 5 > 0 for n in range(47))

    def test_a_consumer_goes_on_where_it_was(self, index):
        for n in range(5):
            index.add(entry(f"1.{n}"), kept(f"1.{n}"))
        first = index.journal(limit=2)
        rest = index.journal(first[-1].seq)
        assert [one.entry.sop_instance_uid for one in (*first, *rest)] == [
            f"1.{n}" for n in range(5)
        ]
        assert index.journal(rest[-1].seq) == []

    def test_numbers_are_never_given_twice(self, open_index):
        index = open_index()
        index.add(entry("1.1"), kept("1.1"))
        index.remove(["1.1"])
        last = index.journal()[-1].seq
        index.close()
        index = open_index()
        index.add(entry("1.1"), kept("1.1"))
        assert index.journal(last)[0].kind == "stored"


class TestFiles:
    def test_what_lies_in_a_folder(self, index):
        index.add(entry("1.1", path="20260101/a/x.dcm"), kept("1.1"))
        index.add(entry("1.2", path="20260101/ab/y.dcm"), kept("1.2"))
        index.set_aside(entry("1.1", b"other", path="20260101/a/z.dcm"))
        below = index.below("20260101/a")
        assert {(one.entry.path, one.is_conflict) for one in below} == {
            ("20260101/a/x.dcm", False),
            ("20260101/a/z.dcm", True),
        }
        assert [one.path for one in index.conflicts()] == ["20260101/a/z.dcm"]
        index.drop_conflict(index.conflicts()[0])
        assert index.conflicts() == []

    def test_removing_the_last_removes_what_is_above(self, index):
        index.add(entry("1.1"), kept("1.1", series="2.1"))
        index.add(entry("1.2"), kept("1.2", series="2.2"))
        assert index.remove(["1.1"]) == [entry("1.1")]
        assert [index.count(query(level)) for level in Level] == [1, 1, 1, 1]
        index.forget("1.2")
        assert [index.count(query(level)) for level in Level] == [0, 0, 0, 0]
        assert index.to_delete("HERE") == [entry("1.1").path]

    def test_a_file_that_moved(self, index):
        index.add(entry("1.1"), kept("1.1"))
        index.relocate(entry("1.1", path="n/e/w.dcm"))
        assert index.find("1.1").path == "n/e/w.dcm"

    def test_buckets_of_each_holder(self, index):
        index.note_buckets("HERE", {"a": 1, "b": 2})
        index.note_buckets("HERE", {"a": 3})
        index.note_buckets("THERE", {"a": 9})
        assert index.buckets("HERE") == {"a": 3, "b": 2}


class TestSearching:
    def test_one_row_an_entity_with_its_counts(self, index):
        for n in range(4):
            index.add(
                entry(f"1.{n}"), kept(f"1.{n}", series=f"2.{n // 2}", Modality="CMTR"[n // 2])
            )
        wanted = (
            *("StudyInstanceUID", "ModalitiesInStudy", "NumberOfStudyRelatedSeries"),
            *("NumberOfStudyRelatedInstances", "SOPClassesInStudy"),
        )
        (row,) = index.search(query(Level.STUDY, *wanted))
        assert set(row) == {"1.3", "C\\M", 2, 4, "1.2.840.10008.5.1.4.1.1.2"}
        (row,) = index.search(
            query(
                Level.PATIENT,
                *("NumberOfPatientRelatedStudies", "NumberOfPatientRelatedSeries"),
                "NumberOfPatientRelatedInstances",
            )
        )
        assert row == (1, 2, 4)
        rows = list(index.search(query(Level.SERIES, "NumberOfSeriesRelatedInstances")))
        assert rows == [(2,), (2,)]
        (summary,) = index.studies()
        assert (summary.series, summary.instances, summary.modalities) == (2, 4, "C\\M")

    def test_more_than_a_page(self, index, monkeypatch):
        from workers.archive.index import reader, search

        monkeypatch.setattr(reader, "PAGE", 3)
        monkeypatch.setattr(search.Statement.page, "__defaults__", (3,))
        monkeypatch.setattr(search.Statement.files, "__defaults__", (3,))
        for n in range(10):
            index.add(entry(f"1.{n}"), kept(f"1.{n}"))
        rows = [row[0] for row in index.search(query(Level.IMAGE, "SOPInstanceUID"))]
        assert rows == [f"1.{n}" for n in range(10)]
        assert [one.sop_instance_uid for one in index.everything()] == rows

    def test_a_list_of_a_hundred_thousand_uids(self, index):
        index.add(entry("1.1"), kept("1.1"))
        uids = "\\".join(f"1.{n}" for n in range(100_000))
        rows = list(index.search(query(Level.IMAGE, "SOPInstanceUID", SOPInstanceUID=uids)))
        assert rows == [("1.1",)]

    def test_a_wildcard_key_of_ten_megabytes(self, index):
        index.add(entry("1.1"), kept("1.1"))
        for text in ("a*" * 5_000_000, "?" * 10_000_000, "x" * 10_000_000):
            assert list(index.search(query(Level.STUDY, PatientName=text))) == []
        stars = "*" * 10_000_000
        assert index.count(query(Level.STUDY, PatientName=f"{stars}doe{stars}")) == 1

    def test_modalities_in_study(self, index):
        index.add(entry("1.1"), kept("1.1", series="2.1", Modality="CT"))
        index.add(entry("1.2"), kept("1.2", series="2.2", Modality="SR"))
        for key, number in {
            "CT": 1,
            "MR": 0,
            "MR\\SR": 1,
            "S?": 1,
            "": 1,
            "ct": 0,
            "MR\\C?": 1,
        }.items():
            assert index.count(query(Level.STUDY, ModalitiesInStudy=key)) == number, key


MATCHES = [
    ("PatientID", "P_1%", "P_1%", True),
    ("PatientID", "P_1%", "Pa1b", False),
    ("PatientID", "Pa1b", "P_1%", False),
    ("PatientID", "Pa1b", "P?1*", True),
    ("PatientID", "Pa1b", "p?1*", False),
    ("PatientID", "Pa1b", "*b", True),
    ("PatientID", "Pa1b", "Pa1", False),
    ("PatientID", "Pa1b", "Pa1?", True),
    ("PatientID", "Pa1b", "Pa1b?", False),
    ("PatientID", "Pa1b", "Pa1b*", True),
    ("PatientID", "[x]", "[x]*", True),
    ("PatientID", "a\\b"[:1] + "%", "a%*", True),
    ("PatientName", "Doe^Jane", "doe^jane", True),
    ("PatientName", "Doe^Jane", "DOE*", True),
    ("PatientName", "Doe^Jane^^", "Doe^Jane", True),
    ("PatientName", "Doe^Jane", "Doe", False),
    ("PatientName", "Äneas^Ülf", "äNEAS*", True),
    ("PatientName", "Yamada^Tarou=山田^太郎=やまだ^たろう", "yamada*", True),
    ("PatientName", "Yamada^Tarou=山田^太郎=やまだ^たろう", "山田*", True),
    ("PatientName", "Yamada^Tarou=山田^太郎=やまだ^たろう", "*=山田^太郎", True),
    ("PatientName", "Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada*=山本*", False),
    (
        "PatientName",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        True,
    ),
    ("StudyInstanceUID", "1.2.3", "1.2.3", True),
    ("StudyInstanceUID", "1.2.3", "1.2.4\\1.2.3", True),
    ("StudyInstanceUID", "1.2.3", "1.2", False),
    ("StudyDate", "20240131", "20240131", True),
    ("StudyDate", "2024.01.31", "20240131", True),
    ("StudyDate", "20240131", "20240101-20240131", True),
    ("StudyDate", "20240131", "-20240130", False),
    ("StudyDate", "20240131", "20240131-", True),
    ("StudyDate", "", "20240131-", False),
    ("StudyTime", "101530", "101530", True),
    ("StudyTime", "101530.5", "101530", True),
    ("StudyTime", "101530", "10", True),
    ("StudyTime", "101530", "1000-1015", True),
    ("StudyTime", "101530", "-1014", False),
    ("StudyTime", "1015", "101500-", True),
    ("AcquisitionDateTime", "20240131101530+0100", "20240131091530", True),
    ("AcquisitionDateTime", "20240131101530", "202401-202402", True),
    ("AcquisitionDateTime", "20240131101530", "202401 - 202402", True),
    ("AcquisitionDateTime", "20240131101530", "20240131101531-", False),
    ("AcquisitionDateTime", "20240131101530", "-20240131101530", True),
    ("AcquisitionDateTime", "20240131101530-0500", "20240131151530", True),
    ("SeriesNumber", "007", "7", True),
    ("SeriesNumber", "7", "+07", True),
    ("SeriesNumber", "7", "8", False),
    ("PatientID", "", "*", True),
    ("PatientID", "", "**", True),
    ("PatientID", "", "?", False),
    ("PatientID", "", "?*", False),
    ("PatientID", "P1", "  P1 ", True),
    ("PatientID", "P1", "P1\0", True),
    ("PatientID", "P1", "P\0 1", False),
    ("PatientID", "P 1", "P 1", True),
    ("PatientID", "p1", "P1", False),
    ("PatientID", "a\ud7ffb", "a\ud7ff*", True),
    ("PatientID", "a\U0010ffffb", "a\U0010ffff*", True),
    ("PatientID", "a\U0010ffffb", "a?b", True),
    ("PatientName", "", "*", True),
    ("PatientName", "", "*^*", True),
    ("PatientName", "", "Doe*", False),
    ("PatientName", "Doe", "doe^*", True),
    ("PatientName", "Doe^Jane", "doe^*", True),
    ("PatientName", "Doe^Jane^M", "doe^*^*", True),
    ("PatientName", "Doe", "doe^*^*", True),
    ("PatientName", "Doe^Jane", "doe^^", False),
    ("PatientName", "Doe", "doe^^", True),
    ("PatientName", "Doering^Jane", "doe^*", False),
    ("PatientName", "Doe", "d*^*", True),
    ("PatientName", "Doe^Jane", "*^jane", True),
    ("PatientName", "Doe^Jane", "*jane", True),
    ("PatientName", "Doe ^ Jane ", "doe^jane", True),
    ("PatientName", "Doe^Jane", "doe?jane", True),
    ("PatientName", "Wang^Xiao=王^小東", "=王^*", True),
    ("PatientName", "Wang^Xiao=王", "=王^*", True),
    ("PatientName", "Wang^Xiao=王^小東", "=Wang*", False),
    ("PatientName", "Wang^Xiao=王^小東", "=*=*", True),
    ("StudyDate", "", "-20240130", False),
    ("StudyDate", "", "", True),
    ("StudyDate", "", "*", True),
    ("StudyDate", "20240131", "*", True),
    ("StudyDate", "20240131", "20240101 - 20240131 ", True),
    ("StudyDate", "20240131", "20240201-20240101", False),
    ("StudyTime", "", "-10", False),
    ("StudyTime", "101530", "-10", True),
    ("StudyTime", "110000", "-10", False),
    ("StudyTime", "101530", "10-", True),
    ("StudyTime", "101530", "10-11", True),
    ("StudyTime", "115959.999999", "10-11", True),
    ("StudyTime", "120000", "10-11", False),
    ("StudyTime", "101530.25", "101530.2-101530.3", True),
    ("StudyTime", "101530.25", "101530.25", True),
    ("StudyTime", "101530.25", "101530.2", True),
    ("StudyTime", "101530.3", "101530.2", False),
    ("StudyTime", "101530.3", "-101530.2", False),
    ("StudyTime", "101530.29", "-101530.2", True),
    ("StudyTime", "10:15:30", "1015", True),
    ("StudyTime", "101530", "*", True),
    ("AcquisitionDateTime", "", "-2024", False),
    ("AcquisitionDateTime", "2024", "20240601", False),
    ("AcquisitionDateTime", "20240131101530", "2024", True),
    ("AcquisitionDateTime", "20240131101530", "2024-", True),
    ("AcquisitionDateTime", "20240131101530", "2023-2024", True),
    ("AcquisitionDateTime", "20240131101530", "2024013110-2024013110", True),
    ("AcquisitionDateTime", "20240131101530", "20240131101530+0000-", True),
    ("AcquisitionDateTime", "20240131101530", "20240131101530-0100-", False),
    ("SeriesNumber", "", "*", True),
    ("SeriesNumber", "", "7", False),
    ("Modality", "CT", "CT\\MR", True),
    ("Modality", "CT", "MR\\C?", True),
    ("Modality", "CT", "MR\\P*", False),
    ("Modality", "CT", "MR\\*", True),
    ("Modality", "", "MR\\*", True),
    ("Modality", "CT", " CT \\ MR", True),
    ("Modality", "", "MR\\CT", False),
    ("Modality", "CT", "MR\\", False),
    ("Modality", "CT", "MR\\PT", False),
]


@pytest.mark.parametrize(("keyword", "value", "key", "matches"), MATCHES)
def test_matching(index, keyword, value, key, matches):
    index.add(entry("1.1"), kept("1.1", **{keyword: value}))
    assert index.count(query(Level.IMAGE, **{keyword: key})) == matches


COMBINED = [
    # stored date and time, keys of both, what is found together, what separately
    ("20240105", "1200", "20240104-20240106", "1000-1800", True, True),
    ("20240105", "0300", "20240104-20240106", "1000-1800", True, False),
    ("20240104", "0959", "20240104-20240106", "1000-1800", False, False),
    ("20240104", "100000", "20240104-20240106", "1000-1800", True, True),
    ("20240106", "180059.9", "20240104-20240106", "1000-1800", True, True),
    ("20240106", "1801", "20240104-20240106", "1000-1800", False, False),
    ("20240104", "2300", "20240104-20240106", "2200-0200", True, False),
    ("20240107", "0000", "20240104-20240106", "2200-0200", False, False),
    ("20240106", "0900", "20240105-", "1000-", True, False),
    ("20240105", "0900", "20240105-", "1000-", False, False),
    ("20240104", "2300", "-20240105", "-1000", True, False),
    ("20240105", "1001", "-20240105", "-1000", False, False),
    ("20240105", "", "20240104-20240106", "1000-1800", True, False),
    ("20240104", "", "20240104-20240106", "1000-1800", False, False),
    ("", "1200", "20240104-20240106", "1000-1800", False, False),
    # of different forms, or no ranges: as without it
    ("20240105", "0300", "20240104-20240106", "1000-", False, False),
    ("20240105", "1200", "20240104-20240106", "1000-", True, True),
    ("20240105", "0300", "20240104-20240106", "03", True, True),
    ("20240105", "0400", "20240104-20240106", "03", False, False),
    ("20240105", "0300", "20240105", "02-04", True, True),
    ("20240105", "0300", "20240104-20240106", "", True, True),
    ("20240105", "0300", "", "02-04", True, True),
]


@pytest.mark.parametrize("pair", [("StudyDate", "StudyTime"), ("SeriesDate", "SeriesTime")])
def test_date_and_time_as_one_moment(index, pair):
    from pydicom.dataset import Dataset

    level = "STUDY" if pair[0] == "StudyDate" else "SERIES"
    for number, (date, time, dates, times, together, apart) in enumerate(COMBINED):
        uid = f"1.{number}"
        texts = dict(zip(pair, (date, time), strict=True))
        index.add(entry(uid), kept(uid, series=f"2.{number}", study=f"3.{number}", **texts))
        for combined, expected in ((True, together), (False, apart)):
            asked = Dataset()
            asked.QueryRetrieveLevel = level
            asked.StudyInstanceUID = f"3.{number}"
            for keyword, text in zip(pair, (dates, times), strict=True):
                setattr(asked, keyword, text)
            found = find_query(asked, Model.of(f"{STUDY_ROOT}1"), combined=combined)
            assert index.count(found.query) == expected, (number, combined)


class TestVersions:
    def test_opened_again_nothing_is_lost(self, open_index):
        open_index().add(entry("1.1"), kept("1.1"))
        assert open_index().find("1.1") == entry("1.1")

    def test_an_older_one_is_brought_up(self, open_index, monkeypatch):
        old = open_index()
        old.add(entry("1.1"), kept("1.1"))
        old.close()
        step = ("CREATE TABLE later (name {text})", "INSERT INTO later VALUES ('x')")
        monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))
        for module in ("interface", "sqlite", "postgres"):
            monkeypatch.setattr(
                f"workers.archive.index.{module}.MIGRATIONS", schema.MIGRATIONS, raising=False
            )
        assert open_index().find("1.1") == entry("1.1")
        with open_index()._reading() as execute:
            assert execute("SELECT name FROM later").fetchall()[0][0] == "x"

    def test_a_newer_one_is_refused_in_words(self, open_index, monkeypatch):
        open_index().close()
        for module in ("interface", "sqlite", "postgres"):
            monkeypatch.setattr(f"workers.archive.index.{module}.MIGRATIONS", (), raising=False)
        with pytest.raises(ConfigError, match="newer dicom-gateway"):
            open_index()

    @pytest.mark.parametrize("is_additive", [True, False])
    def test_a_newer_one_that_has_only_additions_is_used(
        self, open_index, monkeypatch, is_additive
    ):
        """So that an upgrade can be taken back; and the newer version goes on afterwards."""
        step = ("CREATE TABLE later (name {text})",)
        if not is_additive:
            number = len(schema.MIGRATIONS) + 1
            step += (f"UPDATE readable_from SET version = {number}",)
        with monkeypatch.context() as newer:
            for module in ("interface", "sqlite", "postgres"):
                newer.setattr(
                    f"workers.archive.index.{module}.MIGRATIONS",
                    (*schema.MIGRATIONS, step),
                    raising=False,
                )
            open_index().add(entry("1.1"), kept("1.1"))
        if not is_additive:
            with pytest.raises(ConfigError, match="newer dicom-gateway"):
                open_index()
            return
        older = open_index()
        assert older.add(entry("1.2"), kept("1.2")).outcome is AddOutcome.ADDED
        assert older.find("1.1") == entry("1.1")
        for module in ("interface", "sqlite", "postgres"):
            monkeypatch.setattr(
                f"workers.archive.index.{module}.MIGRATIONS",
                (*schema.MIGRATIONS, step),
                raising=False,
            )
        assert open_index().find("1.2") == entry("1.2")  # the step is not made a second time

    def test_one_with_digests_of_another_kind_is_refused_in_words(self, open_index, monkeypatch):
        open_index().close()
        monkeypatch.setattr("workers.archive.index.interface.RETIRED", 99)
        with pytest.raises(ConfigError, match="archive reindex"):
            open_index()
