from __future__ import annotations

import subprocess
import sys

import pydicom.uid
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom._uid_dict import UID_dictionary

from gateway import uid
from tests.dimse import generate_uid


def test_the_table_is_the_one_that_the_generator_writes():
    assert generate_uid.REGISTRY.read_text() == generate_uid.table()


def test_the_registry_is_the_dictionary():
    theirs = {
        u: (name, kind, keyword, bool(retired))
        for u, (name, kind, _, retired, keyword) in UID_dictionary.items()
        if keyword
    }
    ours = {
        u: tuple(row) for u, row in uid.UIDS.items() if u in theirs or u not in generate_uid.NEWER
    }
    assert ours == theirs


def test_the_rows_that_the_dictionary_lacks_are_whole():
    for u in generate_uid.NEWER:
        row = uid.UIDS[u]
        assert uid.is_valid(u)
        assert row.kind in (uid.UidType.SOP_CLASS, uid.UidType.TRANSFER_SYNTAX)
        assert row.name
        assert row.keyword.isidentifier()
        assert not row.retired


@pytest.mark.parametrize(
    ("constant", "keyword"),
    [
        (uid.APPLICATION_CONTEXT, "DICOMApplicationContext"),
        (uid.VERIFICATION, "Verification"),
        (uid.IMPLICIT_VR_LITTLE_ENDIAN, "ImplicitVRLittleEndian"),
        (uid.EXPLICIT_VR_LITTLE_ENDIAN, "ExplicitVRLittleEndian"),
        (uid.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, "DeflatedExplicitVRLittleEndian"),
        (uid.EXPLICIT_VR_BIG_ENDIAN, "ExplicitVRBigEndian"),
    ],
)
def test_constants_are_registered(constant, keyword):
    assert uid.KEYWORDS[keyword] == constant


def test_our_own_names_are_legal():
    assert uid.is_valid(uid.IMPLEMENTATION_CLASS_UID)
    assert uid.IMPLEMENTATION_CLASS_UID.startswith("2.25.")
    assert 0 < len(uid.IMPLEMENTATION_VERSION_NAME) <= 16


def test_storage_holds_what_c_store_carries_and_nothing_else():
    keywords = {uid.UIDS[u].keyword for u in uid.STORAGE_SOP_CLASSES}
    assert {"CTImageStorage", "RTIonPlanStorage", "HangingProtocolStorage"} <= keywords
    assert {"UltrasoundImageStorageRetired", "StoredPrintStorage"} <= keywords
    assert not keywords & {"StorageCommitmentPushModel", "MediaStorageDirectoryStorage"}
    assert not any(
        "InformationModel" in k or "Inventory" in k for k in keywords - {"InventoryStorage"}
    )


def test_network_transfer_syntaxes_leave_out_mail_files_and_streams():
    left_out = set(uid.TRANSFER_SYNTAXES) - set(uid.NETWORK_TRANSFER_SYNTAXES)
    assert {uid.UIDS[u].keyword.rstrip("1234567890")[:5] for u in left_out} == {
        "RFC25",
        "XMLEn",
        "SMPTE",
        "Papyr",
    }


@pytest.mark.parametrize("good", ["0", "1", "1.2", "1.0.3", "2.25.1", "1." + "2" * 62])
def test_valid(good):
    assert uid.is_valid(good)
    assert uid.is_tolerable(good)


BAD = ["", ".", "..", "1.", ".1", "1..2", "1.2\n", "1.2 ", "1.2\0", "a", "1.a", "../x", "/etc/x"]
BAD += ["a/b", "$(id)", "\x1b[1m", "1.2\\3", "\u0661.\u0662", "1." + "2" * 63, "-1", "1.+2"]
BAD += ["1.\ud800", "1.\u00b2"]


@pytest.mark.parametrize("bad", BAD)
def test_not_valid(bad):
    assert not uid.is_valid(bad)
    assert not uid.is_tolerable(bad)


def test_leading_zeros_are_tolerated_only():
    assert not uid.is_valid("1.02")
    assert uid.is_tolerable("1.02")


@given(st.text(alphabet="0123456789.a", max_size=70))
def test_valid_is_what_pydicom_calls_valid(text):
    with_pydicom = pydicom.uid.UID(text, validation_mode=0).is_valid
    assert uid.is_valid(text) == with_pydicom


def test_names():
    assert uid.name_of("1.2.840.10008.1.1") == "Verification SOP Class"
    assert uid.name_of("1.2.3") == "1.2.3"


@pytest.mark.parametrize(
    "module", ["uid", "dimse.services", "dimse.assembler", "sop_class", "status"]
)
def test_imports_need_the_standard_library_only(module):
    code = f"import gateway.{module}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"pydicom", "pynetdicom", "zmq", "msgpack", "pydantic", "typer", "rich"}
