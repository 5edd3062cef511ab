"""Killed or refused at every system call of `keep`, the archive stays whole and takes it again.

strace names the calls of one undisturbed run; then the run is repeated once for each of them, and
strace kills the process at that call, or makes the call fail.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgpack
import pytest

from tests.faults import strace
from tests.faults.strace import Point, points_between_marks
from tests.workers.conftest import Offer, keep, offer, stored, unfinished
from workers.archive import Archive

CALLS = "mkdir,openat,write,fdatasync,fsync,renameat2,link,linkat,unlink,rename,close,newfstatat"
PROJECT = Path(__file__).parents[2]

KEEP = """
import os, pathlib, sys
import msgpack
from gateway.spool import Claim
from workers.archive import Archive
from workers.archive.batch_writer import Offer
root, request = sys.argv[1:]
values, data = msgpack.unpackb(pathlib.Path(request).read_bytes())
claim = Claim.from_map(values)
os.path.exists("/begin")
archive = Archive(pathlib.Path(root), True)
(kept,) = archive.keep([Offer(claim, data)])
answer = b"failed" if isinstance(kept, OSError) else b"kept"
os.path.exists("/end")
os.write(1, answer)
os._exit(0)
"""


pytestmark = [
    pytest.mark.skipif(not strace.works(), reason="strace is not installed, or may not trace here"),
    pytest.mark.slow,
]


class Case:
    """One storage request in a place of its own."""

    def __init__(self, place: Path, kind: str) -> None:
        self.root = place / "archive"
        self.ready = place / "ready"
        self.offered: Offer = offer(
            self.ready if kind == "spooled" else None, os.urandom(3000), synced=False
        )
        self.request = place / "request"
        self.request.write_bytes(msgpack.packb([self.offered.claim.to_map(), self.offered.data]))
        self.log = place / "strace.log"

    def run(self, *inject: str) -> str:
        """Return the output of the process; empty if it was killed."""
        options = ["-f", "-o", str(self.log), "-e", f"trace={CALLS}", *inject]
        command = [sys.executable, "-c", KEEP, str(self.root), str(self.request)]
        ended = subprocess.run(
            ["strace", *options, *command],
            capture_output=True,
            text=True,
            cwd=PROJECT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            check=False,
        )
        return ended.stdout

    def points(self) -> list[Point]:
        """The calls between the two marks, counted from the start of the process."""
        return points_between_marks(self.log.read_text())

    def check_nothing_incomplete(self) -> dict[str, bytes]:
        found = stored(self.root)
        assert set(found.values()) <= {self.offered.whole}
        assert len(found) <= 1
        if self.offered.claim.path is not None and not found:
            assert Path(self.offered.claim.path).read_bytes() == self.offered.whole
        return found

    def check_redelivery(self) -> None:
        archive = Archive(self.root, durable=True)
        kept = keep(archive, self.offered.claim, self.offered.data, 2)
        archive.close()
        assert stored(self.root) == {kept.name: self.offered.whole}
        assert not unfinished(self.root)


@pytest.fixture(scope="module", params=["inline", "spooled"])
def known(request, tmp_path_factory) -> tuple[str, list[Point]]:
    """The kind of request, and the calls of an undisturbed run."""
    case = Case(tmp_path_factory.mktemp("whole"), request.param)
    assert case.run() == "kept"
    points = case.points()
    assert {"mkdir", "fdatasync", "fsync", "renameat2"} <= {p.call for p in points}
    return request.param, points


def test_killed_at_every_call(known, tmp_path):
    kind, points = known
    killed = 0
    for number, point in enumerate(points):
        (tmp_path / str(number)).mkdir()
        case = Case(tmp_path / str(number), kind)
        answer = case.run("-e", f"inject={point.call}:signal=SIGKILL:when={point.nth}")
        killed += not answer
        assert case.check_nothing_incomplete() or answer != "kept"
        case.check_redelivery()
    assert killed >= len(points) - 2


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_refused_at_every_call(known, tmp_path, error):
    kind, points = known
    for number, point in enumerate(p for p in points if p.call not in ("close", "newfstatat")):
        (tmp_path / str(number)).mkdir()
        case = Case(tmp_path / str(number), kind)
        answer = case.run("-e", f"inject={point.call}:error={error}:when={point.nth}")
        found = case.check_nothing_incomplete()
        assert found or answer != "kept", point
        case.check_redelivery()
