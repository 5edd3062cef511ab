"""The messages for what the journal tells: what was sent on, exported, dropped, and performed."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.archive.conftest import entry, kept
from tests.workers.audit.schema import event, objects, participant, validated, with_role
from tests.workers.mpps.steps import creation
from workers.archive.index import SqliteIndex
from workers.archive.procedure_steps import ProcedureStep, StepTable, insert
from workers.audit.arrivals import ArrivedGroup
from workers.audit.audit_message import AuditSource, Participant
from workers.audit.instance_messages import Surroundings, message_of
from workers.audit.subjects import Subjects
from workers.mpps.mpps_worker import _json_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from workers.archive.index import Index

CT = "1.2.840.10008.5.1.4.1.1.2"
FAR = SimpleNamespace(host="10.0.0.9", ae_title="PACS9")


@pytest.fixture
def index(tmp_path):
    with SqliteIndex(tmp_path / "index.sqlite") as index:
        index.add(entry("1.1"), kept())
        yield index


def told(index: Index, kind: str, about: str = "", study: str = "1.3") -> Element:
    """The message, which is by the schema."""
    destinations = {"FAR": FAR}
    known = Surroundings(index, Subjects(), Participant("77", "AETITLES=GW"), destinations.get)
    group = ArrivedGroup(kind, None, study, 1, 0.0, about, Counter({CT: 3}))
    return validated(AuditSource("here").encode(message_of(group, known)))


@pytest.mark.parametrize(
    ("name", "user", "address"), [("FAR", "PACS9", "10.0.0.9"), ("GONE", "GONE", None)]
)
def test_what_was_sent_on_names_the_destination(index, name, user, address):
    root = told(index, "sent", name)
    assert event(root) == ("DICOM Instances Transferred", "R", "0")
    assert with_role(root, "Source Role ID").attrib["UserID"] == "77"
    destination = with_role(root, "Destination Role ID").attrib
    assert (destination["UserID"], destination.get("NetworkAccessPointID")) == (user, address)
    assert objects(root)["Study Instance UID"] == ["1.3"]
    assert objects(root)["Patient Number"] == ["P1"]
    assert next(root.iter("SOPClass")).attrib == {"UID": CT, "NumberOfInstances": "3"}


def test_an_export_names_the_user_and_the_folder(index):
    root = told(index, "exported", "jane /media/usb stick")
    assert event(root) == ("Export", "R", "0")
    assert with_role(root, "Source Role ID").attrib["UserID"] == "jane"
    media = with_role(root, "Destination Media")
    assert media.attrib["UserID"] == "/media/usb stick"
    assert media.find("MediaIdentifier/MediaType").attrib["csd-code"] == "110037"


def test_one_that_was_set_aside_and_dropped_is_deleted(index):
    assert event(told(index, "dropped")) == ("DICOM Instances Accessed", "D", "0")


@pytest.mark.parametrize(
    ("kind", "action"),
    [("step_in_progress", "C"), ("step_completed", "U"), ("step_discontinued", "U")],
)
def test_a_step_is_a_procedure_record_of_its_modality_and_patient(index, kind, action):
    step = ProcedureStep("9.9", "CT1", "10.0.0.7", 1.0, 1.0, _json_of(creation("1.99")), 1)
    StepTable(index).change("9.9", lambda execute, _: insert(execute, step))
    root = told(index, kind, "9.9", "1.99")
    assert event(root) == ("Procedure Record", action, "0")
    modality = participant(root, lambda one: one.attrib["UserIsRequestor"] == "true").attrib
    assert (modality["UserID"], modality["NetworkAccessPointID"]) == ("CT1", "10.0.0.7")
    assert objects(root) == {"Study Instance UID": ["1.99"], "Patient Number": ["P1"]}


def test_a_step_that_is_gone_is_told_without_its_modality(index):
    root = told(index, "step_completed", "9.9", "1.99")
    assert objects(root)["Patient Number"] == ["unknown"]
