"""Two reports side by side: `dicom-gateway compare`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.load.fake import Script, serving
from tests.peers.process import run_cli

if TYPE_CHECKING:
    from pathlib import Path


def report(path: Path, *options: object, status: int = 0) -> Path:
    with serving(Script()) as server:
        at = ("127.0.0.1", server.port, "--operation", "echo", "--json", path)
        assert run_cli("load", *at, *options).popen.returncode == status
    return path


def test_figures_stand_beside_each_other_with_their_ratio(tmp_path) -> None:
    before = report(tmp_path / "before.json", "--count", 20)
    document = json.loads(before.read_text())
    document["rate"] *= 2
    document["totals"]["latency"]["percentiles"]["50"] /= 4
    document["plan"]["associations"] = 7
    after = tmp_path / "after.json"
    after.write_text(json.dumps(document))
    program = run_cli("compare", before, after)
    assert program.popen.returncode == 0, program.report()
    lines = program.out.text.splitlines()
    cells = [re.split(r" {2,}", line) for line in lines]
    ratios = {row[0]: row[-1] for row in cells if row[-1].endswith(" x")}
    assert ratios["answered a second"] == "2.00 x"
    assert ratios["p50"] == "0.25 x"
    assert "differs: associations: 1 before, 7 after" in lines
    assert not any("errors" in line for line in lines)  # both have none


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "is not a report of"),
        ('{"format": "other"}', "is not a report of"),
    ],
)
def test_what_is_no_report_is_named(tmp_path, content, why) -> None:
    path = tmp_path / "some.json"
    if content is not None:
        path.write_text(content)
    program = run_cli("compare", path, path)
    assert program.popen.returncode == 2
    assert f"{path} {why}" in program.err.text
    assert "Traceback" not in program.report()
