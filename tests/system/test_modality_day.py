"""A modality's day: from the worklist to the copies in two other archives, on one gateway."""

from __future__ import annotations

import json
import queue
from collections import Counter
from io import BytesIO

import pynetdicom
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pixel_array
from pydicom.uid import JPEGLSLossless
from pynetdicom import evt

from gateway.datasets.coding import decode
from tests.conftest import short_folder
from tests.patience import WALL
from tests.peers import instances, procfs, wire
from tests.peers.destination import Destination
from tests.peers.process import Gateway
from tests.peers.sender import store_all
from tests.system.test_audit import read_trail
from tests.system.test_commitment import COMMITMENT, ask, asked
from tests.system.test_web import PAGE, metrics
from tests.workers.audit.schema import event
from tests.workers.mpps.steps import creation, end, series
from workers.archive.index import SqliteIndex

WORKLIST, MPPS = "1.2.840.10008.5.1.4.31", "1.2.840.10008.3.1.2.3.3"
STEP = "1.2.3.77"
CONFIG = """
[workers.worklist]
options = {{folder = "{worklist}"}}
[workers.mpps]
options = {{lenient = true}}
[workers.commitment]
[workers.complete]
options = {{mpps = true, quiet = 86400.0}}
[workers.audit]
[workers.web]
enabled = true
[web]
port = 0
[workers.deidentify.options]
key_file = "{key}"
[[routes]]
name = "CT"
when = 'Modality == "CT"'
destinations = ["PACS"]
[[routes]]
name = "CT for research"
when = 'Modality == "CT"'
destinations = ["RESEARCH"]
transform = ["deidentify"]
[destinations]
PACS = {{{pacs}, transcode = true, transfer_syntaxes = ["JPEGLSLossless"]}}
RESEARCH = "{research}"
"""
FIGURES = {
    ("dicom_gateway_requests_total", "0000", "ANY-SCP", "C-FIND", "CT1"): 1,
    ("dicom_gateway_requests_total", "0000", "ANY-SCP", "CT1", "N-CREATE"): 1,
    ("dicom_gateway_requests_total", "0000", "ANY-SCP", "CT1", "N-ACTION"): 1,
    ("dicom_gateway_requests_total", "0000", "ANY-SCP", "CT1", "N-SET"): 1,
    ("dicom_gateway_instances_received_total", "GATEWAY", "RAWPEER"): 4,
    ("dicom_gateway_requests_total", "0000", "C-STORE", "GATEWAY", "RAWPEER"): 4,
    ("dicom_gateway_associations_total", "ANY-SCP", "CT1", "released"): 1,
    ("dicom_gateway_associations_total", "GATEWAY", "RAWPEER", "released"): 2,
    ("dicom_gateway_commitments_open",): 0,
    ("dicom_gateway_commitments_total", "committed"): 1,
    ("dicom_gateway_completions_total", "mpps", "study"): 1,
    ("dicom_gateway_deidentified_total",): 4,
    ("dicom_gateway_forward_sent_total", "PACS"): 4,
    ("dicom_gateway_forward_sent_total", "RESEARCH"): 4,
    ("dicom_gateway_forward_queue", "PACS", "waiting"): 0,
    ("dicom_gateway_forward_queue", "RESEARCH", "waiting"): 0,
}
"""Metrics by name and the values of their labels, in order."""
SCHEDULED = {
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "DOE^JANE"}]},
    "00100020": {"vr": "LO", "Value": ["P1"]},
    "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
    "00400100": {
        "vr": "SQ",
        "Value": [
            {
                "00080060": {"vr": "CS", "Value": ["CT"]},
                "00400002": {"vr": "DA", "Value": ["20261128"]},
            }
        ],
    },
}


def query() -> Dataset:
    keys = Dataset()
    keys.PatientName = keys.PatientID = keys.StudyInstanceUID = ""
    step = Dataset()
    step.Modality, step.ScheduledProcedureStepStartDate = "CT", "20261128"
    keys.ScheduledProcedureStepSequence = [step]
    return keys


def recorded(gateway: Gateway) -> list[tuple]:
    """What the audit trail says: event, action, who asked or sent, who got it, instances."""
    found = []
    for root in read_trail(gateway):
        name, action, outcome = event(root)
        assert outcome == "0"
        people = [one.attrib for one in root.iter("ActiveParticipant")]
        asked = [one["UserID"] for one in people if one["UserIsRequestor"] == "true"]
        others = [one["UserID"] for one in people if one["UserIsRequestor"] == "false"]
        number = sum(int(one.attrib["NumberOfInstances"]) for one in root.iter("SOPClass"))
        own = str(gateway.pid)
        names = ["GATEWAY" if one == own else one for one in (*asked, *others)]
        found.append((name, action, *names, number))
    return found


def summed(messages: list[tuple]) -> Counter[tuple]:
    """The instances of messages that differ in nothing else; 0 for those about none."""
    found: Counter[tuple] = Counter()
    for *what, number in messages:
        found[tuple(what)] += number
    return found


def check_compressed(pacs: Destination, images: list[instances.Instance]) -> None:
    """What the PACS got are the images in JPEG-LS, without loss."""
    for one in images:
        got = decode(pacs.data_sets[one.uid], str(JPEGLSLossless))
        got.file_meta = FileMetaDataset()
        got.file_meta.TransferSyntaxUID = JPEGLSLossless
        before = decode(one.data_set, wire.EXPLICIT)
        assert before.PixelData != got.PixelData
        assert (pixel_array(got) == pixel_array(dcmread(BytesIO(one.part10())))).all()
        del got.PixelData, before.PixelData
        assert got == before


def check_deidentified(research: Destination, images: list[instances.Instance]) -> None:
    """What research got is one study of one patient, and neither is that of the images."""
    got = [decode(data, wire.EXPLICIT) for data in research.data_sets.values()]
    before = [decode(one.data_set, wire.EXPLICIT) for one in images]
    for name in ("PatientID", "StudyInstanceUID"):
        (new,), (old,) = {one[name].value for one in got}, {one[name].value for one in before}
        assert new != old
    assert all(one.PatientIdentityRemoved == "YES" for one in got)
    assert {one.PixelData for one in got} == {one.PixelData for one in before}


def test_from_the_worklist_to_two_other_archives(tmp_path):
    (tmp_path / "item.json").write_text(json.dumps(SCHEDULED))
    images, reports = instances.many(4), queue.Queue()
    uids = [one.uid for one in images]
    pacs, research = Destination(syntaxes=(str(JPEGLSLossless),)), Destination()

    def reported(event):
        reports.put(event.event_information)
        return 0x0000, None

    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text("0123456789abcdef" * 4)
    places = {"pacs": f'host = "127.0.0.1", port = {pacs.port}', "research": research.place}
    config = CONFIG.format(worklist=tmp_path, key=key, **places)
    with short_folder() as folder, pacs.running(), research.running():
        gateway = Gateway(folder, config=config)
        try:
            ae = pynetdicom.AE("CT1")
            for sop_class in (WORKLIST, MPPS, COMMITMENT):
                ae.add_requested_context(sop_class)
            handlers = [(evt.EVT_N_EVENT_REPORT, reported)]
            assoc = ae.associate(*gateway.address, evt_handlers=handlers)
            assert len(assoc.accepted_contexts) == 3

            (_, scheduled), (last, _) = assoc.send_c_find(query(), WORKLIST)
            assert (last.Status, scheduled.PatientName) == (0x0000, "DOE^JANE")

            store_all(gateway.address, images[:1])
            study = dcmread(next(gateway.archive.rglob("*.dcm"))).StudyInstanceUID
            assert assoc.send_n_create(creation(study), MPPS, STEP)[0].Status == 0x0000
            store_all(gateway.address, images[1:])

            assert ask(assoc, asked(*uids)) == 0x0000
            report = reports.get(timeout=WALL)
            assert {i.ReferencedSOPInstanceUID for i in report.ReferencedSOPSequence} == set(uids)
            assert "FailedSOPSequence" not in report

            made = series("1.2.3.1", *uids)
            assert assoc.send_n_set(end("COMPLETED", made), MPPS, STEP)[0].Status == 0x0000
            assoc.release()

            assert set(pacs.wait_for(4)) == set(uids)
            check_compressed(pacs, images)
            assert not set(research.wait_for(4)) & set(uids)
            check_deidentified(research, images)
            expected = {
                ("Application Activity", "E", "GATEWAY"): 0,
                ("Query", "E", "CT1", "GATEWAY"): 0,
                ("Procedure Record", "C", "CT1", "GATEWAY"): 0,
                ("Procedure Record", "U", "CT1", "GATEWAY"): 0,
                ("DICOM Instances Transferred", "C", "RAWPEER", "GATEWAY"): 4,
                ("DICOM Instances Transferred", "R", "GATEWAY", "PACS"): 4,
                ("DICOM Instances Transferred", "R", "GATEWAY", "RESEARCH"): 4,
            }
            procfs.until(
                lambda: dict(summed(recorded(gateway))) == expected,
                what=f"the audit trail of the day: {expected}",
            )
            page = gateway.program.out.wait_for(PAGE)
            procfs.until(
                lambda: FIGURES.items() <= metrics(page).items(), what=f"the figures {FIGURES}"
            )
            with SqliteIndex(gateway.archive / "index.sqlite") as index:
                procfs.until(
                    lambda: "complete" in {line.kind for line in index.journal()},
                    what="the study to be told complete",
                )
                kinds = [line.kind for line in index.journal()]
            assert kinds.count("stored") == 4
            assert [k for k in kinds if k not in ("stored", "sent")] == [
                *("step_in_progress", "step_completed", "complete"),
            ]
            assert gateway.stop() == 0, gateway.program.report()
            assert "Traceback" not in gateway.program.err.text
        finally:
            gateway.close()
