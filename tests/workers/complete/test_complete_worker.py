"""The worker on a real index: once for each completion, over restarts and beside others."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from pydicom.dataset import Dataset, FileMetaDataset

from gateway.metrics import Metrics
from gateway.sdk import ConfigError, testing
from gateway.sop_class import ModalityPerformedProcedureStep as Step
from tests.workers.complete.journals import CT, completions, opened, store
from tests.workers.mpps.steps import creation, end, series
from workers.archive.index.notes import StudyNote
from workers.archive.procedure_steps import NOTES, ProcedureStep, StepTable, insert, update
from workers.complete import complete_worker
from workers.complete.complete_worker import Completer, worker
from workers.complete.completion import Completion
from workers.complete.expected import Expected
from workers.complete.journal_cursor import JournalCursor
from workers.mpps.mpps_worker import _json_of

LATER = time.time() + 1_000_000


@pytest.fixture
def index(tmp_path):
    with opened(tmp_path) as index:
        yield index


class Teller(Completer):
    """The worker without its threads: `step` is one look at the journal."""

    def __init__(self, index, data, quiet: float = 60.0, with_series: bool = False) -> None:
        super().__init__(worker)
        self._index = index
        self._cursor = JournalCursor(data / "studies.json")
        self._completion = Completion(quiet, with_series)
        self._completion.position = self._cursor.load(index)
        root, steps = data / "archive", StepTable(index)
        self._expected = Expected(index, root, "", steps)
        self._expected.load()


@pytest.fixture
def teller(index, tmp_path, monkeypatch):
    told: list = []
    metrics = Metrics()
    context = SimpleNamespace(publish=lambda event, body: told.append(body), metrics=metrics)
    monkeypatch.setattr(complete_worker.worker, "_context", context)
    made = Teller(index, tmp_path)
    made.told, made.metrics = told, metrics
    return made


def test_a_defect_does_not_end_the_thread_and_is_told(teller, monkeypatch, caplog):
    context = SimpleNamespace(facts={}, troubles={}, metrics=Metrics())
    monkeypatch.setattr(complete_worker.worker, "_context", context)
    teller._over = threading.Event()
    looks = iter([RuntimeError("a defect")])

    def step(_now: float) -> None:
        for error in looks:
            raise error
        assert context.troubles == {"complete": "studies cannot be told complete: see the log"}
        teller._over.set()

    monkeypatch.setattr(teller, "step", step)
    monkeypatch.setattr(complete_worker, "LOOK", 0.01)
    teller._work()
    assert context.troubles == {}
    assert "a defect" in caplog.text


def _told(teller) -> dict:
    (metric,) = [one for one in teller.metrics if one.name == "dicom_gateway_completions_total"]
    return dict(metric.series)


def test_what_was_there_before_is_not_told(index, tmp_path, teller):
    store(index, "1.2.1.1")
    Teller(index, tmp_path / "archive").step(LATER)  # its first start is after the instance
    assert completions(index) == []
    teller.step(LATER)  # this one started before it
    assert completions(index) == [("1.2", "", "quiet")]


def test_a_study_is_told_once_and_again_when_something_arrives(index, teller):
    store(index, "1.2.1.1")
    teller.step(time.time())
    assert completions(index) == []
    for _ in range(3):
        teller.step(LATER)
    assert completions(index) == [("1.2", "", "quiet")]
    assert teller.told == [
        {"study_instance_uid": "1.2", "series_instance_uid": "", "reason": "quiet"}
    ]
    store(index, "1.2.1.2")
    teller.step(LATER)
    assert len(completions(index)) == 2


def test_a_killed_worker_goes_on_where_it_was(index, tmp_path, teller):
    store(index, "1.2.1.1")
    teller.step(time.time())
    Teller(index, tmp_path).step(LATER)
    assert completions(index) == [("1.2", "", "quiet")]
    Teller(index, tmp_path).step(LATER)
    assert len(completions(index)) == 1


def test_two_gateways_that_share_the_index_tell_it_once(index, tmp_path, teller):
    (tmp_path / "other").mkdir()
    other = Teller(index, tmp_path / "other")
    store(index, "1.2.1.1")
    for one in (teller, other):
        one._completion.read(index.journal(one._completion.position), time.time())
    for one in (teller, other):
        for part in one._completion.due(LATER):
            one._tell(part, "quiet")
    assert len(completions(index)) == 1


def test_what_arrives_while_it_is_told_is_told_later(index, teller):
    store(index, "1.2.1.1")
    teller._completion.read(index.journal(teller._completion.position), time.time())
    (part,) = teller._completion.due(LATER)
    store(index, "1.2.1.2")  # not read yet
    teller._tell(part, "quiet")
    assert completions(index) == []
    teller.step(LATER)
    assert len(completions(index)) == 1


def test_series_are_told_by_themselves(index, tmp_path, teller):
    both = Teller(index, tmp_path, with_series=True)
    store(index, "1.2.1.1")
    store(index, "1.2.2.1", series="1.2.2")
    both.step(LATER)
    assert sorted(completions(index)) == [
        *(("1.2", "", "quiet"), ("1.2", "1.2.1", "quiet"), ("1.2", "1.2.2", "quiet")),
    ]


def write(path, **numbers: int) -> None:
    """Write the file of an instance."""
    one = Dataset()
    one.SOPClassUID, one.SOPInstanceUID = CT, "1.2.1.1"
    for name, value in numbers.items():
        setattr(one, name, value)
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    one.save_as(path, enforce_file_format=True)


def test_a_study_with_its_number_of_instances_is_told_at_once(index, tmp_path, teller):
    for number in (1, 2):
        name = tmp_path / "archive" / f"1.2.1.{number}.dcm"
        write(name, NumberOfStudyRelatedInstances=2)
        assert completions(index) == []
        store(index, f"1.2.1.{number}")
        teller.step(time.time())
    assert completions(index) == [("1.2", "", "count")]


def step(state: str, *uids: str) -> ProcedureStep:
    attributes = creation("1.2")
    if state != "IN PROGRESS":
        attributes.update(end(state, series("1.2.1", *uids)))
    return ProcedureStep("9.9", "CT1", "", 1.0, 1.0, _json_of(attributes))


def put(index, one: ProcedureStep) -> None:
    StepTable(index).change(
        one.uid, lambda execute, known: (update if known else insert)(execute, one)
    )
    index.note(StudyNote(NOTES[one.state], "1.2", "", Step, one.uid))


@pytest.mark.parametrize("is_step_last", [True, False])
def test_a_study_with_all_that_its_step_lists_is_told_at_once(
    index, tmp_path, teller, is_step_last
):
    put(index, step("IN PROGRESS"))
    store(index, "1.2.1.1")
    teller.step(time.time())
    ended = step("COMPLETED", "1.2.1.1", "1.2.1.2")
    if is_step_last:
        store(index, "1.2.1.2")
        teller.step(time.time())
        assert completions(index) == []
        put(index, ended)
    else:
        put(index, ended)
        teller.step(time.time())
        assert completions(index) == []
        store(index, "1.2.1.2")
    teller.step(time.time())
    assert completions(index) == [("1.2", "", "mpps")]
    assert _told(teller) == {("study", "mpps"): 1}


def test_a_position_that_is_damaged_is_told(index, tmp_path, caplog):
    (tmp_path / "studies.json").write_text("{")
    store(index, "1.2.1.1")
    assert JournalCursor(tmp_path / "studies.json").load(index) == 1
    assert "is damaged" in caplog.text


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"quiet": "long"}, "quiet = 'long': it must be a number"),
        ({"quite": 1}, "no option 'quite'"),
        ({"webhooks": [1]}, "a list of tables"),
        ({"webhooks": [{"url": "ftp://x", "secret_file": "/x"}]}, "url must be http"),
        ({"webhooks": [{"url": "http://x"}]}, "secret_file must be the path"),
        ({"webhooks": [{"url": "http://x", "secret_file": "/nowhere"}]}, "No such file"),
        ({"webhooks": [{"url": "http://x", "secret": "s"}]}, "no option 'secret'"),
        ({"nats": {"stream": "S"}}, "servers must be a list|needs pip"),
    ],
)
def test_a_wrong_option_is_named(tmp_path, wrong, text):
    with pytest.raises(ConfigError, match=text), testing.started(worker, tmp_path, **wrong):
        pass
