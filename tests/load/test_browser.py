"""The page that `dicom-gateway load --html` writes, opened by a browser."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.load.fake import Script, serving
from tests.patience import WALL
from tests.peers.process import run_cli

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.peer("chromium")

WIDTH, HEIGHT = 960, 2000
CONSOLE = ":CONSOLE"
"""In each line of the browser's log that the page's console has, errors and warnings alike."""


def opened(page: Path, folder: Path) -> tuple[bytes, str]:
    """A screenshot of the page, and what the browser had to say."""
    shot = folder / "shot.png"
    browser = shutil.which("chromium")
    assert browser is not None
    done = subprocess.run(
        [
            browser,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--enable-logging=stderr", "--log-level=0", "--hide-scrollbars"),
            f"--user-data-dir={folder / 'profile'}",
            f"--window-size={WIDTH},{HEIGHT}",
            f"--screenshot={shot}",
            page.as_uri(),
        ],
        capture_output=True,
        timeout=WALL,
        check=False,
        env=os.environ | {"HOME": str(folder)},
    )
    said = done.stderr.decode(errors="replace")
    assert done.returncode == 0, said
    return shot.read_bytes(), said


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """Of a short ramp against a server that refuses and rejects some."""
    place = tmp_path_factory.mktemp("load") / "report.html"
    script = Script(
        status=lambda number: 0xA700 if number == 7 else 0,
        reject=lambda number: (2, 3, 2) if number == 1 else None,
        delay=lambda number: 0.001 * (number % 5),
    )
    with serving(script) as server:
        options = ("--associations", 3, "--ramp", "20:200:2s", "--size", "1k")
        done = run_cli("load", "127.0.0.1", server.port, *options, "--html", place)
    assert place.exists(), done.report()
    return place


def test_a_browser_draws_the_report_without_a_complaint(report, tmp_path) -> None:
    shot, said = opened(report, tmp_path)
    assert shot.startswith(b"\x89PNG")
    assert struct.unpack(">II", shot[16:24]) == (WIDTH, HEIGHT)
    assert len(shot) > 40_000, "next to nothing was drawn"
    assert [line for line in said.splitlines() if CONSOLE in line] == []


def test_a_complaint_would_be_noticed(tmp_path) -> None:
    page = tmp_path / "bad.html"
    page.write_text("<!doctype html><p>x<script>nothing.like.this()</script>")
    shot, said = opened(page, tmp_path)
    assert len(shot) < 40_000
    assert any(CONSOLE in line and "nothing" in line for line in said.splitlines())
