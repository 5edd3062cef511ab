"""The query worker's handler: what it is asked, and what it answers."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from gateway import events
from gateway.dimse import message as dimse
from gateway.sdk import testing
from gateway.sdk.testing.simulated_request import SimulatedRequest
from tests.archive.conftest import entry, kept
from tests.data_sets import identifier
from tests.peers import wire
from tests.peers.elements import el
from tests.workers.holdings import Holdings
from workers import query
from workers.archive.identifier import PATIENT_ROOT, PATIENT_STUDY_ONLY, STUDY_ROOT
from workers.archive.index import IndexFailure, SqliteIndex
from workers.archive.layout import FOLDER, INDEX

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

STUDY, PATIENT, ONLY = f"{STUDY_ROOT}1", f"{PATIENT_ROOT}1", f"{PATIENT_STUDY_ONLY}1"


@pytest.fixture
def holdings(tmp_path):
    return Holdings(tmp_path)


@pytest.fixture
def worker(holdings):
    holdings.put(
        {"SOPInstanceUID": "1.1"},
        {"SOPInstanceUID": "1.2"},
        {"SOPInstanceUID": "1.5", "SeriesInstanceUID": "1.6", "Modality": "SR"},
        {
            "SOPInstanceUID": "2.1",
            "SeriesInstanceUID": "2.2",
            "StudyInstanceUID": "2.3",
            "PatientID": "P2",
            "PatientName": "Roe^Richard",
            "StudyDate": "20230101",
        },
    )
    with testing.started(query.worker, holdings.data) as started:
        yield started


def found(worker, asked: Dataset, keyword: str, **how) -> list[str]:
    *matches, (status, _) = testing.find(worker, asked, sop_class=how.pop("model", STUDY), **how)
    assert status == 0x0000
    return [str(match[keyword].value) for _, match in matches]


def refusal(worker, asked: Dataset, model: str = STUDY, **how) -> tuple[int, str, list[int]]:
    """The one response's status, its comment, and the element that is to blame."""
    request = SimulatedRequest(events.EVT_C_FIND, dimse.CFindRQ(1, model, 2), model)
    (answer,) = request.answers(worker, (), testing.Peer(**how), request.encode(asked))
    elements = answer.payload["elements"]
    return answer.payload["status"], elements["ErrorComment"], elements["OffendingElement"]


def of_vr(tag: int, vr: str, value: object, level: str = "STUDY") -> Dataset:
    made = identifier(level)
    made.add_new(tag, vr, value)
    return made


@pytest.mark.parametrize(
    ("asked", "model", "tag"),
    [
        (lambda: identifier(None), STUDY, 0x00080052),
        (lambda: identifier(""), STUDY, 0x00080052),
        (lambda: identifier("FRAME"), STUDY, 0x00080052),
        (lambda: identifier(["STUDY", "SERIES"]), STUDY, 0x00080052),
        (lambda: identifier("PATIENT"), STUDY, 0x00080052),
        (lambda: identifier("SERIES", PatientID="P1", StudyInstanceUID="1.3"), ONLY, 0x00080052),
        (lambda: of_vr(0x00080020, "LO", "January"), STUDY, 0x00080020),
        (lambda: of_vr(0x00100020, "SQ", Sequence([Dataset()])), STUDY, 0x00100020),
        (lambda: identifier(PatientID=["P1", "P2"]), STUDY, 0x00100020),
        (lambda: identifier(PatientName=["Doe", "Roe"]), STUDY, 0x00100010),
        (lambda: identifier(StudyDate="2024"), STUDY, 0x00080020),
        (lambda: identifier(StudyTime="noon"), STUDY, 0x00080030),
        (lambda: identifier(StudyInstanceUID="1.*"), STUDY, 0x0020000D),
        (lambda: identifier("SERIES"), STUDY, 0x0020000D),
        (lambda: identifier("SERIES", StudyInstanceUID=["1.3", "2.3"]), STUDY, 0x0020000D),
        (lambda: identifier("IMAGE", StudyInstanceUID="1.3"), STUDY, 0x0020000E),
        (lambda: identifier("STUDY"), PATIENT, 0x00100020),
        (lambda: identifier("STUDY", PatientID="P*"), PATIENT, 0x00100020),
    ],
)
def test_what_does_not_fit_is_a900_and_names_the_tag(worker, asked, model, tag):
    status, comment, offending = refusal(worker, asked(), model)
    assert status == 0xA900
    assert f"({tag >> 16:04X},{tag & 0xFFFF:04X})" in comment
    assert len(comment) <= 64
    assert offending == [tag]


@pytest.mark.parametrize(
    ("level", "model", "above", "keyword", "values"),
    [
        ("PATIENT", PATIENT, {}, "PatientID", ["P1", "P2"]),
        ("STUDY", PATIENT, {"PatientID": "P2"}, "StudyInstanceUID", ["2.3"]),
        ("STUDY", STUDY, {}, "StudyInstanceUID", ["1.3", "2.3"]),
        ("SERIES", STUDY, {"StudyInstanceUID": "1.3"}, "SeriesInstanceUID", ["1.2", "1.6"]),
        (
            *("IMAGE", STUDY, {"StudyInstanceUID": "1.3", "SeriesInstanceUID": "1.2"}),
            *("SOPInstanceUID", ["1.1", "1.2"]),
        ),
        ("PATIENT", ONLY, {}, "PatientID", ["P1", "P2"]),
    ],
)
def test_one_response_an_entity_of_the_level(worker, level, model, above, keyword, values):
    asked = identifier(level, **above, **{keyword: ""})
    assert found(worker, asked, keyword, model=model) == values
    *matches, _ = testing.find(worker, asked, sop_class=model)
    assert {match.QueryRetrieveLevel for _, match in matches} == {level}
    assert {status for status, _ in matches} == {0xFF00}


def test_values_lists_and_patterns(worker):
    def studies(**texts) -> list[str]:
        return found(worker, identifier(StudyInstanceUID="", **texts), "StudyInstanceUID")

    assert studies(PatientName="doe*") == ["1.3"]
    assert studies(PatientName="*") == ["1.3", "2.3"]
    assert studies(StudyDate="-20231231") == ["2.3"]
    assert studies(ModalitiesInStudy="SR") == ["1.3"]
    assert studies(PatientID="nobody") == []
    uids = identifier(StudyInstanceUID=["2.3", "9.9", "1.3"])
    assert found(worker, uids, "StudyInstanceUID") == ["1.3", "2.3"]


def test_names_in_other_characters(holdings):
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    charsets = ["", "ISO 2022 IR 87"]
    holdings.put({"PatientName": name, "SpecificCharacterSet": charsets})
    with testing.started(query.worker, holdings.data) as worker:
        for sets, key in ((charsets, "=山田^*"), ("ISO_IR 192", "山田*"), ("", "YAMADA*")):
            asked = identifier("PATIENT", SpecificCharacterSet=sets, PatientName=key)
            (_, match), _ = testing.find(worker, asked, sop_class=PATIENT)
            assert str(match.PatientName) == name
            assert match.SpecificCharacterSet == "ISO_IR 192"


def test_what_is_counted_and_where_it_is(worker):
    asked = identifier(
        StudyInstanceUID="1.3",
        ModalitiesInStudy="",
        NumberOfStudyRelatedSeries=None,
        NumberOfStudyRelatedInstances=None,
        RetrieveAETitle="",
        InstanceAvailability="",
    )
    (status, match), _ = testing.find(worker, asked, called_ae_title="HERE")
    assert status == 0xFF00
    assert sorted(match.ModalitiesInStudy) == ["CT", "SR"]
    assert (match.NumberOfStudyRelatedSeries, match.NumberOfStudyRelatedInstances) == (2, 3)
    assert (match.RetrieveAETitle, match.InstanceAvailability) == ("HERE", "ONLINE")


def test_keys_that_are_not_supported_are_told_of(worker):
    asked = identifier(StudyInstanceUID="", PerformingPhysicianName="X")
    *matches, (status, _) = testing.find(worker, asked)
    assert [status for status, _ in matches] == [0xFF01, 0xFF01]
    assert status == 0x0000
    assert all("PerformingPhysicianName" not in match for _, match in matches)


def test_relational_only_where_it_was_agreed_to(worker):
    asked = identifier("SERIES", Modality="SR", SeriesInstanceUID="")
    proposed = {STUDY: b"\1"}
    assert refusal(worker, asked, sop_class_extended=proposed)[0] == 0xA900
    answered = {"sop_class_extended": proposed, "sop_class_extended_answer": proposed}
    assert found(worker, asked, "SeriesInstanceUID", **answered) == ["1.6"]
    other = {"sop_class_extended": proposed, "sop_class_extended_answer": {STUDY: b"\0"}}
    assert refusal(worker, asked, **other)[0] == 0xA900


def test_date_and_time_together_only_where_that_was_agreed_to(worker):
    asked = identifier(StudyInstanceUID="", StudyDate="20240130-20240201", StudyTime="1300-1100")
    assert found(worker, asked, "StudyInstanceUID") == []
    agreed = {"sop_class_extended_answer": {STUDY: b"\0\1"}}
    assert found(worker, asked, "StudyInstanceUID", **agreed) == ["1.3"]


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_cancel_in_the_middle(holdings, after):
    holdings.put(*({"SOPInstanceUID": f"1.{n}", "StudyInstanceUID": f"3.{n}"} for n in range(9)))
    with testing.started(query.worker, holdings.data) as worker:
        *matches, (status, match) = testing.find(
            worker, identifier(StudyInstanceUID=""), cancel_after=after
        )
    assert (status, match) == (0xFE00, None)
    assert len(matches) == after


def test_an_index_that_fails_in_the_middle(worker, monkeypatch):
    def search(_query):
        yield ("1.3",)
        raise IndexFailure("the index cannot be read: gone")

    index = SimpleNamespace(search=search, names_holders=False)
    monkeypatch.setattr(query.finder, "_index", index)
    (pending, _), (status, _) = testing.find(worker, identifier(StudyInstanceUID=""))
    assert (pending, status) == (0xFF00, 0xA700)


def test_an_identifier_that_is_cut_is_c000_and_names_the_tag(worker, caplog):
    asked = SimulatedRequest(events.EVT_C_FIND, dimse.CFindRQ(1, STUDY), STUDY)
    whole = asked.encode(identifier("STUDY")) + el(0x00100010, b"PN", b"Doe^Ja", 40)
    *more, answer = asked.answers(worker, (), testing.Peer(), whole)
    assert not more
    assert answer.payload["status"] == 0xC000
    assert answer.payload["elements"]["OffendingElement"] == [0x00100010]
    assert answer.payload["elements"]["ErrorComment"].startswith("(0010,0010)")
    assert "Traceback" not in caplog.text


def test_a_hundred_thousand_matches_are_never_in_memory(holdings, monkeypatch):
    number = 100_000
    given = []

    def search(_query):
        for n in range(number):
            given.append(n) if n < 100 else None
            yield (f"1.2.840.{n}",)

    event = SimpleNamespace(
        identifier=identifier(StudyInstanceUID=""),
        is_cancelled=False,
        context=SimpleNamespace(transfer_syntax=wire.EXPLICIT),
        request=SimpleNamespace(AffectedSOPClassUID=STUDY),
        assoc=SimpleNamespace(
            ae=SimpleNamespace(ae_title="HERE"), acceptor=SimpleNamespace(sop_class_extended={})
        ),
    )
    with testing.started(query.worker, holdings.data):
        index = SimpleNamespace(search=search, names_holders=False, close=lambda: None)
        monkeypatch.setattr(query.finder, "_index", index)
        answers = query.finder.find(event)
        next(answers)
        assert len(given) == 1, "a match is made when it is asked for"
        tracemalloc.start()
        try:
            rest = sum(1 for _ in zip(answers, range(2000), strict=False))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert rest == 2000, "lists of matches"
    assert peak < 1_000_000


def test_pages_of_the_index_are_read_as_they_are_asked_for(holdings):
    from workers.archive.attributes import BY_KEYWORD, Level
    from workers.archive.index import search

    number = 3 * search.PAGE
    with SqliteIndex(holdings.data / FOLDER / INDEX, durable=False) as index:
        for n in range(number):
            index.add(entry(f"7.{n}"), kept(f"7.{n}"))
        rows = index.search(search.Query(Level.IMAGE, (BY_KEYWORD["SOPInstanceUID"],)))
        tracemalloc.start()
        try:
            assert sum(1 for _ in rows) == number
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < search.PAGE * 600
