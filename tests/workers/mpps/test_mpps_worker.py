"""The states of a step, what is kept of it, and who is told."""

from __future__ import annotations

import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from gateway.sdk import ConfigError, testing
from gateway.sop_class import (
    ModalityPerformedProcedureStep,
    ModalityPerformedProcedureStepNotification,
    ModalityPerformedProcedureStepRetrieve,
)
from tests.data_sets import data_set
from tests.workers.mpps.steps import creation, end, requested, series
from workers.archive.index import IndexFailure
from workers.archive.procedure_steps import StepTable
from workers.mpps import mpps_worker
from workers.mpps.mpps_worker import performer, worker
from workers.mpps.step_notices import StepNotices
from workers.mpps.step_rules import Refused

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

UID = "1.2.3.99"


def create(attributes: Dataset | None = None, uid: str | None = UID, **peer):
    return testing.n_create(
        worker, attributes or creation(), ModalityPerformedProcedureStep, uid, **peer
    )


def change(modifications: Dataset, uid: str = UID, **peer):
    return testing.n_set(worker, modifications, ModalityPerformedProcedureStep, uid, **peer)


def get(*tags: int, uid: str = UID):
    return testing.n_get(worker, tags, ModalityPerformedProcedureStepRetrieve, uid)


again = partial(requested, UID, attempt=2)


@pytest.fixture
def running(tmp_path):
    with testing.started(worker, tmp_path):
        yield tmp_path


def kinds() -> list[tuple[str, str, str]]:
    return [
        (one.kind, one.study_instance_uid, one.entry.sop_instance_uid)
        for one in performer.index.journal()
    ]


def test_a_step_goes_from_in_progress_to_completed_and_no_further(running):
    assert create()[0] == 0x0000
    assert change(data_set(PerformedProcedureStepDescription="HEAD"))[0] == 0x0000
    assert change(end("COMPLETED", series("1.2.3.1", "1.2.3.1.1")))[0] == 0x0000
    for later in (data_set(PerformedProcedureStepStatus="IN PROGRESS"), end("DISCONTINUED"), end()):
        assert change(later)[0] == 0x0110
    step = StepTable(performer.index).find(UID)
    assert (step.state, step.studies) == ("COMPLETED", ["1.2.3"])
    assert step.instances == {"1.2.3.1": ["1.2.3.1.1"]}
    assert step.data_set().PerformedProcedureStepDescription == "HEAD"
    assert kinds() == [
        ("step_in_progress", "1.2.3", UID),
        ("step_completed", "1.2.3", UID),
    ]


def test_the_last_refusal_has_the_error_id_of_the_standard(running):
    create()
    change(end("DISCONTINUED"))
    answer, _ = performer.change(again(modification_list=end("COMPLETED", series("1.2.3.7"))))
    assert (answer.Status, answer.ErrorID) == (0x0110, 0xA710)
    assert answer.ErrorComment == "Performed Procedure Step Object may no longer be updated"


def test_what_is_wrong_has_its_status(running):
    assert create(uid=None)[0] == 0x0120
    assert create(creation(PerformedProcedureStepStatus="COMPLETED"))[0] == 0x0106
    assert change(end())[0] == 0x0112
    assert get()[0] == 0x0112
    assert create()[0] == 0x0000
    assert create()[0] == 0x0111
    assert create(address="10.0.0.66")[0] == 0x0111
    assert change(data_set(PerformedProcedureStepStatus="COMPLETED"))[0] == 0x0121
    assert change(data_set(PatientID="OTHER"))[0] == 0x0106
    assert change(data_set(AdmissionID="1"))[0] == 0x0106
    assert change(data_set(CommentsOnThePerformedProcedureStep="x"))[0] == 0x0105
    assert StepTable(performer.index).find(UID).state == "IN PROGRESS"


def test_a_value_that_is_none_is_refused_and_nothing_is_logged_of_it(running, caplog):
    step = creation()
    step.add_new(0x00101030, "DS", "12")
    step[0x00101030]._value = b"SECRET"
    assert create(step)[0] in (0x0106, 0x0110)
    assert "SECRET" not in caplog.text
    assert "Traceback" not in caplog.text


def test_names_that_pydicom_cannot_convert_are_refused(running, caplog):
    assert create(creation(PatientName="\\"))[0] == 0x0106
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("tag", "vr"), [(0x00280010, "US"), (0x00081199, "SQ"), (0x00400244, "Zz")]
)
def test_a_value_that_pydicom_cannot_convert_is_refused_by_its_tag(tag, vr):
    step = creation()
    step._dict[Tag(tag)] = RawDataElement(Tag(tag), vr, 1, b"x", 0, False, True)
    with pytest.raises(Refused, match="Invalid value") as refused:
        mpps_worker._json_of(step)
    assert refused.value.tags == (tag,)


def test_get_returns_what_is_asked_for(running):
    create(creation(PatientName="DÖE^JANE", SpecificCharacterSet="ISO_IR 100"))
    status, found = get(0x00100020, 0x00400252)
    assert status == 0x0000
    assert (found.PatientID, found.PerformedProcedureStepStatus) == ("P1", "IN PROGRESS")
    status, found = get(0x00100020, 0x00380010)
    assert (status, found.PatientID, "AdmissionID" in found) == (0x0001, "P1", False)
    status, found = get()
    assert (status, found.Modality, str(found.PatientName)) == (0x0000, "CT", "DÖE^JANE")
    assert found.SpecificCharacterSet == "ISO_IR 192"


def test_character_sets_of_creation_and_change_are_joined(running):
    create(creation(PatientName="DÖE^JANE", SpecificCharacterSet="ISO_IR 100"))
    given = data_set(SpecificCharacterSet="ISO_IR 144", PerformedProcedureStepDescription="Голова")
    assert change(given)[0] == 0x0000
    _, found = get()
    assert str(found.PatientName) == "DÖE^JANE"
    assert found.PerformedProcedureStepDescription == "Голова"


def test_a_request_that_comes_again_after_a_death_is_answered_alike(running):
    assert create()[0] == 0x0000
    assert performer.create(again(attribute_list=creation()))[0] == 0x0000
    assert performer.create(again(attribute_list=creation(PatientID="P2")))[0].Status == 0x0111
    assert change(end())[0] == 0x0000
    assert performer.change(again(modification_list=end()))[0] == 0x0000
    assert performer.change(again(modification_list=end("DISCONTINUED")))[0].Status == 0x0110


def test_one_peer_cannot_fill_the_folder(tmp_path):
    with testing.started(worker, tmp_path, most_steps=9):
        codes = [create(uid=f"1.2.3.{number}")[0] for number in range(5)]
        assert codes == [0x0000] * 3 + [0x0213] * 2
        assert create(uid="1.2.3.77", address="10.0.0.2")[0] == 0x0000
        assert change(end(), uid="1.2.3.0")[0] == 0x0000, "what is there may change"


def test_an_index_that_fails_is_told(running, monkeypatch, caplog):
    def fail(*_, **__):
        raise IndexFailure("the index cannot be written to: disk full")

    with monkeypatch.context() as broken:
        broken.setattr(performer.index, "change", fail)
        broken.setattr(performer.index, "ask", fail)
        assert create()[0] == 0x0213
        assert get()[0] == 0x0213
    assert "disk full" in caplog.text
    assert "Traceback" not in caplog.text
    assert list(StepTable(performer.index).steps()) == []
    assert create()[0] == 0x0000


def test_a_step_and_its_line_in_the_journal_are_one_transaction(running, monkeypatch):
    create()

    def fail(*_):
        raise IndexFailure("planted")

    with monkeypatch.context() as broken:
        broken.setattr(mpps_worker, "add_note", fail)
        assert change(end())[0] == 0x0213
        assert create(uid="1.2.3.4")[0] == 0x0213
    assert StepTable(performer.index).find(UID).state == "IN PROGRESS"
    assert StepTable(performer.index).find("1.2.3.4") is None
    assert change(end())[0] == 0x0000
    assert [kind for kind, *_ in kinds()] == ["step_in_progress", "step_completed"]


def test_old_steps_go(tmp_path):
    with testing.started(worker, tmp_path):
        create()
    with testing.started(worker, tmp_path, keep_for=0):
        assert get()[0] == 0x0112


def test_watchers_are_told(running):
    peer = testing.Peer()
    create(peer=peer)
    change(end("COMPLETED", series("1.2.3.1", "1.2.3.1.1")), peer=peer)
    assert [body["state"] for _, body in peer.published] == ["IN PROGRESS", "COMPLETED"]
    assert peer.published[1][1]["series_instance_uids"] == ["1.2.3.1"]


def test_a_wrong_option_is_named(tmp_path):
    for wrong in (
        *({"lenient": 1}, {"keepfor": 1}, {"most_steps": -1}),
        *({"send_to": ["NOBODY"]}, {"send_to": [1]}, {"send_to": "RIS"}),
    ):
        with pytest.raises(ConfigError, match="mpps: "), testing.started(worker, tmp_path, **wrong):
            pass


class Listener:
    """An association with a context for the Notification SOP class."""

    def __init__(self, number: int, told: list, failing: bool = False) -> None:
        self.id = str(number)
        self.told, self.failing = told, failing
        context = SimpleNamespace(abstract_syntax=ModalityPerformedProcedureStepNotification)
        self.accepted_contexts = [context]

    def send_n_event_report(self, information, event_type, sop_class, uid):
        assert information is None
        assert sop_class == ModalityPerformedProcedureStepNotification
        if self.failing:
            raise RuntimeError("it is over")
        self.told.append((self.id, event_type, uid))
        return data_set(Status=0), None


def test_those_that_asked_get_an_event_report(running, monkeypatch):
    told: list = []
    deaf = SimpleNamespace(id="3", accepted_contexts=[])
    associations = [Listener(1, told, failing=True), Listener(2, told), deaf]
    notices = StepNotices(lambda: associations)
    monkeypatch.setattr(performer, "_notices", notices)
    create()
    change(data_set(PerformedProcedureStepDescription="HEAD"))
    change(end("DISCONTINUED"))
    deadline = time.monotonic() + 60
    while len(told) < 3 and time.monotonic() < deadline:
        notices._pool.submit(int).result()
    assert sorted(told) == [("2", 1, UID), ("2", 3, UID), ("2", 4, UID)]
