"""Patients, studies and series are what their instances say, whatever order these come in."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.archive.conftest import entry, kept
from tests.archive.test_index import query
from workers.archive.assignments import Assignment
from workers.archive.attributes import ATTRIBUTES, Level
from workers.archive.index import AddOutcome, SqliteIndex

EVERYTHING = {level: [a.keyword for a in ATTRIBUTES if a.level <= level] for level in Level}


def numbered(number: int, uid: str = "", content: bytes = b"", received: int | None = None):
    """An entry whose time of receipt is a number."""
    uid = uid or f"1.{number}"
    path = f"20260101/000000000-0/{number}.dcm"
    one = entry(uid, content or f"{number}".encode(), path=path)
    return one._replace(received=f"{number if received is None else received:013x}")


def told(index) -> dict[str, list[tuple]]:
    """Everything that queries tell, without the order of the rows."""
    counts = "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "ModalitiesInStudy"
    asked = {level.name: query(level, *EVERYTHING[level]) for level in Level}
    asked["counts"] = query(Level.STUDY, "StudyInstanceUID", "PatientID", *counts)
    answers = {
        name: sorted(tuple(value or "" for value in row) for row in index.search(one))
        for name, one in asked.items()
    }
    answers["files"] = sorted(index.everything())
    return answers


def patients(index) -> list[tuple]:
    keywords = "PatientID", "PatientName", "NumberOfPatientRelatedStudies"
    return sorted(index.search(query(Level.PATIENT, *keywords)))


def studies(index, **keys: str) -> list[tuple]:
    keywords = "StudyInstanceUID", "PatientID", "PatientName"
    rows = index.search(query(Level.STUDY, *keywords, **keys))
    return sorted(tuple(value or "" for value in row) for row in rows)


class TestPatients:
    def test_two_that_share_an_id_keep_their_names(self, index):
        for number, (study, name) in enumerate([("3.1", "First^Anna"), ("3.2", "Second^Bert")]):
            texts = kept(f"1.{number}", study=study, PatientID="X", PatientName=name)
            index.add(numbered(number), texts)
        assert studies(index, PatientName="Second*") == [("3.2", "X", "Second^Bert")]
        assert studies(index, PatientName="First*") == [("3.1", "X", "First^Anna")]
        assert patients(index) == [("X", "First^Anna", 1), ("X", "Second^Bert", 1)]

    def test_spellings_of_one_name_are_one(self, index):
        for number, name in enumerate(["DOE^JOHN", "Doe^John^^^", "doe ^john", "Doe^Jane"]):
            texts = kept(f"1.{number}", study=f"3.{number}", PatientName=name)
            index.add(numbered(number), texts)
        assert patients(index) == [("P1", "DOE^JOHN", 3), ("P1", "Doe^Jane", 1)]
        assert index.count(query(Level.PATIENT, PatientID="P1")) == 2
        assert index.count(query(Level.PATIENT, PatientName="doe^john")) == 1

    @pytest.mark.parametrize(
        ("keyword", "one", "other"),
        [
            ("IssuerOfPatientID", "A", "B"),
            ("PatientBirthDate", "19700101", "19700102"),
            ("PatientSex", "F", "M"),
            ("PatientID", "1", "2"),
        ],
    )
    def test_what_distinguishes_patients(self, index, keyword, one, other):
        for number, text in enumerate([one, other, one]):
            texts = kept(f"1.{number}", study=f"3.{number}", **{keyword: text})
            index.add(numbered(number), texts)
        found = index.search(query(Level.PATIENT, keyword, "NumberOfPatientRelatedStudies"))
        assert sorted(found) == [(one, 2), (other, 1)]

    def test_one_study_uid_under_two_ids_is_two_studies(self, index):
        for number, patient in enumerate(["A", "B", "A", ""]):
            added = index.add(numbered(number), kept(f"1.{number}", PatientID=patient))
            assert added.outcome is AddOutcome.ADDED
            assert added.patients == {1: ("A", "B"), 3: ("A", "B", "")}.get(number, ())
        assert studies(index) == [("1.3", p, "Doe^Jane") for p in ("", "A", "B")]
        for patient, uids in {"A": {"1.0", "1.2"}, "B": {"1.1"}}.items():
            found = index.instances(query(Level.IMAGE, PatientID=patient))
            assert {one.sop_instance_uid for one in found} == uids
        assert index.count(query(Level.IMAGE, StudyInstanceUID="1.3")) == 4
        asked = query(Level.IMAGE, StudyInstanceUID="1.3")
        assert index.patients(asked) == {"1.3": ["", "A", "B"]}
        assert [s.patient_id for s in index.studies(mismatched=True)] == ["A", "B", ""]
        index.remove(["1.1", "1.3"])
        assert list(index.studies(mismatched=True)) == []
        assert patients(index) == [("A", "Doe^Jane", 1)]

    def test_another_id_can_be_refused(self, index):
        index.add(numbered(0), kept("1.0", PatientID="A"))
        news = [(numbered(n), kept(f"1.{n}", PatientID=p)) for n, p in [(1, "B"), (2, "A")]]
        first, second = index.add_all(news, refuse=True)
        assert (first.outcome, first.patients) == (AddOutcome.MISMATCH, ("A", "B"))
        assert second.outcome is AddOutcome.ADDED
        assert studies(index) == [("1.3", "A", "Doe^Jane")]
        assert [one.kind for one in index.journal()] == ["stored", "stored"]

    def test_two_ids_in_one_transaction_are_noticed_too(self, index):
        news = [(numbered(n), kept(f"1.{n}", PatientID=f"P{n}")) for n in (1, 2)]
        first, second = index.add_all(news)
        assert (first.patients, second.patients) == ((), ("P1", "P2"))

    def test_an_incomplete_instance_is_listed_and_not_told(self, index):
        index.add(numbered(1), kept("1.1", study="", series=""))
        index.add(numbered(2), kept("1.2", series=""))
        index.add(numbered(3), kept("1.3"))
        listed = [
            (one.entry.sop_instance_uid, one.study_instance_uid) for one in index.incomplete()
        ]
        assert listed == [("1.1", ""), ("1.2", "1.3")]
        assert [index.count(query(level)) for level in Level] == [1, 1, 1, 3]
        assert len(list(index.studies())) == 1
        assert [one.entry.sop_instance_uid for one in index.incomplete()] == ["1.1", "1.2"]


class TestNewest:
    def test_the_newest_value_that_is_not_empty(self, index):
        for number, name, text in [(1, "Old", "A"), (3, "New", ""), (2, "Between", "B")]:
            texts = kept(f"1.{number}", PatientName=name, SeriesDescription=text)
            index.add(numbered(number), texts)
        found = query(Level.SERIES, "PatientName", "SeriesDescription")
        assert list(index.search(found)) == [("New", "B")]
        index.remove(["1.3"])
        assert list(index.search(found)) == [("Between", "B")]
        index.remove(["1.2"])
        assert list(index.search(found)) == [("Old", "A")]

    def test_of_one_moment_the_greater_uid_counts(self, index):
        for uid in ("1.2", "1.3", "1.1"):
            index.add(numbered(1, uid)._replace(path=uid), kept(uid, PatientName=f"Name{uid}"))
        assert studies(index) == [("1.3", "P1", "Name1.3")]

    def test_a_corrected_id_moves_the_study(self, index):
        index.add(numbered(1), kept("1.1", PatientID="WRONG"))
        index.add(numbered(2, "1.1"), kept("1.1", PatientID="RIGHT"), replace=True)
        assert studies(index) == [("1.3", "RIGHT", "Doe^Jane")]
        assert patients(index) == [("RIGHT", "Doe^Jane", 1)]

    def test_a_corrected_id_is_no_mismatch_unless_others_have_the_wrong_one(self, index):
        index.add(numbered(1), kept("1.1", PatientID="WRONG"))
        right = numbered(2, "1.1"), kept("1.1", PatientID="RIGHT")
        (found,) = index.add_all([right], replace=True, refuse=True)
        assert (found.outcome, found.patients) == (AddOutcome.REPLACED, ())
        index.add(numbered(3, "1.2"), kept("1.2", PatientID="RIGHT"))
        other = numbered(4, "1.1"), kept("1.1", PatientID="OTHER")
        (found,) = index.add_all([other], replace=True, refuse=True)
        assert (found.outcome, found.patients) == (AddOutcome.MISMATCH, ("RIGHT", "OTHER"))
        (found,) = index.add_all([other], replace=True)
        assert (found.outcome, found.patients) == (AddOutcome.REPLACED, ("RIGHT", "OTHER"))

    def test_a_file_that_moved_has_another_rank(self, index):
        index.add(numbered(1), kept("1.1", PatientName="One"))
        index.add(numbered(2), kept("1.2", PatientName="Two"))
        index.relocate(numbered(1, received=3))
        assert studies(index) == [("1.3", "P1", "One")]


BERT = {"PatientID": "B", "PatientName": "Bert"}


class TestAssigning:
    def fill(self, index) -> None:
        index.add(numbered(1), kept("1.1", PatientID="A", PatientName="Anna", PatientSex="F"))
        index.add(numbered(2), kept("1.2", PatientID="B", PatientName="Bert"))
        index.add(numbered(3), kept("1.3", study="1.9", PatientID="A", PatientName="Anna"))

    def test_all_instances_and_later_ones(self, index):
        self.fill(index)
        assert index.assign(Assignment("1.3", BERT, 1.0)) == 2
        assert studies(index) == [("1.3", "B", "Bert"), ("1.9", "A", "Anna")]
        index.add(numbered(4), kept("1.4", PatientID="A", PatientName="Anna"))
        index.add(numbered(5), kept("1.5", series="2.5", PatientID="C", PatientName="Carl"))
        assert studies(index) == [("1.3", "B", "Bert"), ("1.9", "A", "Anna")]
        assert patients(index) == [("A", "Anna", 1), ("B", "Bert", 1)]
        assert index.count(query(Level.IMAGE, PatientID="B")) == 4
        assert [one.kind for one in index.journal()][3:5] == ["assigned", "assigned"]
        assert list(index.wrong_studies()) == []

    def test_it_is_taken_back(self, index):
        self.fill(index)
        before = told(index)
        index.assign(Assignment("1.3", BERT, 1.0))
        index.assign(Assignment("1.3", None, 2.0))
        assert told(index) == before
        index.add(numbered(4), kept("1.4", PatientID="C"))
        assert ("1.3", "C", "Doe^Jane") in studies(index)

    def test_the_order_does_not_matter(self, index, tmp_path):
        index.restore_assignments([Assignment("1.3", BERT, 1.0)])
        self.fill(index)
        with SqliteIndex(tmp_path / "other.sqlite") as other:
            self.fill(other)
            other.assign(Assignment("1.3", BERT, 1.0))
            assert told(other) == told(index)


SOME = st.sampled_from(["", "a", "b"])
INSTANCES = st.lists(
    st.tuples(
        st.integers(1, 6),  # the time of receipt
        st.integers(1, 5),  # the instance
        st.fixed_dictionaries(
            {
                "study": st.sampled_from(["", "3.1", "3.2"]),
                "series": st.sampled_from(["", "2.1", "2.2"]),
                "PatientID": SOME,
                "PatientName": st.sampled_from(["", "Doe", "DOE^", "Roe"]),
                "PatientBirthDate": st.sampled_from(["", "19700101"]),
                "StudyDescription": SOME,
                "SeriesDescription": SOME,
                "AccessionNumber": SOME,
            }
        ),
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture
def emptied(open_index):
    """Returns the index without anything in it, each time it is called."""
    index = open_index()

    def empty():
        index.remove([one.sop_instance_uid for one in index.everything()])
        for level in ("patient", "study", "series", "header", "instance"):
            with index._reading() as execute:
                assert execute(f"SELECT COUNT(*) FROM {level}").fetchone()[0] == 0
        return index

    return empty


@given(INSTANCES, st.randoms(use_true_random=False))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_index_is_a_function_of_the_set_of_files(emptied, drawn, chance):
    """Over permutations, batches, duplicates, replacement, removal, and a new index."""
    news, final = [], {}
    for number, (received, uid, texts) in enumerate(drawn):
        file = numbered(number, f"1.{uid}", received=received)
        news.append((file, kept(f"1.{uid}", **texts)))
        final[file.sop_instance_uid] = news[-1]
    gone = set(chance.sample(sorted(final), k=chance.randrange(len(final) + 1)))
    rest = [one for uid, one in final.items() if uid not in gone]

    index = emptied()
    for batch in itertools.batched(news, 3) if hasattr(itertools, "batched") else [news]:
        index.add_all(batch, replace=True)
        index.add_all(batch[-1:])  # the same again
    index.remove(gone)
    ways = [told(index)]
    for _ in range(2):
        index = emptied()
        chance.shuffle(rest)
        for one in rest:
            index.add(*one)
        ways.append(told(index))
        assert list(index.wrong_studies()) == []
    assert ways[0] == ways[1] == ways[2]


def test_many_studies_from_files_in_any_order(emptied):
    """Twelve studies, each under two Patient IDs, have the same owners in each order."""
    news = [
        (
            numbered(2 * study + second),
            kept(f"1.{2 * study + second}", study=f"3.{study}", PatientID="AB"[second]),
        )
        for study, second in itertools.product(range(12), range(2))
    ]
    ways = []
    for seed in range(4):
        random.Random(seed).shuffle(news)
        index = emptied()
        for one in news:
            index.add(*one)
        ways.append(told(index))
    assert ways[0] == ways[1] == ways[2] == ways[3]
    assert len(studies(index, PatientID="A")) == len(studies(index, PatientID="B")) == 12


LONG = "".join(chr(random.Random(1).randrange(0x4E00, 0x9FFF)) for _ in range(1000))
OTHER = LONG[:-1] + "x"


@pytest.mark.parametrize(
    "keyword",
    [a.keyword for a in ATTRIBUTES if a.vr != "US" and a.keyword not in ("SOPInstanceUID",)],
)
def test_a_long_value_is_stored_and_found(index, keyword):
    """Of random characters, which are not compressed, in whichever attribute."""
    for number, text in enumerate([LONG, OTHER]):
        texts = {**kept(f"1.{number}"), keyword: text}
        assert index.add(numbered(number), texts).outcome is AddOutcome.ADDED
    if keyword not in ("SOPClassUID",):  # the command's counts
        for text in (LONG, OTHER) if keyword in ("PatientID",) else ():
            assert index.count(query(Level.IMAGE, **{keyword: text})) == 1
            assert index.count(query(Level.IMAGE, **{keyword: text[:100] + "*"})) == 2
    assert list(index.wrong_studies()) == []
