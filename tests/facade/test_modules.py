"""The modules that programs for pynetdicom import, under the names that they import them by."""

import subprocess
import sys
from importlib import import_module
from io import BytesIO
from pathlib import Path

import pynetdicom
import pynetdicom.dsutils
import pynetdicom.utils
import pytest
from mypy import api
from pydicom import config
from pydicom.config import IGNORE
from pydicom.dataset import Dataset
from pydicom.uid import UID, generate_uid

import gateway
from gateway import AE, dsutils, evt
from tests.data_sets import data_set
from tests.interop.both import instance

ROOT = Path(gateway.__file__).parent.parent
HOMES = {
    "config_flags": "gateway.facade.flags",
    "dimse_primitives": "gateway.facade.request_types",
    "dsutils": "gateway.facade.data_set_tools",
    "evt": "gateway.sdk.event_names",
    "pdu_primitives": "gateway.facade.negotiation_items",
    "presentation": "gateway.facade.presentation_contexts",
    "service_class": "gateway.facade.service_classes",
    "sop_class": "gateway.facade.sop_classes",
    "status": "gateway.facade.status_codes",
    "utils": "gateway.facade.uid_and_byte_tools",
    "_config": "gateway.facade.flags",
    "_globals": "gateway.facade.presentation_contexts",
    "ae": "gateway.facade.entity",
    "service_class_n": "gateway.facade.service_classes",
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
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    subprocess.run([sys.executable, program], check=True, env={"PYTHONPATH": str(ROOT)})
    out, err, status = api.run(
        ["--strict", "--config-file", str(ROOT / "pyproject.toml"), "--follow-imports", "silent",
         "--cache-dir", str(tmp_path / "cache"), str(program)]
    )  # fmt: skip
    assert (err, status) == ("", 0), out


ABSENT = [
    ("evt", "trigger"),
    ("evt", "get_default_handler"),
    ("events", "Event"),
    ("association", "Association"),
    ("_globals", "STATUS_PENDING"),
    ("_globals", "MODE_REQUESTOR"),
    ("presentation", "DEFAULT_MAX_LENGTH"),
    ("pdu_primitives", "ServiceParameter"),
    ("sop_class", "_STORAGE_CLASSES"),
    ("service_class", "attempt"),
    ("utils", "make_target"),
    ("_config", "validate_ae"),
    ("ae", "AssociationSocket"),
    ("", "acse"),
    ("", "dul"),
    ("", "transport"),
]


@pytest.mark.parametrize(("module", "name"), ABSENT)
def test_a_name_that_stays_away_says_what_to_use(module, name):
    source = f"gateway.{module}".rstrip(".")
    with pytest.raises(ImportError, match=f"has no .*{name}: ...") as raised:
        exec(f"from {source} import {name}", {})
    assert "cannot import name" not in str(raised.value)


@pytest.mark.parametrize("name", ["_handlers", "_validators", "acse", "dul", "fsm", "transport"])
def test_a_module_that_stays_away_says_what_to_use(name):
    with pytest.raises(ImportError, match=f"gateway has no module {name}: ..."):
        import_module(f"gateway.{name}")
    with pytest.raises(ImportError, match=f"gateway has no module {name}: ..."):
        exec(f"from gateway.{name} import Something", {})


def test_a_name_that_nobody_has_is_an_attribute_error():
    for name in HOMES:
        assert not hasattr(import_module(f"gateway.{name}"), "no_such_name")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        import_module("gateway.no_such_module")


PUBLIC = {
    "": "",
    "_config": "_config",
    "_globals": "_globals",
    "ae": "ae",
    "dimse_primitives": "dimse_primitives",
    "dsutils": "dsutils",
    "events": "evt",
    "pdu_primitives": "pdu_primitives",
    "presentation": "presentation",
    "service_class": "service_class",
    "service_class_n": "service_class_n",
    "sop_class": "sop_class",
    "status": "status",
    "utils": "utils",
}


def _own_names(module):
    """Return the names that a module of pynetdicom defines, and not those that it imports."""
    has_constants = module.__name__.startswith("pynetdicom._")
    for name, value in vars(module).items():
        home = getattr(value, "__module__", module.__name__ if has_constants else None)
        if not name.startswith("_") and home == module.__name__:
            yield name


@pytest.mark.parametrize(("theirs", "ours"), PUBLIC.items())
def test_every_name_of_a_module_is_here_or_says_what_to_use(theirs, ours):
    module = import_module(f"pynetdicom.{theirs}".rstrip("."))
    home = import_module(f"gateway.{ours}".rstrip("."))
    assert [name for name in _own_names(module) if not _is_here_or_explained(home, name)] == []


def _is_here_or_explained(module, name):
    try:
        getattr(module, name)
    except ImportError as error:
        return ": " in str(error)
    except AttributeError:
        return False
    return True


def test_other_names_of_modules():
    from gateway import _config, service_class_n

    assert _config is gateway.config_flags
    assert service_class_n is gateway.service_class
    for name in ("CODECS", "VALIDATORS", "PASS_CONTEXTVARS", "WINDOWS_TIMER_RESOLUTION"):
        assert hasattr(_config, name)


def test_the_identity_that_programs_write_into_files():
    from gateway import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION

    assert PYNETDICOM_IMPLEMENTATION_UID.is_valid
    assert AE().implementation_class_uid == PYNETDICOM_IMPLEMENTATION_UID
    assert 0 < len(PYNETDICOM_IMPLEMENTATION_VERSION) <= 16
    assert generate_uid(prefix=gateway.PYNETDICOM_UID_PREFIX).is_valid


def test_event_types():
    assert isinstance(evt.EVT_C_STORE, evt.EventType)
    assert isinstance(evt.EVT_RELEASED, evt.EventType)


ENCODINGS = [(True, True, False), (False, True, False), (False, False, False), (False, True, True)]


@pytest.mark.filterwarnings("ignore:A value of type")
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_data_sets_are_encoded_as_by_pynetdicom(encoding):
    ds = data_set(PatientName="A^B", PatientID="1", Rows=5)
    ours, theirs = (lib.dsutils.encode(ds, *encoding) for lib in (gateway, pynetdicom))
    for encoded in (ours, theirs):
        assert dsutils.decode(BytesIO(encoded), *encoding) == ds
    assert encoding[2] or ours == theirs
    broken = data_set()
    broken.add_new(0x00280010, "US", "many")
    assert dsutils.encode(broken, *encoding) is None


def test_file_meta_information_is_as_by_pynetdicom(tmp_path):
    path = tmp_path / "one.dcm"
    instance().save_as(path, enforce_file_format=True)
    assert dsutils.split_dataset(path) == pynetdicom.dsutils.split_dataset(path)
    about = {
        "sop_class_uid": "1.2.3",
        "sop_instance_uid": "1.2.4",
        "transfer_syntax": "1.2.840.10008.1.2",
        "implementation_uid": "1.2.5",
        "implementation_version": "V",
    }
    ours, theirs = (lib.dsutils.create_file_meta(**about) for lib in (gateway, pynetdicom))
    assert ours == theirs
    assert dsutils.encode_file_meta(ours) == pynetdicom.dsutils.encode_file_meta(theirs)


@pytest.mark.parametrize("size", [0, 5, 16, 40, 600])
@pytest.mark.parametrize("limit", [None, 32, 512])
def test_bytes_are_shown_as_by_pynetdicom(size, limit):
    whole = bytes(range(256)) * 3
    ours, theirs = (
        lib.utils.pretty_bytes(BytesIO(whole[:size]), max_size=limit, suffix="|")
        for lib in (gateway, pynetdicom)
    )
    assert ours == theirs


def test_uids_and_texts_are_checked_as_by_pynetdicom(monkeypatch):
    for enforced in (False, True):
        for flags in (gateway.config_flags, pynetdicom._config):
            monkeypatch.setattr(flags, "ENFORCE_UID_CONFORMANCE", enforced)
        for text in ("1.2.3", "1.02", "x"):
            uid = UID(text, validation_mode=IGNORE)
            assert gateway.utils.validate_uid(uid) is pynetdicom.utils.validate_uid(uid), text
    assert gateway.utils.decode_bytes(b"ACME") == "ACME"
    with pytest.raises(ValueError, match="Unable to decode 'FF' using the ascii codec"):
        gateway.utils.decode_bytes(bytes([0xFF]))


def _elements():
    """Return a data set with elements of many kinds."""
    ds = data_set(PatientName="Citizen^Jan", PatientID=None, EventElapsedTimes=["1.5", "2.23"])
    ds.EvaluatorSequence = [data_set(BitsAllocated=[8, 16]), Dataset()]
    ds.EventCodeSequence = []
    ds.add_new(0x00280103, "US", 1)
    ds.add_new(0x7FE00010, "OB", bytes(13))
    ds.add_new(0x00091010, "OB", bytes(14))
    ds.add_new(0x00091011, "OB", [bytes(2), bytes(3)])
    ds.add_new(0x00091012, "UN", b"")
    return ds


def test_data_sets_are_shown_as_by_pynetdicom():
    ds = _elements()
    assert dsutils.pretty_dataset(ds) == pynetdicom.dsutils.pretty_dataset(ds)
    del ds.EventCodeSequence, ds.EvaluatorSequence  # pynetdicom does not indent them
    indented = pynetdicom.dsutils.pretty_dataset(ds, 2, "..")
    assert dsutils.pretty_dataset(ds, 2, "..") == indented
    assert dsutils.pretty_dataset(Dataset()) == []


def test_an_element_that_cannot_be_shown_costs_its_value_only(monkeypatch):
    # Other tests may have switched it off, as workers do.
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.WARN)

    class Unspeakable:
        def __str__(self):
            raise RuntimeError

    ds = Dataset()
    with pytest.warns(UserWarning, match="cannot be assigned"):
        ds.add_new(0x7FE00010, "OB", Unspeakable())
    assert dsutils.pretty_element(ds["PixelData"]).endswith(
        "(the value cannot be shown)              # 1 PixelData"
    )
