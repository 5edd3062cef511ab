"""Storage servers of four makes, each a process of its own that can say how much it keeps.

`python -m tests.load.servers --duration 20` puts each of them under the load that the README shows.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.conftest import short_folder
from tests.load.conftest import validate
from tests.patience import WALL
from tests.peers import dcmtk, procfs
from tests.peers.process import Gateway, Program, run_cli
from tests.peers.raw import echo_ok
from tests.peers.scp import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROJECT = Path(__file__).parents[2]
ASSOCIATIONS = 10


class Server(NamedTuple):
    """One that listens."""

    port: int
    count: Callable[[], int]
    """The instances that it keeps."""


@contextmanager
def gateway(folder: Path) -> Iterator[Server]:
    """This program; its index is asked."""
    one = Gateway(folder)

    def count() -> int:
        done = run_cli("archive", "ls", "--json", "--data", one.data)
        assert done.popen.returncode == 0, done.report()
        summary = json.loads(done.out.lines[-1])
        return summary["instances"]

    try:
        yield Server(one.address[1], count)
        assert one.stop() == 0, one.program.report()
    finally:
        one.close()


@contextmanager
def storescp(folder: Path) -> Iterator[Server]:
    """DCMTK's; a process of its own serves each association."""
    tool, port = dcmtk.find("storescp"), free_port()
    with _running(tool, "--fork", "+xa", "-od", _kept(folder), port, cwd=folder):
        _wait_listening(port)
        yield Server(port, lambda: _files(folder))


@contextmanager
def pynetdicom(folder: Path) -> Iterator[Server]:
    """pynetdicom's AE with a handler that writes the file."""
    command = (sys.executable, "-m", "tests.load.pynetdicom_scp", _kept(folder))
    with _running(*command, cwd=PROJECT) as program:
        port = int(program.out.wait_for(r"^port (\d+)$")[1])
        yield Server(port, lambda: _files(folder))


@contextmanager
def orthanc(folder: Path) -> Iterator[Server]:
    """Orthanc with its own storage; its REST interface is asked."""
    port, http = free_port(), free_port()
    settings = {
        "Name": "LOAD",
        "StorageDirectory": str(_kept(folder)),
        "IndexDirectory": str(_kept(folder)),
        "Plugins": [],
        "DicomPort": port,
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "DicomCheckCalledAet": False,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))

    def count() -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/statistics", timeout=WALL) as answer:
            return int(json.load(answer)["CountInstances"])

    with _running(shutil.which("Orthanc"), folder / "orthanc.json", cwd=folder):
        _wait_listening(port)
        yield Server(port, count)


SERVERS = {
    "gateway": gateway,
    "storescp": storescp,
    "pynetdicom": pynetdicom,
    "orthanc": orthanc,
}


def put_under_load(server: Server, folder: Path, seconds: float) -> tuple[Program, dict]:
    """The command of the README; gives it and what its JSON says, which follows the schema."""
    report = folder / "report.json"
    done = run_cli(
        *("load", "127.0.0.1", server.port, "--associations", ASSOCIATIONS),
        *("--duration", f"{seconds:g}", "--html", folder / "report.html", "--json", report),
    )
    assert report.exists(), done.report()
    document = json.loads(report.read_text())
    validate(document)
    return done, document


@contextmanager
def _running(*command: object, cwd: Path) -> Iterator[Program]:
    program = Program(*command, cwd=cwd)
    try:
        yield program
    finally:
        program.terminate()
        program.wait()


def _kept(folder: Path) -> Path:
    place = folder / "kept"
    place.mkdir(exist_ok=True)
    return place


def _files(folder: Path) -> int:
    with os.scandir(folder / "kept") as entries:
        return sum(entry.is_file() for entry in entries)


def _wait_listening(port: int) -> None:
    def answers() -> bool:
        try:
            return echo_ok(("127.0.0.1", port))
        except (OSError, AssertionError):
            return False

    procfs.until(answers, what="a server that answers C-ECHO")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.servers", description=__doc__)
    parser.add_argument("--duration", type=float, default=20.0)
    parser.add_argument("--servers", default=",".join(SERVERS))
    options = parser.parse_args()
    good = True
    for name in options.servers.split(","):
        with short_folder() as folder, SERVERS[name](folder) as server:
            done, report = put_under_load(server, folder, options.duration)
            totals, kept = report["totals"], server.count()
            percentiles = totals["latency"]["percentiles"]
            good = good and done.popen.returncode == 0 and totals["acknowledged"] == kept
            print(
                f"{name}: exit status {done.popen.returncode}, {totals['answered']} answered, "
                f"{totals['acknowledged']} acknowledged, {kept} kept, {totals['errors']} errors, "
                f"{report['rate']:.1f} a second, p50 {1000 * percentiles['50']:.1f} ms, "
                f"p99 {1000 * percentiles['99']:.1f} ms"
            )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
