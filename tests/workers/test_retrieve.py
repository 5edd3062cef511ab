"""The retrieve worker's handlers: what is sent, what fails, and what is counted."""

from __future__ import annotations

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway import events
from gateway.datasets import conversion, reencoding
from gateway.dimse import message as dimse
from gateway.sdk import testing
from gateway.sdk.testing.simulated_request import SimulatedRequest
from tests.data_sets import identifier
from tests.peers import wire
from tests.workers.holdings import Holdings
from workers import retrieve
from workers.archive.identifier import PATIENT_ROOT, STUDY_ROOT
from workers.archive.index import IndexFailure

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

GET, MOVE = f"{STUDY_ROOT}3", f"{STUDY_ROOT}2"
JPEG = "1.2.840.10008.1.2.4.50"
THERE = {"THERE": ("peer.example", 104)}
SERIES = [{"SOPInstanceUID": f"1.1.{n}"} for n in range(4)]


@pytest.fixture
def holdings(tmp_path):
    return Holdings(tmp_path)


@pytest.fixture
def files(holdings):
    return holdings.put(*SERIES)


@pytest.fixture
def worker(holdings, files):
    with testing.started(retrieve.worker, holdings.data) as started:
        yield started


STUDY = identifier(StudyInstanceUID="1.3")


def get(worker, asked: Dataset = STUDY, **how) -> testing.Retrieval:
    return testing.get(worker, asked, sop_class=GET, **how)


def move(worker, asked: Dataset = STUDY, to: str = "THERE", **how) -> testing.Retrieval:
    return testing.move(worker, asked, to, sop_class=MOVE, destinations=THERE, **how)


def counts(result: testing.Retrieval) -> tuple[int, int | None, int, int, int]:
    return result.status, result.number, result.completed, result.failed, result.warnings


BOTH = pytest.mark.parametrize("retrieval", [get, move])
BOTH_REQUESTS = pytest.mark.parametrize(
    ("event", "request_"),
    [
        (events.EVT_C_GET, dimse.CGetRQ(1, GET)),
        (events.EVT_C_MOVE, dimse.CMoveRQ(1, MOVE, "THERE")),
    ],
    ids=["C-GET", "C-MOVE"],
)


def select(uid: str, series: str = "1.2") -> Dataset:
    return identifier("IMAGE", StudyInstanceUID="1.3", SeriesInstanceUID=series, SOPInstanceUID=uid)


@BOTH
@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        (STUDY, [0, 1, 2, 3]),
        (identifier("SERIES", StudyInstanceUID="1.3", SeriesInstanceUID="1.2"), [0, 1, 2, 3]),
        (select("1.1.2"), [2]),
        (select(["1.1.3", "1.1.1", "9.9"]), [1, 3]),
        (select("9.9"), []),
        (identifier(StudyInstanceUID=["1.3", "9.9"]), [0, 1, 2, 3]),
    ],
)
def test_each_level_sends_its_files_and_counts_them(worker, files, retrieval, asked, numbers):
    result = retrieval(worker, asked)
    assert result.sent == [files[n] for n in numbers]
    assert counts(result) == (0x0000, len(numbers), len(numbers), 0, 0)


@BOTH
@pytest.mark.parametrize(
    "lacking",
    [
        {"StudyInstanceUID": "", "SeriesInstanceUID": ""},
        {"StudyInstanceUID": ""},
        {"SeriesInstanceUID": ""},
    ],
)
def test_an_instance_without_study_or_series_is_got_by_its_own_uid(
    holdings, worker, retrieval, lacking
):
    (path,) = holdings.put({"SOPInstanceUID": "7.1", **lacking})
    there = {"StudyInstanceUID": "1.3", "SeriesInstanceUID": "1.2", **lacking}
    asked = {"SOPInstanceUID": "7.1", **{k: v for k, v in there.items() if v}}
    assert retrieval(worker, identifier("IMAGE", **asked)).sent == [path]
    whole = retrieval(worker, identifier("IMAGE", **{**asked, "SOPInstanceUID": "1.1.1"}))
    assert (whole.status, whole.sent) == (0xA900, [])


def test_at_the_patient(worker, files):
    model = f"{PATIENT_ROOT}3"
    result = testing.get(worker, identifier("PATIENT", PatientID="P1"), sop_class=model)
    assert result.sent == files
    star = testing.get(worker, identifier("PATIENT", PatientID="P*"), sop_class=model)
    assert star.number == 0, "a patient's ID is what it is"


def test_the_destination_is_one_of_the_configuration(worker):
    assert move(worker).destination == ("peer.example", 104, "THERE")
    unknown = move(worker, to="ELSEWHERE")
    assert (unknown.status, unknown.sent) == (0xA801, [])


@pytest.mark.parametrize(
    ("asked", "tag"),
    [
        (identifier(None, StudyInstanceUID="1.3"), 0x00080052),
        (identifier("", StudyInstanceUID="1.3"), 0x00080052),
        (identifier("PATIENT", PatientID="P1"), 0x00080052),
        (identifier(), 0x0020000D),
        (identifier(StudyInstanceUID=""), 0x0020000D),
        (identifier("SERIES", StudyInstanceUID="1.3"), 0x0020000E),
        (identifier("SERIES", SeriesInstanceUID="1.2"), 0x0020000D),
        (select(""), 0x00080018),
        (select("1.1.1", series=""), 0x0020000E),
    ],
)
@pytest.mark.parametrize(
    ("event", "request_of"),
    [
        (events.EVT_C_GET, lambda: dimse.CGetRQ(1, GET, 2)),
        (events.EVT_C_MOVE, lambda: dimse.CMoveRQ(1, MOVE, "THERE", 2)),
    ],
    ids=["C-GET", "C-MOVE"],
)
def test_what_does_not_fit_is_a900_and_names_the_tag(worker, asked, tag, event, request_of):
    request = request_of()
    there = SimulatedRequest(event, request, request.affected_sop_class_uid)
    routes = testing.simulated_retrieval.SimulatedRoutes(testing.Peer(), THERE)
    answer = there.answers(worker, (), testing.Peer(), there.encode(asked), routes=routes)[-1]
    assert answer.payload["status"] == 0xA900
    elements = answer.payload["elements"]
    assert f"({tag >> 16:04X},{tag & 0xFFFF:04X})" in elements["ErrorComment"]
    assert elements["OffendingElement"] == [tag]


@pytest.mark.parametrize("length", [40, 0xFFFF])
@BOTH_REQUESTS
def test_an_identifier_that_is_not_a_data_set_is_c000(worker, event, request_, length, caplog):
    there = SimulatedRequest(event, request_, request_.affected_sop_class_uid)
    routes = testing.simulated_retrieval.SimulatedRoutes(testing.Peer(), THERE)
    whole = there.encode(STUDY)
    cut = whole[:4] + b"ZZ" + length.to_bytes(2, "little") + b"\xff" * 9
    answer = there.answers(worker, (), testing.Peer(), cut, routes=routes)[-1]
    assert answer.payload["status"] in (0xC000, 0xA900)
    assert answer.payload["elements"]["ErrorComment"]
    assert "Traceback" not in caplog.text


@BOTH_REQUESTS
def test_an_identifier_that_is_cut_chooses_nothing(worker, event, request_, caplog):
    there = SimulatedRequest(event, request_, request_.affected_sop_class_uid)
    routes = testing.simulated_retrieval.SimulatedRoutes(testing.Peer(), THERE)
    whole = there.encode(identifier(StudyInstanceUID="1.3.4"))  # that study is not here, but 1.3 is
    for end in range(1, len(whole)):
        answers = there.answers(worker, (), testing.Peer(), whole[:end], routes=routes)
        assert answers[-1].payload["status"] in (0xC000, 0xA900)
        assert answers[-1].payload["elements"]["OffendingElement"]
        assert len(answers) == 1
    assert "Traceback" not in caplog.text
    assert {one.levelname for one in caplog.records} == {"WARNING"}
    assert " refused: (0008,0052) has 6 bytes, of which 5 are there" in caplog.text


def test_relational_only_where_it_was_agreed_to(worker, files):
    asked = identifier("SERIES", SeriesInstanceUID="1.2")
    proposed = {GET: b"\1", MOVE: b"\1"}
    for retrieval in (get, move):
        assert retrieval(worker, asked, sop_class_extended=proposed).status == 0xA900
        assert retrieval(worker, asked, sop_class_extended_answer=proposed).sent == files


@BOTH
def test_a_file_that_vanished_fails_alone_and_is_told_of(worker, files, retrieval, caplog):
    files[1].unlink()
    peer = testing.Peer()
    result = retrieval(worker, peer=peer)
    assert result.sent == [files[0], *files[2:]]
    assert counts(result) == (0xB000, 4, 3, 1, 0)
    assert result.failed_uids == ["1.1.1"]
    ((topic, body),) = peer.published
    assert topic == "EVT_INSTANCE_MISSING"
    assert (body["sop_instance_uid"], body["path"]) == ("1.1.1", str(files[1]))
    assert "is gone" in caplog.text


@BOTH
def test_a_file_that_was_cut_off_is_not_sent(worker, files, retrieval):
    files[0].write_bytes(files[0].read_bytes()[:-2])
    peer = testing.Peer()
    result = retrieval(worker, peer=peer)
    assert result.sent == files[1:]
    assert (counts(result), result.failed_uids) == ((0xB000, 4, 3, 1, 0), ["1.1.0"])
    assert [topic for topic, _ in peer.published] == ["EVT_INSTANCE_MISSING"]


@BOTH
def test_all_of_them_vanished(worker, files, retrieval):
    for file in files:
        file.unlink()
    assert counts(retrieval(worker)) == (0xA702, 4, 0, 4, 0)


def held_by(monkeypatch, *holders: str) -> None:
    """Let the index say that the instances are the files of other gateways."""
    index = retrieve.retriever.index
    entries = zip(index.everything(), holders, strict=True)
    theirs = [entry._replace(holder=holder) for entry, holder in entries]
    monkeypatch.setattr(index, "instances", lambda _query: iter(theirs))


@BOTH
@pytest.mark.parametrize(
    ("settings", "is_sent"), [({}, False), ({"shared": True}, True)], ids=["own", "shared"]
)
def test_the_file_of_another_gateway(holdings, retrieval, settings, is_sent, monkeypatch, caplog):
    (file,) = holdings.put(SERIES[0])
    with testing.started(retrieve.worker, holdings.data, archive=settings) as worker:
        held_by(monkeypatch, "OTHER")
        result = retrieval(worker)
    assert result.sent == ([file] if is_sent else [])
    assert result.failed_uids == ([] if is_sent else ["1.1.0"])
    assert counts(result) == ((0, 1, 1, 0, 0) if is_sent else (0xA702, 1, 0, 1, 0))
    assert ("the file is at OTHER" in caplog.text) != is_sent
    assert "object has no attribute" not in caplog.text


class FetchedHere:
    """What fetches from another gateway, but for the way: the files are here."""

    def fetch(self, entries, lent) -> dict:
        return {one.sop_instance_uid: retrieve.retriever._files.instance(one) for one in entries}

    def close(self) -> None: ...


@pytest.mark.parametrize(("holder", "answers"), [("OTHER", [1] * 4), ("", [4])])
def test_fetched_files_go_one_by_one(worker, holder, answers, monkeypatch):
    """They are deleted some answers later, whatever the number of files in each."""
    entries = list(retrieve.retriever.index.everything())
    held_by(monkeypatch, *[holder] * len(SERIES))
    monkeypatch.setattr(retrieve.retriever, "_fetcher", FetchedHere())
    monkeypatch.setattr(retrieve, "in_batches", lambda items: iter([list(items)]))
    kinds = [(one.sop_class_uid, one.transfer_syntax_uid) for one in entries]
    asked = SimulatedRequest(events.EVT_C_GET, dimse.CGetRQ(1, GET), GET, more=kinds[:1])
    told = asked.answers(worker, (), testing.Peer(), asked.encode(STUDY), {"lists": True})
    lists = [one.payload["instances"] for one in told if "instances" in one.payload]
    assert [len(one) for one in lists] == answers


@BOTH_REQUESTS
def test_the_response_says_where_the_rest_is(worker, event, request_, monkeypatch):
    held_by(monkeypatch, "OTHER", "", "FAR", "OTHER")
    asked = SimulatedRequest(event, request_, request_.affected_sop_class_uid)
    routes = testing.simulated_retrieval.SimulatedRoutes(testing.Peer(), THERE)
    answer = asked.answers(worker, (), testing.Peer(), asked.encode(STUDY), routes=routes)[-1]
    assert answer.payload["elements"]["ErrorComment"] == "the file is at OTHER; the file is at FAR"


def test_a_compressed_instance_that_the_peer_does_not_take(holdings):
    plain, jpeg = (
        holdings.put({"SOPInstanceUID": uid}, syntax=syntax)[0]
        for uid, syntax in (("1.1", wire.EXPLICIT), ("1.4", JPEG))
    )
    with testing.started(retrieve.worker, holdings.data) as worker:
        refused = get(worker, contexts=[(wire.CT, wire.EXPLICIT)])
        taken = get(worker, contexts=[(wire.CT, wire.EXPLICIT), (wire.CT, JPEG)])
    assert refused.sent == [plain]
    assert (counts(refused), refused.failed_uids) == ((0xB000, 2, 1, 1, 0), ["1.4"])
    assert taken.sent == [plain, jpeg]
    assert counts(taken) == (0x0000, 2, 2, 0, 0)


@pytest.mark.parametrize(
    ("stored", "accepted"), [(wire.EXPLICIT, wire.IMPLICIT), (wire.IMPLICIT, wire.EXPLICIT)]
)
def test_another_uncompressed_syntax_is_converted_to(holdings, stored, accepted):
    (file,) = holdings.put({"SOPInstanceUID": "1.1", "StudyDescription": "Köln",
                            "SpecificCharacterSet": "ISO_IR 100"}, syntax=stored)  # fmt: skip
    with testing.started(retrieve.worker, holdings.data) as worker:
        result = get(worker, contexts=[(wire.CT, accepted)])
    (sent,) = result.sent
    assert isinstance(sent, Dataset)
    assert sent == dcmread(file)
    assert counts(result) == (0x0000, 1, 1, 0, 0)


def test_a_large_one_is_converted_as_it_is_sent(holdings, monkeypatch):
    monkeypatch.setattr(conversion, "AT_ONCE", 0)
    monkeypatch.setattr(reencoding, "PIECE", 64)
    (file,) = holdings.put({"SOPInstanceUID": "1.1", "StudyDescription": "x" * 60})
    with testing.started(retrieve.worker, holdings.data) as worker:
        result = get(worker, contexts=[(wire.CT, wire.IMPLICIT)])
    assert result.sent == [dcmread(file)]
    assert counts(result) == (0x0000, 1, 1, 0, 0)


def test_its_own_transfer_syntax_comes_first(holdings):
    (file,) = holdings.put({"SOPInstanceUID": "1.1"}, syntax=wire.IMPLICIT)
    with testing.started(retrieve.worker, holdings.data) as worker:
        both = get(worker, contexts=[(wire.CT, wire.EXPLICIT), (wire.CT, wire.IMPLICIT)])
    assert both.sent == [file]


def test_what_cannot_be_converted_fails_alone(holdings):
    first, _ = holdings.put(*SERIES[:2])
    whole = first.read_bytes()
    first.write_bytes(whole[:-40] + b"\xff" * 40)
    with testing.started(retrieve.worker, holdings.data) as worker:
        result = get(worker, contexts=[(wire.CT, wire.IMPLICIT)])
    assert [sent.SOPInstanceUID for sent in result.sent] == ["1.1.1"]
    assert (counts(result), result.failed_uids) == ((0xB000, 2, 1, 1, 0), ["1.1.0"])


def test_a_class_that_the_peer_does_not_take(worker):
    result = get(worker, contexts=[("1.2.840.10008.5.1.4.1.1.4", wire.EXPLICIT)])
    assert (counts(result), result.sent) == ((0xA702, 4, 0, 4, 0), [])


@BOTH
@pytest.mark.parametrize(
    ("status", "expected"),
    [(0xA700, (0xA702, 4, 0, 4, 0)), (0xB000, (0xB000, 4, 0, 0, 4)), (0, (0, 4, 4, 0, 0))],
)
def test_what_the_peer_answers_is_counted(worker, retrieval, status, expected):
    result = retrieval(worker, status=status)
    assert counts(result) == expected
    assert result.failed_uids == [f"1.1.{n}" for n in range(4) if status == 0xA700]


@BOTH
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_cancel_in_the_middle(worker, files, retrieval, after):
    """The first answer is the number."""
    result = retrieval(worker, cancel_after=after)
    assert result.status == 0xFE00
    assert result.sent == files[: after - 1]
    assert (result.number, result.completed) == (4, after - 1)


@BOTH
def test_an_index_that_fails(worker, retrieval, monkeypatch):
    def fail(_query):
        raise IndexFailure("the index cannot be read: gone")

    monkeypatch.setattr(retrieve.retriever.index, "kinds", fail)
    assert retrieval(worker).status == 0xA701


class TestTwoPatientsUnderOneStudy:
    """Patient Root gives the files of one Patient ID, Study Root those of both with a warning."""

    @pytest.fixture
    def files(self, holdings):
        return holdings.put(
            *({"SOPInstanceUID": f"1.1.{n}", "PatientID": "AB"[n % 2]} for n in range(4))
        )

    @pytest.mark.parametrize(("patient", "numbers"), [("A", [0, 2]), ("B", [1, 3]), ("C", [])])
    def test_patient_root(self, worker, files, patient, numbers, caplog):
        for level, uids in {"PATIENT": {}, "STUDY": {"StudyInstanceUID": "1.3"}}.items():
            asked = identifier(level, PatientID=patient, **uids)
            result = testing.get(worker, asked, sop_class=f"{PATIENT_ROOT}3")
            assert result.sent == [files[n] for n in numbers]
        assert "Patient IDs" not in caplog.text

    @BOTH
    def test_study_root(self, worker, files, retrieval, caplog):
        peer = testing.Peer()
        result = retrieval(worker, peer=peer)
        assert sorted(result.sent) == sorted(files)
        assert "of a study under 2 Patient IDs study='1.3'" in caplog.text
        body = {"outcome": "retrieved", "study_instance_uid": "1.3", "patient_ids": ["A", "B"]}
        assert peer.published == [("EVT_PATIENT_MISMATCH", body)]
