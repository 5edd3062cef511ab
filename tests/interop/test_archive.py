"""Stored, found, and fetched at each level, by DCMTK and pynetdicom as the SCUs.

DCMTK's own archive holds the same files and is asked the same questions.
"""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.presentation import build_role

from gateway.requestor import NotDicom, identify
from gateway.uid import KEYWORDS
from tests.accountant import read_stored
from tests.cli import peers
from tests.conftest import running
from tests.data_sets import data_set
from tests.patience import WALL
from tests.peers import dcmtk, instances, wire
from tests.peers.process import run_cli
from tests.peers.scp import free_port
from tests.requestor.conftest import TEST_FILES
from workers.archive.recovery import measure

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.peer("dcmtk")

STUDY = "1.3.6.1.4.1.5962.1.1.0.0.0.1196527414.5534.0.1"
"""Three computed radiographs of pydicom's DICOMDIR tests, each a series of its own."""
PATIENT = "77654033"
SENT = (TEST_FILES / "dicomdirtests", TEST_FILES / "CT_small.dcm", TEST_FILES / "MR_small.dcm")
QR = "--aec", "QR"


@pytest.fixture(scope="module")
def gateway():
    port = free_port()
    with running(f'[destinations]\nDEST = "127.0.0.1:{port}"\n') as one:
        program = run_cli("store", *one.address, *SENT, "--ignore-other")
        assert program.popen.returncode == 0, program.report()
        one.destination = port
        yield one


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    """DCMTK's archive with the same files."""
    with peers.dcmqrscp(tmp_path_factory.mktemp("qr")) as scp:
        program = run_cli("store", *scp.address, *SENT, *QR, "--ignore-other")
        assert program.popen.returncode == 0, program.report()
        yield scp


@pytest.fixture(scope="module")
def sent() -> dict[str, tuple[str, str, str, bytes]]:
    """Patient, study, series and digest of everything that was sent, by instance."""
    found = {}
    for path in (p for top in SENT for p in ([top] if top.is_file() else top.rglob("*"))):
        with suppress(NotDicom, OSError):
            one, data = identify(path), dcmread(path)
            names = str(data.PatientID), str(data.StudyInstanceUID), str(data.SeriesInstanceUID)
            found[one.sop_instance_uid] = (*names, measure(path, one.offset)[1])
    assert len(found) > 30
    return found


def fetched(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in folder.iterdir():
        one = read_stored(path)
        found[one.uid] = bytes.fromhex(one.digest)
    return found


LEVELS = {
    "PATIENT": ("-P", {"PatientID": PATIENT}),
    "STUDY": ("-S", {"StudyInstanceUID": STUDY}),
    "SERIES": ("-S", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": ""}),
    "IMAGE": ("-S", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": "", "SOPInstanceUID": ""}),
}


def asked_for(sent: dict, level: str) -> tuple[list[str], set[str]]:
    """Options of an SCU, and the instances that it must be given."""
    model, keys = LEVELS[level]
    uid = min(u for u, (_, study, _, _) in sent.items() if study == STUDY)
    series = sent[uid][2]
    values = {"SeriesInstanceUID": series, "SOPInstanceUID": uid}
    options = [model, "-k", f"QueryRetrieveLevel={level}"]
    for keyword, value in keys.items():
        options += ["-k", f"{keyword}={value or values[keyword]}"]
    wanted = {
        "PATIENT": {u for u, one in sent.items() if one[0] == PATIENT},
        "STUDY": {u for u, one in sent.items() if one[1] == STUDY},
        "SERIES": {u for u, one in sent.items() if one[1:3] == (STUDY, series)},
        "IMAGE": {uid},
    }[level]
    assert wanted
    return options, wanted


def tool(name: str, *arguments: object) -> str:
    program = dcmtk.find(name)
    assert program is not None
    words = [str(word) for word in (program, *arguments)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=WALL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("level", LEVELS)
def test_getscu_gets_exactly_what_was_stored(gateway, sent, tmp_path, level):
    options, wanted = asked_for(sent, level)
    tool("getscu", "+B", "-od", tmp_path, *options, *gateway.address)
    assert fetched(tmp_path) == {uid: sent[uid][3] for uid in wanted}


@pytest.mark.parametrize("level", LEVELS)
def test_movescu_moves_exactly_what_was_stored(gateway, sent, tmp_path, level):
    options, wanted = asked_for(sent, level)
    port = gateway.destination
    with peers.dcmtk_scp("storescp", port, "+B", "-od", tmp_path, port):
        tool("movescu", "-aem", "DEST", *options, *gateway.address)
    assert fetched(tmp_path) == {uid: sent[uid][3] for uid in wanted}


QUESTIONS = {
    "all studies": ("-S", "STUDY", "StudyInstanceUID", "PatientName", "StudyDate"),
    "a name with a wildcard": ("-S", "STUDY", "StudyInstanceUID", "PatientName=Doe^Pe*"),
    "an ID with question marks": ("-S", "STUDY", "StudyInstanceUID", "PatientID=7765403?"),
    "a list of studies": ("-S", "STUDY", f"StudyInstanceUID={STUDY}\\1.2.3", "PatientID"),
    "a range of dates": ("-S", "STUDY", "StudyInstanceUID", "StudyDate=20010101-20031231"),
    "dates up to": ("-S", "STUDY", "StudyInstanceUID", "StudyDate=-20020101"),
    "dates from": ("-S", "STUDY", "StudyInstanceUID", "StudyDate=20030101-"),
    "times from and to": ("-S", "STUDY", "StudyInstanceUID", "StudyTime=160000-180000"),
    "times up to": ("-S", "STUDY", "StudyInstanceUID", "StudyTime=-120000"),
    "times from": ("-S", "STUDY", "StudyInstanceUID", "StudyTime=120000-"),
    "hours": ("-S", "STUDY", "StudyInstanceUID", "StudyTime=16-19"),
    "a star": ("-S", "STUDY", "StudyInstanceUID", "PatientName=*", "AccessionNumber=*"),
    "spaces at the end": ("-S", "STUDY", "StudyInstanceUID", f"PatientID={PATIENT} "),
    "a description": ("-S", "STUDY", "StudyInstanceUID", "StudyDescription=*e*"),
    "a name with carets": ("-S", "STUDY", "StudyInstanceUID", "PatientName=Doe^*"),
    "nothing": ("-S", "STUDY", "StudyInstanceUID", "PatientID=nobody"),
    "patients": ("-P", "PATIENT", "PatientID", "PatientName"),
    "studies of a patient": ("-P", "STUDY", f"PatientID={PATIENT}", "StudyInstanceUID"),
    "series": ("-S", "SERIES", f"StudyInstanceUID={STUDY}", "SeriesInstanceUID", "Modality=CR"),
    "patient/study only": ("-O", "STUDY", f"PatientID={PATIENT}", "StudyInstanceUID"),
}


def answers(address, question, *options) -> list[tuple[tuple[str, str], ...]]:
    model, level, *keys = question
    words = [model, "-k", f"QueryRetrieveLevel={level}"]
    for key in keys:
        words += ["-k", key]
    text = tool("findscu", *options, *words, *address)
    wanted = {key.partition("=")[0] for key in keys}
    found = []
    for response in text.split("Find Response: ")[1:]:
        values = re.findall(r"\([0-9a-f,]+\) \w\w (?:\[(.*?)\]|\S+ *).*# .* (\w+)\n", response)
        found.append(tuple(sorted((k, v.rstrip(" \0")) for v, k in values if k in wanted)))
    return sorted(found)


@pytest.mark.parametrize("name", QUESTIONS)
def test_findscu_gets_the_answers_of_dcmtks_archive(gateway, oracle, name):
    question = QUESTIONS[name]
    ours = answers(gateway.address, question)
    assert ours == answers(oracle.address, question, "-aec", "QR")
    assert bool(ours) is (name != "nothing")


# pynetdicom

FIND = KEYWORDS["StudyRootQueryRetrieveInformationModelFind"]
GET = KEYWORDS["StudyRootQueryRetrieveInformationModelGet"]


def find(address, **keys) -> list:
    ae = AE()
    ae.add_requested_context(FIND)
    assoc = ae.associate(*address)
    assert assoc.is_established
    found = answered(assoc, data_set(**keys))
    assoc.release()
    return found


def answered(assoc, query) -> list:
    """pynetdicom's reactor now and then takes the first response of a fast peer for itself."""
    for _ in range(5):
        found = list(assoc.send_c_find(query, FIND))
        if len(found) > 1 or found[0][0].Status != 0x0000:
            break
    return found


def test_what_is_counted(gateway):
    (_, match), (final, _) = find(
        gateway.address,
        QueryRetrieveLevel="STUDY",
        StudyInstanceUID=STUDY,
        ModalitiesInStudy="",
        NumberOfStudyRelatedInstances=None,
        NumberOfStudyRelatedSeries=None,
        RetrieveAETitle="",
        InstanceAvailability="",
    )
    assert final.Status == 0x0000
    assert (match.ModalitiesInStudy, match.RetrieveAETitle) == ("CR", "GATEWAY")
    assert match.InstanceAvailability == "ONLINE"
    assert (match.NumberOfStudyRelatedInstances, match.NumberOfStudyRelatedSeries) == (3, 3)


WRONG = {
    "no level": ({"StudyInstanceUID": ""}, "(0008,0052)"),
    "a level that is none": ({"QueryRetrieveLevel": "FRAME"}, "(0008,0052)"),
    "a level of another model": ({"QueryRetrieveLevel": "PATIENT"}, "(0008,0052)"),
    "no study above the series": ({"QueryRetrieveLevel": "SERIES"}, "(0020,000D)"),
    "a date that is none": ({"QueryRetrieveLevel": "STUDY", "StudyDate": "20x"}, "(0008,0020)"),
    "two names": ({"QueryRetrieveLevel": "STUDY", "PatientID": ["a", "b"]}, "(0010,0020)"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", WRONG)
def test_an_identifier_that_does_not_fit_is_a900(gateway, name):
    keys, tag = WRONG[name]
    ((status, _),) = find(gateway.address, **keys)
    assert status.Status == 0xA900
    assert tag in status.ErrorComment


def test_a_success_is_found_at_once(gateway):
    ae = AE()
    ae.add_requested_context(FIND)
    ae.add_requested_context(wire.CT, wire.EXPLICIT)
    assoc = ae.associate(*gateway.address)
    for _ in range(20):
        one = instances.make()
        assert run_store(assoc, one) == 0x0000
        query = Dataset()
        query.QueryRetrieveLevel = "IMAGE"
        query.StudyInstanceUID, query.SeriesInstanceUID = uids(one)
        query.SOPInstanceUID = one.uid
        (_, match), _ = answered(assoc, query)
        assert match.SOPInstanceUID == one.uid
    assoc.release()


def read(one) -> Dataset:
    return dcmread(BytesIO(one.part10()))


def uids(one) -> tuple[str, str]:
    data = read(one)
    return data.StudyInstanceUID, data.SeriesInstanceUID


def run_store(assoc, one) -> int:
    return assoc.send_c_store(read(one)).Status


def test_getting_in_another_uncompressed_syntax(gateway):
    """Only implicit VR is accepted for what was stored in explicit VR."""
    ct = dcmread(TEST_FILES / "CT_small.dcm")
    got = []
    ae = AE()
    ae.add_requested_context(GET)
    ae.add_requested_context(wire.CT, wire.IMPLICIT)
    handlers = [(evt.EVT_C_STORE, lambda event: got.append(event.dataset) or 0x0000)]
    role = [build_role(wire.CT, scp_role=True)]
    assoc = ae.associate(*gateway.address, ext_neg=role, evt_handlers=handlers)
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.StudyInstanceUID = ct.StudyInstanceUID
    *_, (final, _) = assoc.send_c_get(query, GET)
    assoc.release()
    assert (final.Status, final.NumberOfCompletedSuboperations) == (0x0000, 1)
    assert got[0].PixelData == ct.PixelData
    assert got[0].PatientName == ct.PatientName


def test_a_file_that_vanished_is_a_failure_with_its_name(start_gateway):
    gateway = start_gateway()
    ae = AE()
    ae.add_requested_context(GET)
    ae.add_requested_context(wire.CT, wire.EXPLICIT)
    role = [build_role(wire.CT, scp_role=True, scu_role=True)]
    handlers = [(evt.EVT_C_STORE, lambda event: 0x0000)]
    assoc = ae.associate(*gateway.address, ext_neg=role, evt_handlers=handlers)
    both = [instances.make(), instances.make()]
    assert [run_store(assoc, one) for one in both] == [0x0000, 0x0000]
    (path,) = [p for p in gateway.archive.rglob("*.dcm") if read_stored(p).uid == both[0].uid]
    path.unlink()
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.StudyInstanceUID = uids(both[0])[0]
    *_, (final, identifier) = assoc.send_c_get(query, GET)
    assoc.release()
    assert final.Status == 0xB000
    assert (final.NumberOfCompletedSuboperations, final.NumberOfFailedSuboperations) == (1, 1)
    assert identifier.FailedSOPInstanceUIDList == both[0].uid
