import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gateway
import gateway.sdk
from gateway import events, evt

ROOT = Path(gateway.__file__).parent.parent


@pytest.mark.parametrize("package", ["gateway", "gateway.sdk"])
def test_importing_a_worker_and_its_events_is_light(package):
    code = (
        f"import sys; from {package} import Worker, evt\n"
        "Worker('w').on(evt.EVT_C_STORE)(lambda event: 0)\n"
        "print(*({'pydicom', 'zmq', 'pydantic', 'typer', 'rich'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == ""


def test_every_event_of_the_catalogue_is_there():
    for name, event in events.CATALOGUE.items():
        assert getattr(evt, name) is event
    assert set(events.CATALOGUE) <= set(evt.__all__)
    assert all(hasattr(evt, name) for name in evt.__all__)


def test_public_names():
    from gateway.sdk.event import Event
    from gateway.sdk.worker_definition import Worker

    assert gateway.Worker is Worker
    assert evt.Event is gateway.Event is Event
    assert gateway.evt is evt
    assert gateway.build_context("1.2.840.10008.1.1").abstract_syntax == "1.2.840.10008.1.1"
    assert gateway.Status(0) == 0
    assert gateway.sop_class.Verification == "1.2.840.10008.1.1"
    for name in gateway._PUBLIC:
        assert getattr(gateway, name)
        assert name in dir(gateway)


@pytest.mark.parametrize("name", sorted({*gateway.sdk._PUBLIC, *gateway.sdk._MODULES}))
def test_what_workers_need_is_in_the_sdk(name):
    assert getattr(gateway.sdk, name)
    assert name in dir(gateway.sdk)


def test_statuses_have_names_and_may_have_a_comment():
    from gateway.sdk import status, status_with_comment

    answer = status_with_comment(status.DATA_SET_DOES_NOT_MATCH, "x" * 70, 0x00100010)
    assert (answer.Status, answer.ErrorComment) == (0xA900, "x" * 64)
    assert answer.OffendingElement == 0x00100010
    assert "OffendingElement" not in status_with_comment(status.OUT_OF_RESOURCES, "full")


@pytest.mark.parametrize("module", [gateway, gateway.sdk, evt])
def test_other_names_are_refused(module):
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = module.nothing


def test_version_is_the_distributions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert gateway.__version__ == project["version"]
