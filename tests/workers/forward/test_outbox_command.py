"""`dicom-gateway outbox` without a gateway that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.cli.app import main

if TYPE_CHECKING:
    from pathlib import Path


def status(*words: str) -> int:
    """The exit status of `dicom-gateway outbox` with these words."""
    try:
        return main(["outbox", *words])
    except SystemExit as leaving:
        return int(leaving.code or 0)


@pytest.mark.parametrize("order", ["suspend", "resume"])
def test_a_misspelt_destination_is_told(
    order: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text('[destinations.PACS]\nhost = "127.0.0.1"\nport = 11113\n')
    options = "--data", str(tmp_path), "--config", str(config)
    assert status(order, "PASC", *options) == 2
    told = capsys.readouterr().err
    assert "there is no destination PASC" in told
    assert "which have: PACS; give" in told
    assert status(order, "PACS", *options) == 0
    assert capsys.readouterr().out == f"PACS: {order}{'ed' if order == 'suspend' else 'd'}\n"


def test_what_was_suspended_before_it_left_the_configuration_can_be_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text('[destinations.PACS]\nhost = "127.0.0.1"\nport = 11113\n')
    data = "--data", str(tmp_path)
    assert status("suspend", "PACS", *data, "--config", str(config)) == 0
    assert status("resume", "PACS", *data) == 0
    assert capsys.readouterr().out == "PACS: suspended\nPACS: resumed\n"
