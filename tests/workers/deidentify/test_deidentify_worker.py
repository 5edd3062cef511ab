"""The worker `deidentify`, its check by `dicom-gateway config`, and its command."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pydicom
import pytest

from gateway.config import check_existing
from gateway.sdk import ConfigError, testing
from gateway.settings import Settings, WorkerTable
from tests.peers.process import run_cli
from tests.workers.deidentify.examples import SECRET, instance, texts_in
from workers.deidentify.deidentify_worker import REFUSED, worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydicom.dataset import Dataset


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    place = tmp_path / "key"
    place.touch(0o600)
    place.write_text("0123456789abcdef" * 4)
    return str(place)


@pytest.fixture
def running(key_file: str, tmp_path: Path) -> Iterator[None]:
    chosen = ["clean_descriptors"]
    with testing.started(worker, data_dir=tmp_path, key_file=key_file, profile=chosen):
        yield


@pytest.mark.usefixtures("running")
def test_it_answers_with_the_data_set_to_keep() -> None:
    given = instance(StudyDescription=f"CT {SECRET}")
    made = testing.transform(worker, given, ae_title="SCANNER")
    assert not isinstance(made, int)
    assert SECRET not in texts_in(made)
    assert made.StudyDescription == "CT"
    assert made.PatientIdentityRemoved == "YES"
    meta: Any = made.file_meta
    assert meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID != "1.2.3.1"
    assert "SourceApplicationEntityTitle" not in meta
    assert "ReceivingApplicationEntityTitle" not in meta


@pytest.mark.usefixtures("running")
def test_it_refuses_what_it_cannot_clean(caplog: pytest.LogCaptureFixture) -> None:
    given = instance(BurnedInAnnotation="YES", StudyDescription=SECRET)
    with caplog.at_level(logging.WARNING):
        assert testing.transform(worker, given) == REFUSED
    assert "Burned In Annotation (0028,0301) is YES" in caplog.text
    assert SECRET not in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.usefixtures("running")
def test_an_error_of_pydicom_says_nothing_of_the_patient(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def raises(*_: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("workers.deidentify.deidentifier.AttributeWalk", raises)
    assert testing.transform(worker, instance()) == REFUSED
    assert "it makes no sense to pydicom: RuntimeError" in caplog.text
    assert SECRET not in caplog.text


def test_it_does_not_start_without_a_key(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="key_file is missing"),
        testing.started(worker, data_dir=tmp_path),
    ):
        pass


def with_options(**options: Any) -> Settings:
    base = Settings()
    return replace(base, workers=base.workers | {"deidentify": WorkerTable(options=options)})


def test_config_checks_options_and_key(key_file: str, tmp_path: Path) -> None:
    check_existing(with_options(key_file=key_file))
    with pytest.raises(ConfigError) as caught:
        check_existing(with_options(key_file=key_file, profile=["retain_uid"]))
    assert str(caught.value) == (
        "workers.deidentify.options: profile: there is no option 'retain_uid'; "
        "did you mean retain_uids?"
    )
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(ConfigError, match=r"options: key_file .* has mode 0644"):
        check_existing(with_options(key_file=key_file))


def saved(dataset: Dataset, path: Path) -> Path:
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_the_command(key_file: str, tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(f'[workers.deidentify.options]\nkey_file = "{key_file}"\n')
    good = saved(instance(), tmp_path / f"{SECRET}.dcm")
    bad = saved(instance(BurnedInAnnotation="YES"), tmp_path / "bad.dcm")
    out = tmp_path / "out"
    done = run_cli("deidentify", good, bad, "--out", out, "--config", config)
    assert done.popen.returncode == 1
    assert done.out.text == "1 files de-identified, 1 failed"
    assert f"{bad}: not de-identified: its Burned In Annotation (0028,0301) is YES" in done.err.text
    (made,) = out.iterdir()
    read = pydicom.dcmread(made)
    assert made.name == f"{read.SOPInstanceUID}.dcm"
    assert read.file_meta.MediaStorageSOPInstanceUID == read.SOPInstanceUID
    assert SECRET not in texts_in(read)
