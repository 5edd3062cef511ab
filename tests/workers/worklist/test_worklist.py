"""The worklist worker: files, matching of PS3.4 K.2.2, and what is wrong with a folder."""

from __future__ import annotations

import json
import os
import re

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from gateway.errors import ConfigError, Unavailable
from gateway.sdk import testing
from gateway.sop_class import ModalityWorklistInformationFind
from tests.data_sets import data_set
from workers.worklist import worklist_folder
from workers.worklist.worklist_folder import WorklistFolder
from workers.worklist.worklist_worker import worker


def entry(name="DOE^JANE", patient="P1", *steps: Dataset, **more: str) -> Dataset:
    one = data_set(PatientName=name, PatientID=patient, **more)
    one.ScheduledProcedureStepSequence = list(steps) or [
        data_set(
            Modality="CT", ScheduledStationAETitle="CT1", ScheduledProcedureStepStartDate="20261128"
        )
    ]
    return one


def write(folder, name: str, item: Dataset) -> None:
    item.file_meta = FileMetaDataset()
    item.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    item.save_as(folder / name, implicit_vr=False, little_endian=True, enforce_file_format=False)
    data = (folder / name).read_bytes()
    if data[128:132] != b"DICM":
        from gateway.part10 import file_meta

        uid = "1.2.840.10008.5.1.4.31"
        (folder / name).write_bytes(file_meta(uid, "1.2.3", str(ExplicitVRLittleEndian)) + data)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(worklist_folder, "LOOKED", -1.0)  # every query looks
    path = tmp_path / "worklist"
    path.mkdir()
    return path


def started(folder, tmp_path):
    return testing.started(worker, tmp_path, folder=str(folder))


def ask(query: Dataset) -> tuple[list[Dataset], int]:
    *found, (status, _) = testing.find(worker, query, sop_class=ModalityWorklistInformationFind)
    assert all(code == 0xFF00 for code, _ in found)
    return [match for _, match in found if match is not None], status


def names(query: Dataset) -> list[str]:
    query.setdefault("PatientName", "")
    found, status = ask(query)
    assert status == 0x0000
    return [str(one.PatientName) for one in found]


ITEMS = {
    "a.wl": entry(
        "DOE^JANE",
        "P1",
        data_set(
            Modality="CT",
            ScheduledStationAETitle="CT1",
            ScheduledProcedureStepStartDate="20261128",
            ScheduledProcedureStepStartTime="0830",
        ),
        AccessionNumber="A1",
        StudyInstanceUID="1.2.3.1",
    ),
    "b.wl": entry(
        "Doe^John",
        "P2",
        data_set(
            Modality="MR",
            ScheduledStationAETitle="MR1",
            ScheduledProcedureStepStartDate="20261129",
            ScheduledProcedureStepStartTime="153000",
        ),
        data_set(
            Modality="CT", ScheduledStationAETitle="CT2", ScheduledProcedureStepStartDate="20261205"
        ),
        StudyInstanceUID="1.2.3.2",
    ),
    "c.dcm": entry("ROE^RICHARD", "P3", StudyInstanceUID="1.2.3.3"),
}


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({}, "JANE John RICHARD"),
        ({"PatientName": "*"}, "JANE John RICHARD"),
        ({"PatientName": "doe^*"}, "JANE John"),
        ({"PatientName": "DOE^J?NE"}, "JANE"),
        ({"PatientName": "ROE^RICHARD"}, "RICHARD"),
        ({"PatientID": "P2"}, "John"),
        ({"PatientID": "p2"}, ""),
        ({"PatientID": "P*"}, "JANE John RICHARD"),
        ({"AccessionNumber": "A1"}, "JANE"),
        ({"StudyInstanceUID": "1.2.3.1\\1.2.3.3"}, "JANE RICHARD"),
        ({"Modality": "CT"}, "JANE John RICHARD"),
        ({"Modality": "MR"}, "John"),
        ({"Modality": "CT", "ScheduledStationAETitle": "CT2"}, "John"),
        ({"Modality": "MR", "ScheduledStationAETitle": "CT2"}, ""),
        ({"ScheduledProcedureStepStartDate": "20261128"}, "JANE RICHARD"),
        ({"ScheduledProcedureStepStartDate": "20261129-"}, "John John"),
        ({"ScheduledProcedureStepStartDate": "-20261128"}, "JANE RICHARD"),
        ({"ScheduledProcedureStepStartDate": "20261128-20261129"}, "JANE John RICHARD"),
        ({"ScheduledProcedureStepStartTime": "08-0900"}, "JANE"),
        ({"ScheduledProcedureStepStartTime": "1530"}, "John"),
    ],
)
def test_each_kind_of_matching(folder, tmp_path, keys, found):
    for name, item in ITEMS.items():
        write(folder, name, item)
    query, inner = Dataset(), Dataset()
    for name, value in keys.items():
        setattr(inner if name == "Modality" or name.startswith("Scheduled") else query, name, value)
    if len(inner):
        query.ScheduledProcedureStepSequence = [inner]
    with started(folder, tmp_path):
        assert [one.partition("^")[2] for one in names(query)] == found.split()


def test_a_response_has_what_was_asked_for_and_no_more(folder, tmp_path):
    write(folder, "b.wl", ITEMS["b.wl"])
    query = data_set(PatientName="", PatientBirthDate="", RequestingPhysician="")
    query.ScheduledProcedureStepSequence = [data_set(Modality="CT", ScheduledStationName="")]
    query.ReferencedStudySequence = []
    with started(folder, tmp_path):
        (found,), status = ask(query)
    assert status == 0x0000
    assert [e.keyword for e in found if e.keyword != "SpecificCharacterSet"] == [
        *("ReferencedStudySequence", "PatientName", "PatientBirthDate", "RequestingPhysician"),
        "ScheduledProcedureStepSequence",
    ]
    (only,) = found.ScheduledProcedureStepSequence
    assert (only.Modality, only.ScheduledStationName) == ("CT", "")
    assert "ScheduledStationAETitle" not in only


@pytest.mark.parametrize("inner", [[], [Dataset()]])
def test_an_empty_sequence_asks_for_every_step_each_in_a_response(folder, tmp_path, inner):
    write(folder, "b.wl", ITEMS["b.wl"])
    query = data_set(PatientName="")
    query.ScheduledProcedureStepSequence = inner
    with started(folder, tmp_path):
        found, _ = ask(query)
    steps = [one.ScheduledProcedureStepSequence for one in found]
    assert [[one.Modality for one in items] for items in steps] == [["MR"], ["CT"]]


def test_json_files_have_one_item_or_a_list(folder, tmp_path):
    one, two = entry("張^小東", "P7"), entry("Müller^Ö", "P8")
    (folder / "one.json").write_text(one.to_json())
    (folder / "list.json").write_text(json.dumps([two.to_json_dict(), entry().to_json_dict()]))
    with started(folder, tmp_path):
        asked = data_set(SpecificCharacterSet="ISO_IR 192", PatientName="張*")
        (found,), _ = ask(asked)
        assert (str(found.PatientName), found.SpecificCharacterSet) == ("張^小東", "ISO_IR 192")
        assert sorted(names(Dataset())) == ["DOE^JANE", "Müller^Ö", "張^小東"]


def test_a_change_of_the_folder_is_seen(folder, tmp_path):
    write(folder, "a.wl", ITEMS["a.wl"])
    with started(folder, tmp_path):
        assert names(Dataset()) == ["DOE^JANE"]
        write(folder, "b.wl", ITEMS["b.wl"])
        write(folder, "a.wl", entry("DOE^JANE-ANN"))
        assert names(Dataset()) == ["DOE^JANE-ANN", "Doe^John"]
        (folder / "a.wl").unlink()
        assert names(Dataset()) == ["Doe^John"]


def test_a_file_that_is_half_written_stays_as_it_was_and_is_named(folder, tmp_path, caplog):
    write(folder, "a.wl", ITEMS["a.wl"])
    whole = (folder / "a.wl").read_bytes()
    with started(folder, tmp_path):
        assert names(Dataset()) == ["DOE^JANE"]
        for cut in (100, 200, len(whole) - 3):
            (folder / "a.wl").write_bytes(whole[:cut])
            assert names(Dataset()) == ["DOE^JANE"]
            assert "a.wl" in worker.context.troubles["worklist"]
        (folder / "new.json").write_text('{"00100010": {"vr": "PN"')
        assert names(Dataset()) == ["DOE^JANE"]
        assert "new.json: no JSON" in worker.context.troubles["worklist"]
        (folder / "a.wl").write_bytes(whole)
        (folder / "new.json").unlink()
        assert names(Dataset()) == ["DOE^JANE"]
        assert "worklist" not in worker.context.troubles
        assert worker.context.facts["worklist"] == {"items": 1}
    assert "JANE" not in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.json", b"[" * 100_000, "no JSON|RecursionError|cannot be read"),
        ("a.json", b"4", "cannot be read"),
        ("a.json", b'[{"00100010": {"vr": "PN", "Value": [4]}}]', "cannot be read"),
        ("a.json", b'{"00400100": {"vr": "SQ", "Value": ["x"]}}', "cannot be read"),
        ("a.json", b"\xff\xfe", "no JSON"),
        ("a.wl", b"", "a.wl: "),
        ("a.wl", b"\0" * 128 + b"DICM" + b"\xff" * 50, "a.wl: "),
        ("a.wl", b"x" * 2_000, "2000 bytes|a.wl: "),
    ],
)
def test_a_file_that_is_no_worklist_is_named_and_the_others_go_on(
    folder, tmp_path, caplog, monkeypatch, name, content, why
):
    monkeypatch.setattr(worklist_folder, "LARGEST", 1_000_000)
    write(folder, "z.wl", ITEMS["a.wl"])
    (folder / name).write_bytes(content)
    with started(folder, tmp_path):
        assert names(Dataset()) == ["DOE^JANE"]
        assert re.search(why, worker.context.troubles["worklist"])
    assert "Traceback" not in caplog.text


def test_what_is_no_regular_file_is_named_and_never_opened(folder, tmp_path, caplog):
    write(folder, "z.wl", ITEMS["a.wl"])
    os.mkfifo(folder / "fifo.wl")
    (folder / "zero.json").symlink_to("/dev/zero")
    (folder / "loop.wl").symlink_to("loop.wl")
    (folder / "folder.dcm").mkdir()
    (folder / "gone.wl").symlink_to("nothing")
    with started(folder, tmp_path):
        for _ in range(2):
            assert names(Dataset()) == ["DOE^JANE"]
        told = worker.context.troubles["worklist"]
        assert {"fifo.wl: not a file", "folder.dcm: not a file"} < set(told.split("; "))
    for name in ("fifo.wl", "zero.json", "loop.wl", "folder.dcm"):
        assert caplog.text.count(name) == 1


def test_a_file_that_grows_or_vanishes_while_it_is_read(folder, tmp_path, monkeypatch):
    write(folder, "z.wl", ITEMS["a.wl"])
    monkeypatch.setattr(worklist_folder, "LARGEST", 1000)
    read_most = worklist_folder._read_most

    def grown(path):
        path.write_bytes(bytes(1001))
        return read_most(path)

    def vanished(path):
        path.unlink()
        return read_most(path)

    with started(folder, tmp_path):
        assert names(Dataset()) == ["DOE^JANE"]
        for change, why in ((grown, "more than 1000 bytes"), (vanished, "No such file")):
            write(folder, "b.wl", ITEMS["b.wl"])
            monkeypatch.setattr(worklist_folder, "_read_most", change)
            assert names(Dataset()) == ["DOE^JANE"]
            assert f"b.wl: {why}" in worker.context.troubles["worklist"]
            monkeypatch.setattr(worklist_folder, "_read_most", read_most)
            (folder / "b.wl").unlink(missing_ok=True)
            assert names(Dataset()) == ["DOE^JANE"]
            assert "worklist" not in worker.context.troubles


def test_a_file_that_is_too_long_is_not_read(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(worklist_folder, "LARGEST", 100)
    write(folder, "a.wl", ITEMS["a.wl"])
    with started(folder, tmp_path):
        assert names(Dataset()) == []
        assert re.search(r"a\.wl: \d+ bytes, 100 are", worker.context.troubles["worklist"])


def test_other_files_are_left_alone(folder, tmp_path):
    for name in ("lockfile", ".a.wl", "notes.txt", "a.wl.part"):
        (folder / name).write_text("nothing")
    (folder / "sub.wl.d").mkdir()
    with started(folder, tmp_path):
        assert names(Dataset()) == []
        assert "worklist" not in worker.context.troubles


@pytest.mark.parametrize(
    "wrong", [{"PatientID": "A\\B"}, {"ScheduledProcedureStepStartDate": "tomorrow"}]
)
def test_a_key_that_cannot_be_matched_is_a900(folder, tmp_path, wrong):
    write(folder, "a.wl", ITEMS["a.wl"])
    query = Dataset()
    query.ScheduledProcedureStepSequence = [data_set(**wrong)]
    with started(folder, tmp_path):
        assert ask(query) == ([], 0xA900)
        query.ScheduledProcedureStepSequence = [Dataset(), data_set(Modality="CT")]
        assert ask(query) == ([], 0xA900)


def test_a_folder_that_goes_away_is_told(folder, tmp_path):
    with started(folder, tmp_path):
        os.rmdir(folder)
        assert ask(Dataset()) == ([], 0xA700)
        assert "cannot be read" in worker.context.troubles["worklist"]
        folder.mkdir()
        assert names(Dataset()) == []
        assert "worklist" not in worker.context.troubles


def test_a_folder_is_needed(tmp_path):
    with pytest.raises(ConfigError, match="needs a folder"), started("", tmp_path):
        pass
    with pytest.raises(Unavailable, match="No such file"):
        WorklistFolder(tmp_path / "missing").check()
