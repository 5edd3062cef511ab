"""The modules that programs for pynetdicom import, under the names that they import them by."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import gateway

ROOT = Path(gateway.__file__).parent.parent
HOMES = {
    "config_flags": "gateway.facade.flags",
    "evt": "gateway.sdk.event_names",
    "pdu_primitives": "gateway.facade.negotiation_items",
    "presentation": "gateway.facade.presentation_contexts",
    "service_class": "gateway.facade.service_classes",
    "sop_class": "gateway.facade.sop_classes",
    "status": "gateway.facade.status_codes",
}
PROGRAM = """
import gateway.presentation
import gateway.sop_class as classes
from gateway import config_flags, evt, sop_class
from gateway.pdu_primitives import UserIdentityNegotiation
from gateway.presentation import PresentationContext, StoragePresentationContexts, build_context
from gateway.service_class import StorageServiceClass
from gateway.sop_class import CTImageStorage, SOPClass
from gateway.status import STATUS_SUCCESS, STORAGE_SERVICE_CLASS_STATUS, Status

config_flags.ENFORCE_UID_CONFORMANCE = False
contexts: list[PresentationContext] = [*StoragePresentationContexts, build_context(CTImageStorage)]
contexts += gateway.presentation.VerificationPresentationContexts
event: evt.NotificationEvent = evt.EVT_RELEASED
uid: str = classes.Verification or sop_class.Verification
item = UserIdentityNegotiation(1, primary_field=b"user")
text: str = STORAGE_SERVICE_CLASS_STATUS[Status.SUCCESS][0] or STATUS_SUCCESS
print(SOPClass(CTImageStorage).name, StorageServiceClass.__name__)
"""


@pytest.mark.parametrize(("name", "home"), HOMES.items())
def test_both_names_mean_one_module(name, home):
    assert import_module(f"gateway.{name}") is import_module(home) is getattr(gateway, name)


@pytest.mark.parametrize("name", HOMES)
def test_a_fresh_process_may_import_each_first(name):
    code = f"import gateway.{name}; from gateway import {name} as n; assert gateway.{name} is n"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_program_runs_and_type_checkers_accept_it(tmp_path):
    api = pytest.importorskip("mypy.api")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    subprocess.run([sys.executable, program], check=True, env={"PYTHONPATH": str(ROOT)})
    out, err, status = api.run(
        ["--strict", "--config-file", str(ROOT / "pyproject.toml"), "--follow-imports", "silent",
         "--cache-dir", str(tmp_path / "cache"), str(program)]
    )  # fmt: skip
    assert (err, status) == ("", 0), out
