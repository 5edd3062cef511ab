"""Worklist items from a function of the site."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from gateway.errors import ConfigError
from gateway.sdk import testing
from gateway.sop_class import ModalityWorklistInformationFind
from workers.worklist.worklist_worker import worker

HOOK = """
from pydicom.dataset import Dataset

asked = []


def items(identifier):
    asked.append(identifier.PatientID)
    one = Dataset()
    one.PatientID, one.PatientName = "P1", "DOE^JANE"
    yield one
    yield {"00100020": {"vr": "LO", "Value": ["P2"]}}
    if identifier.PatientID == "P3":
        raise KeyError("SECRET")
    if identifier.PatientID == "P4":
        yield 4


class Nothing:
    pass


number = 4
"""


def ask(patient: str) -> tuple[list[str], int]:
    query = Dataset()
    query.PatientID = patient
    *found, (status, _) = testing.find(worker, query, sop_class=ModalityWorklistInformationFind)
    return [match.PatientID for _, match in found if match is not None], status


@pytest.fixture
def ris(tmp_path, monkeypatch):
    (tmp_path / "ris_hook_of_a_test.py").write_text(HOOK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "ris_hook_of_a_test"


def test_what_a_hook_returns_is_matched(ris, tmp_path):
    with testing.started(worker, tmp_path, hook=f"{ris}:items"):
        assert ask("") == (["P1", "P2"], 0x0000)
        assert ask("P2") == (["P2"], 0x0000)
        assert worker.context.facts["worklist"] == {"calls": 2, "failed": 0}


@pytest.mark.parametrize(("patient", "kind"), [("P3", "KeyError"), ("P4", "TypeError|Attribute")])
def test_a_hook_that_fails_is_named_and_nothing_of_a_patient_is_logged(
    ris, tmp_path, caplog, patient, kind
):
    with testing.started(worker, tmp_path, hook=f"{ris}:items"):
        assert ask(patient)[1] == 0xA700
        told = worker.context.troubles["worklist"]
        assert told.startswith(f"{ris}:items raised ")
        assert any(one in told for one in kind.split("|"))
        assert worker.context.facts["worklist"] == {"calls": 1, "failed": 1}
        assert ask("P1") == (["P1"], 0x0000)
        assert "worklist" not in worker.context.troubles
    assert "SECRET" not in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"hook": "ris_hook_of_a_test:missing"}, "cannot be loaded: AttributeError"),
        ({"hook": "no_such_module:items"}, "cannot be loaded: ModuleNotFoundError"),
        ({"hook": "ris_hook_of_a_test:number"}, "is not a function"),
        ({"hook": 4}, "it must be a text"),
        ({"hook": "a:b", "folder": "/x"}, "not folder and hook"),
    ],
)
def test_a_wrong_hook_is_named(ris, tmp_path, options, text):
    with pytest.raises(ConfigError, match=text), testing.started(worker, tmp_path, **options):
        pass
