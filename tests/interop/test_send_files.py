"""`store` with all of pydicom's test files, to everybody: each is stored to the byte, or named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import uid_to_service_class

from gateway.datasets import NotDicom
from gateway.datasets.instances import identify, walk
from gateway.part10 import file_meta
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    STORAGE_SOP_CLASSES,
)
from tests.cli import peers
from tests.peers.process import run_cli
from tests.requestor.conftest import TEST_FILES

TRUNCATED = "rtplan_truncated.dcm"
"""Cut off in the middle of an element: 1829 bytes."""


def sop_classes() -> set[str]:
    found = set()
    for path in walk([TEST_FILES]):
        try:
            found.add(identify(path).sop_class_uid)
        except NotDicom:
            continue
    return found


def store(address, *options: object, paths=(TEST_FILES,)):
    program = run_cli("store", *address, *paths, "--json", *options)
    text = program.out.text
    assert "Traceback" not in program.err.text
    return program.popen.returncode, peers.events(text, "file"), peers.summary(text)


def check_named(files: list[dict]) -> Counter[str]:
    """Every file below the folder has exactly one line, and a reason if it was not stored."""
    assert sorted(one["path"] for one in files) == sorted(map(str, walk([TEST_FILES])))
    assert all(one["reason"] for one in files if one["result"] != "stored")
    return Counter(one["result"] for one in files)


@pytest.mark.parametrize("associations", [1, 4])
def test_to_pynetdicom(associations: int) -> None:
    got: Counter[peers.Fingerprint] = Counter()
    with peers.pynetdicom_storescp(sop_classes(), got) as address:
        status, files, summary = store(address, "--associations", associations)
    results = check_named(files)
    assert got == peers.fingerprints()
    assert results["stored"] == summary["stored"] == got.total()
    assert set(results) == {"stored", "not DICOM"}
    assert status == 1, "not every file was stored"


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("associations", [1, 4])
def test_to_storescp(tmp_path: Path, associations: int) -> None:
    """DCMTK aborts at a fragment of odd length: the deflated file needs its NUL there."""
    with peers.storescp(tmp_path) as address:
        _, files, summary = store(address, "--associations", associations)
    results = check_named(files)
    (failed,) = [one for one in files if one["result"] == "failed"]
    assert Path(failed["path"]).name == TRUNCATED
    assert "odd length (1829 bytes)" in failed["reason"]
    assert set(results) == {"stored", "failed", "not DICOM"}
    got, sent = peers.stored_fingerprints(tmp_path.iterdir()), peers.fingerprints()
    assert results["stored"] == summary["stored"] == got.total() == sent.total() - 1
    odd = {one for one in sent if one not in got}
    assert {one[1] for one in odd} == {
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        IMPLICIT_VR_LITTLE_ENDIAN,
    }
    (padded,) = [one for one in files if "NUL" in one["reason"]]
    assert Path(padded["path"]).name == "image_dfl.dcm"


REFUSED = {
    "MR_truncated.dcm",
    "UN_sequence.dcm",
    "no_meta_group_length.dcm",
    "priv_SQ.dcm",
    "rtplan_truncated.dcm",
}
"""Files that are cut, or have nothing that tells an instance."""


@pytest.mark.parametrize("associations", [1, 4])
def test_to_this_gateway(start_gateway, associations: int) -> None:
    # some of them have no Study Instance UID
    gateway = start_gateway('[archive]\nincomplete = "keep"\n')
    _, files, summary = store(gateway.address, "--associations", associations)
    results = check_named(files)
    got, sent = peers.stored_fingerprints(gateway.archive.rglob("*.dcm")), peers.fingerprints()
    refused = {Path(one["path"]).name: one["reason"] for one in files if one["result"] == "refused"}
    assert set(refused) == REFUSED
    assert all("status 0xC000" in reason for reason in refused.values())
    # What is stored is what was sent. Some have the UID of another one: the same instance in
    # another transfer syntax is stored once, and another content is set aside with a warning.
    assert set(got) <= set(sent)
    assert len({uid for uid, *_ in sent} - {uid for uid, *_ in got}) <= len(REFUSED)
    assert results.total() - results["not DICOM"] == sent.total()
    assert summary["stored"] == sent.total() - len(REFUSED)


def test_everything_stored_is_status_0(tmp_path: Path) -> None:
    got: Counter[peers.Fingerprint] = Counter()
    paths = [TEST_FILES / "CT_small.dcm", TEST_FILES / "JPEG2000.dcm", TEST_FILES / "rtstruct.dcm"]
    (tmp_path / "notes.txt").write_text("no DICOM file")
    with peers.pynetdicom_storescp(sop_classes(), got) as address:
        assert store(address, paths=paths)[0] == 0
        assert store(address, paths=[*paths, tmp_path])[0] == 1
        assert store(address, "--ignore-other", paths=[*paths, tmp_path])[0] == 0
        assert store(address, "--ignore-other", paths=[tmp_path])[0] == 1, "nothing was stored"


def test_conversion_only_where_nothing_else_is_accepted() -> None:
    got: Counter[peers.Fingerprint] = Counter()
    implicit = [IMPLICIT_VR_LITTLE_ENDIAN]
    with peers.pynetdicom_storescp(sop_classes(), got, implicit) as address:
        _, files, summary = store(address)
        converted = {one["path"] for one in files if one["result"] == "stored" and one["converted"]}
        assert summary["converted"] == len(converted) > 50
        assert all("converted from" in one["reason"] for one in files if one["path"] in converted)
        refused = [one for one in files if one["result"] == "refused"]
        assert refused
        assert all("transfer syntaxes not supported" in one["reason"] for one in refused)
        as_they_were = {one[2] for one in peers.fingerprints() if one[1] == implicit[0]}
        assert as_they_were <= {one[2] for one in got}
        assert {one[1] for one in got} == set(implicit)
        _, files, summary = store(address, "--no-convert")
        assert summary["converted"] == 0


def test_more_than_128_contexts(tmp_path: Path) -> None:
    """One tiny file for each SOP class that pynetdicom stores."""
    classes = [
        uid for uid in STORAGE_SOP_CLASSES if uid_to_service_class(uid) is StorageServiceClass
    ]
    assert len(classes) > 150
    for number, uid in enumerate(classes):
        path = tmp_path / f"{number}"
        path.write_bytes(file_meta(uid, f"1.2.3.{number}", EXPLICIT_VR_LITTLE_ENDIAN))
    got: Counter[peers.Fingerprint] = Counter()
    with peers.pynetdicom_storescp(classes, got) as address:
        status, _, summary = store(address, paths=[tmp_path])
    assert status == 0
    assert got.total() == len(classes)
    assert summary["associations"] > 1
