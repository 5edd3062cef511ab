"""The storage servers that are compared, each in processes of its own: start, and end by pid."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.programs import AbsentError, compiled
from tests.bench.sending import FailedError
from tests.peers import dcmtk, procfs, raw
from tests.peers.process import Gateway
from tests.peers.scp import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.peers.raw import Address

PATIENCE = 30.0
_CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    address: Address
    pid: int
    """The root of its process tree."""


@dataclass(frozen=True)
class Server:
    """A server that can be started with its files in a folder."""

    name: str
    title: str
    start: Callable[[Path], AbstractContextManager[Running]]
    absent: Callable[[], str]
    """Why it cannot be started here; empty if it can."""


def _end(process: subprocess.Popen) -> None:
    """This process and what it forked, by their ids."""
    family = procfs.descendants(process.pid)
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in procfs.wait_gone(family, timeout=0.2):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def _child(
    *command: object, says_port: bool = False, port: int = 0, **options
) -> Iterator[Running]:
    """A child that prints its port, or one that listens at the given port after a while."""
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if says_port else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        **options,
    )
    try:
        if says_port:
            assert process.stdout is not None
            port = int(process.stdout.readline() or 0)
        if not port:
            raise FailedError("it did not start")
        _wait_answering(process, ("127.0.0.1", port))
        yield Running(("127.0.0.1", port), process.pid)
    finally:
        _end(process)


def _wait_answering(process: subprocess.Popen, address: Address) -> None:
    def answers() -> bool:
        if process.poll() is not None:
            raise FailedError(f"it left with exit status {process.returncode}")
        with suppress(OSError, AssertionError):
            return raw.echo_ok(address)
        return False

    try:
        procfs.until(answers, timeout=PATIENCE, what="an answer to a C-ECHO", every=0.02)
    except AssertionError as error:
        raise FailedError("it did not start to answer") from error


def _pynetdicom(folder: Path) -> AbstractContextManager[Running]:
    code = (
        "import sys, pathlib, signal; from tests.peers import scp\n"
        "with scp.pynetdicom_storescp(pathlib.Path(sys.argv[1])) as address:\n"
        "    print(address[1], flush=True); signal.pause()\n"
    )
    return _child(sys.executable, "-c", code, folder, says_port=True, cwd=_CHECKOUT)


def _dcmtk(folder: Path) -> AbstractContextManager[Running]:
    port = free_port()
    command = [dcmtk.find("storescp"), "+xa", "+B", "--fork", "-od", folder, port]
    return _child(*command, port=port, env=os.environ | {"TCP_NODELAY": "1"})


def dcmqrscp(folder: Path, *, max_pdu: int, destination: int) -> AbstractContextManager[Running]:
    """DCMTK's archive, which moves to a port of this machine under the AE title HERE."""
    database, config, port = folder / "db", folder / "dcmqrscp.cfg", free_port()
    database.mkdir()
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = {max_pdu}\nMaxAssociations = 64\n"
        f"HostTable BEGIN\nhere = (HERE, 127.0.0.1, {destination})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nGATEWAY {database} R (10, 8192mb) ANY\n"  # asked whether it is there
        f"ANY-SCP {database} RW (10, 8192mb) ANY\nAETable END\n"
    )
    command = [dcmtk.find("dcmqrscp"), "-c", config, "-dhl", "+xe", "-xe"]
    return _child(*command, port=port, env=os.environ | {"TCP_NODELAY": "1"})


def orthanc_program() -> str | None:
    return shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")


def orthanc(folder: Path, **more: object) -> AbstractContextManager[Running]:
    """Orthanc with its files and index in a folder; `more` settings."""
    port = free_port()
    config = folder / "orthanc.json"
    config.write_text(
        json.dumps(
            {
                "Name": "bench",
                "StorageDirectory": str(folder / "storage"),
                "IndexDirectory": str(folder / "index"),
                "StorageCompression": False,
                "SyncStorageArea": True,
                "Plugins": [],
                "HttpServerEnabled": False,
                "DicomServerEnabled": True,
                "DicomAet": "ORTHANC",
                "DicomPort": port,
                "DicomCheckCalledAet": False,
                "DicomAlwaysAllowEcho": True,
                "DicomAlwaysAllowStore": True,
                "UnknownSopClassAccepted": True,
                **more,
            }
        )
    )
    return _child(orthanc_program(), config, port=port)


def sink(*options: str) -> Callable[[Path], AbstractContextManager[Running]]:
    def start(folder: Path) -> AbstractContextManager[Running]:
        return _child(compiled("sink"), "--dir", folder, *options, says_port=True)

    return start


@contextmanager
def gateway(folder: Path, config: str) -> Iterator[Running]:
    """This gateway with its storage worker and its index."""
    try:
        process = Gateway(folder, config=config)
    except AssertionError as error:
        raise FailedError("it did not start") from error
    try:
        yield Running(process.address, process.pid)
        if status := process.stop():
            raise FailedError(f"it left with exit status {status}")
    finally:
        process.close()


def _gateway(durability: str) -> Callable[[Path], AbstractContextManager[Running]]:
    config = f'[gateway]\ndurability = "{durability}"\n'
    return lambda folder: gateway(folder, config)


def _no_dcmtk() -> str:
    return "" if dcmtk.find("storescp") else "DCMTK is not installed (no storescp)"


def _no_orthanc() -> str:
    return "" if orthanc_program() else "Orthanc is not installed"


def _no_sink() -> str:
    try:
        compiled("sink")
    except AbsentError as absent:
        return str(absent)
    return ""


def _always() -> str:
    return ""


SERVERS = {
    server.name: server
    for server in (
        Server("pynetdicom", "pynetdicom, handler writes the file", _pynetdicom, _always),
        Server("dcmtk", "DCMTK storescp +B --fork", _dcmtk, _no_dcmtk),
        Server("orthanc", "Orthanc, indexed and synced", orthanc, _no_orthanc),
        Server("sink", "bare sink", sink(), _no_sink),
        Server("sink-sync", "bare sink, synced", sink("--sync"), _no_sink),
        Server("gateway-written", "gateway, written", _gateway("written"), _always),
        Server("gateway-durable", "gateway, durable", _gateway("durable"), _always),
    )
}


def chosen(only: str) -> tuple[list[Server], dict[str, str]]:
    """The servers named (`gateway` for both of it), and those that are absent with the reason."""
    names = [name for name in only.split(",") if name]
    unknown = [name for name in names if not any(_named(s, name) for s in SERVERS)]
    if unknown:
        raise ValueError(f"no server {', '.join(unknown)}; there are {', '.join(SERVERS)}")
    wanted = [s for n, s in SERVERS.items() if not names or any(_named(n, name) for name in names)]
    absent = {server.name: reason for server in wanted if (reason := server.absent())}
    return [server for server in wanted if server.name not in absent], absent


def _named(server: str, name: str) -> bool:
    return server == name or server.startswith(f"{name}-")
