"""The recipes of workers/README.md, each run as it stands there."""

from __future__ import annotations

import importlib
import sqlite3
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from pynetdicom import AE
from pynetdicom import evt as theirs

import workers
from gateway.config import load
from gateway.sdk import testing
from gateway.settings import STOCK_WORKERS
from gateway.uid import KEYWORDS
from tests.conftest import short_folder
from tests.documents import samples, write_modules
from tests.peers import wire
from tests.peers.process import Gateway
from tests.peers.raw import RawPeer, association

README = Path(workers.__file__).parent / "README.md"
RECIPES = {sample.module: sample for sample in samples(README, "python")}
TOML = samples(README, "toml")
FIND = KEYWORDS["StudyRootQueryRetrieveInformationModelFind"]
WORKLIST = KEYWORDS["ModalityWorklistInformationModelFind"]
MPPS = KEYWORDS["ModalityPerformedProcedureStep"]


@pytest.fixture
def recipe(request, tmp_path, monkeypatch):
    """The module that the test is named after."""
    write_modules(list(RECIPES.values()), tmp_path, monkeypatch)
    return importlib.import_module(request.function.__name__.partition("_")[2].partition("_")[0])


def test_every_recipe_has_a_test():
    tested = {name.split("_")[1] for name in globals() if name.startswith("test_")}
    assert set(RECIPES) <= tested


@pytest.mark.parametrize("sample", TOML, ids=lambda sample: sample.heading)
def test_every_configuration_is_valid(sample, tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text(sample.code)
    settings = load(file, environment={})
    (mine,) = settings.workers.keys() - set(STOCK_WORKERS)
    if settings.workers[mine].worker:
        assert settings.workers[mine].worker == f"{mine}:worker"
        assert mine in RECIPES
    else:
        assert mine in {one.name for one in entry_points(group="dicom_gateway.workers")}


def ct(**values: Any) -> Dataset:
    made = Dataset()
    made.SOPClassUID = CTImageStorage
    made.SOPInstanceUID = "1.2.3.4"
    for keyword, value in {"PatientID": "P1", "PatientName": "Secret^Name", **values}.items():
        setattr(made, keyword, value)
    return made


def test_gate(recipe, tmp_path):
    with testing.started(recipe.worker, tmp_path, allowed=["CT1"]):
        assert testing.associate(recipe.worker, ae_title="CT1") is None
        assert testing.associate(recipe.worker, ae_title="STRANGER") == (1, 1, 3)


def test_gate_in_a_gateway(recipe):
    with short_folder() as folder:
        (folder / "gate.py").write_text(RECIPES["gate"].code)
        config = next(one.code for one in TOML if "[workers.gate]" in one.code)
        gateway = Gateway(folder, config=config)
        try:
            with association(gateway.address, wire.context(1), calling="CT1") as peer:
                peer.release()
            with RawPeer(gateway.address) as peer:
                peer.send(wire.associate_rq(wire.context(1), calling="STRANGER"))
                assert peer.recv_pdu() == wire.associate_rj(1, 1, 3)
            assert gateway.stop() == 0
        finally:
            gateway.close()


def scp(handlers, *contexts):
    ae = AE("THERE")
    for context in contexts:
        ae.add_supported_context(context)
    return ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)


def test_route(recipe, tmp_path):
    stored = []

    def store(event):
        stored.append((event.assoc.requestor.ae_title, event.dataset.PatientID))
        return 0xB007

    server = scp([(theirs.EVT_C_STORE, store)], CTImageStorage)
    there = {"CT": [*server.server_address, "THERE"], "MR": ["127.0.0.1", 1, "NOWHERE"]}
    try:
        with testing.started(recipe.worker, tmp_path, destinations=there):
            assert testing.store(recipe.worker, ct(Modality="CT")) == 0xB007
            assert testing.store(recipe.worker, ct(Modality="MR")) == 0xA700
            assert testing.store(recipe.worker, ct(Modality="US")) == 0xA900
    finally:
        server.shutdown()
    assert stored == [("GATEWAY", "P1")]


def test_worklist(recipe, tmp_path):
    file = tmp_path / "worklist.sqlite"
    with sqlite3.connect(file) as database:
        database.execute(
            "CREATE TABLE worklist (patient_name, patient_id, accession_number, station, "
            "modality, start_date)"
        )
        for number, station in enumerate(["CT1", "MR1", "CT1"]):
            row = (
                f"Name^{number}",
                f"P{number}",
                f"A{number}",
                station,
                "CT",
                f"2026010{number + 1}",
            )
            database.execute("INSERT INTO worklist VALUES (?, ?, ?, ?, ?, ?)", row)
    database.close()

    def asked(station):
        step, identifier = Dataset(), Dataset()
        step.ScheduledStationAETitle = station
        identifier.ScheduledProcedureStepSequence = [step]
        return identifier

    def found(identifier, **how):
        *matches, (last, _) = testing.find(recipe.worker, identifier, sop_class=WORKLIST, **how)
        return [match.PatientID for _, match in matches], last

    with testing.started(recipe.worker, tmp_path, database=str(file)):
        assert found(asked("CT1")) == (["P0", "P2"], 0x0000)
        assert found(asked("")) == (["P0", "P1", "P2"], 0x0000)
        assert found(Dataset()) == (["P0", "P1", "P2"], 0x0000)
        assert found(asked(""), cancel_after=1) == (["P0"], 0xFE00)


def test_mpps(recipe, tmp_path):
    def step(state):
        made = Dataset()
        made.PerformedProcedureStepStatus = state
        return made

    with testing.started(recipe.worker, tmp_path):
        begin = testing.n_create(recipe.worker, step("IN PROGRESS"), MPPS, "1.2.3")
        assert begin == (0x0000, step("IN PROGRESS"))
        again = testing.n_create(recipe.worker, step("IN PROGRESS"), MPPS, "1.2.3")
        assert again == (0x0111, None)
        assert testing.n_create(recipe.worker, step("IN PROGRESS"), MPPS)[0] == 0x0120
        assert testing.n_set(recipe.worker, step("COMPLETED"), MPPS, "1.2.4")[0] == 0x0112
        assert testing.n_set(recipe.worker, step("COMPLETED"), MPPS, "1.2.3")[0] == 0x0000
        assert testing.n_set(recipe.worker, step("COMPLETED"), MPPS, "1.2.3")[0] == 0x0110


def test_anonymise(recipe, tmp_path):
    instance = ct(PatientBirthDate="19700101", AccessionNumber="A1", Modality="CT")
    instance.add_new(0x00091001, "LO", "private")
    with testing.started(recipe.worker, tmp_path, salt="salt"):
        assert testing.store(recipe.worker, instance) == 0x0000
        assert testing.store(recipe.worker, instance) == 0x0000
    first, second = (dcmread(file) for file in (tmp_path / "anonymised").glob("*.dcm"))
    assert first.PatientID == second.PatientID != "P1"
    assert (first.Modality, first.PatientIdentityRemoved) == ("CT", "YES")
    assert "Secret" not in str(first)
    assert "PatientBirthDate" not in first
    assert (0x0009, 0x1001) not in first


def test_proxy(recipe, tmp_path):
    def find(event):
        for number in range(3):
            match = Dataset()
            match.PatientID = f"{event.identifier.PatientID}{number}"
            yield 0xFF00, match

    def found(**how):
        identifier = Dataset()
        identifier.QueryRetrieveLevel, identifier.PatientID = "STUDY", "P"
        *matches, (last, _) = testing.find(recipe.worker, identifier, sop_class=FIND, **how)
        return [match.PatientID for _, match in matches], last

    server = scp([(theirs.EVT_C_FIND, find)], FIND)
    try:
        with testing.started(recipe.worker, tmp_path, archive=[*server.server_address, "THERE"]):
            assert found() == (["P0", "P1", "P2"], 0x0000)
            assert found(cancel_after=1) == (["P0"], 0xFE00)
        with testing.started(recipe.worker, tmp_path, archive=["127.0.0.1", 1, "NOWHERE"]):
            assert found() == ([], 0xA700)
    finally:
        server.shutdown()
