"""SCPs of others that the commands talk to, and what of pydicom's test files they got."""

from __future__ import annotations

import json
import socket
import subprocess
import warnings
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pynetdicom import AE, evt
from pynetdicom import _config as pynetdicom_config

from gateway.datasets import NotDicom
from gateway.datasets.instances import identify, walk
from gateway.spool.digest import digest_of
from gateway.uid import NETWORK_TRANSFER_SYNTAXES, VERIFICATION
from tests.accountant import read_stored
from tests.patience import WALL
from tests.peers import dcmtk, procfs
from tests.peers.scp import free_port
from tests.requestor.conftest import TEST_FILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.peers.raw import Address

Fingerprint = tuple[str, str, str]
"""SOP Instance UID, transfer syntax, SHA-256 of the data set."""


def fingerprints(root: Path = TEST_FILES) -> Counter[Fingerprint]:
    """Of the instances that files hold."""
    found: Counter[Fingerprint] = Counter()
    for path in walk([root]):
        try:
            one = identify(path)
        except NotDicom:
            continue
        data = path.read_bytes()[one.offset :]
        found[one.sop_instance_uid, one.transfer_syntax_uid, _sha(data)] += 1
    return found


def stored_fingerprints(paths: Iterable[Path]) -> Counter[Fingerprint]:
    """Of the files that a peer wrote."""
    stored = (read_stored(path) for path in paths)
    return Counter((one.uid, one.transfer_syntax, one.digest) for one in stored)


def _sha(data: bytes) -> str:
    return digest_of(data).hex()


def events(text: str, name: str) -> list[dict]:
    """The events of a command's --json output."""
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if line["event"] == name]


def summary(text: str) -> dict:
    (one,) = events(text, "summary")
    assert json.loads(text.splitlines()[-1]) == one
    return one


@contextmanager
def pynetdicom_scp(
    sop_classes: Iterable[str],
    handlers: list,
    syntaxes: Iterable[str] = NETWORK_TRANSFER_SYNTAXES,
    roles: Iterable[str] = (),
) -> Iterator[Address]:
    """pynetdicom in threads of this process."""
    pynetdicom_config.USE_SHORT_DIMSE_AET = False
    ae = AE(ae_title="STRANGER")
    ae.add_supported_context(VERIFICATION)
    for uid in sop_classes:
        ae.add_supported_context(uid, list(syntaxes))
    for uid in roles:
        ae.add_supported_context(uid, list(syntaxes), scu_role=True, scp_role=True)
        ae.add_requested_context(uid, list(syntaxes))
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield server.socket.getsockname()
    finally:
        server.shutdown()


@contextmanager
def pynetdicom_storescp(sop_classes, got: Counter, syntaxes=NETWORK_TRANSFER_SYNTAXES):
    """Counts the fingerprints of what comes."""

    def store(event) -> int:
        uid, syntax = event.request.AffectedSOPInstanceUID, event.context.transfer_syntax
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            got[str(uid), str(syntax), _sha(event.request.DataSet.getvalue())] += 1
        return 0x0000

    with pynetdicom_scp(sop_classes, [(evt.EVT_C_STORE, store)], syntaxes) as address:
        yield address


@contextmanager
def dcmtk_scp(tool: str, port: int, *arguments: object) -> Iterator[None]:
    """One of DCMTK's SCPs, until the end of the block; `port` is the one that it listens on."""
    path = dcmtk.find(tool)
    assert path is not None, f"DCMTK's {tool} is not installed"
    process = subprocess.Popen(
        [path, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_listening(process, port)
        yield
    finally:
        process.terminate()
        process.wait(WALL)


def _wait_listening(process: subprocess.Popen, port: int) -> None:
    def listens() -> bool:
        assert process.poll() is None, f"{process.args[0]} ended with {process.returncode}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    procfs.until(listens, what=f"{process.args[0]} at port {port}")


@contextmanager
def storescp(folder: Path, *options: object, aet: str = "DEST", port: int = 0) -> Iterator[Address]:
    """DCMTK's storescp: every transfer syntax, bit for bit, a file each."""
    port = port or free_port()
    arguments = "+xa", "+B", "+uf", "-aet", aet, "-od", folder, *options, port
    with dcmtk_scp("storescp", port, *arguments):
        yield "127.0.0.1", port


class DcmQrScp:
    """DCMTK's image archive, and a storescp that it can move to."""

    def __init__(self, address: Address, received: Path) -> None:
        self.address = address
        self.received = received


@contextmanager
def dcmqrscp(folder: Path, *options: object) -> Iterator[DcmQrScp]:
    database, received = folder / "db", folder / "received"
    database.mkdir()
    received.mkdir()
    port, destination = free_port(), free_port()
    config = folder / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\ndest = (DEST, 127.0.0.1, {destination})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nQR {database} RW (2000, 1024mb) ANY\nAETable END\n"
    )
    with (
        dcmtk_scp("dcmqrscp", port, "-c", config, *options),
        storescp(received, port=destination),
    ):
        yield DcmQrScp(("127.0.0.1", port), received)


@contextmanager
def wlmscpfs(folder: Path) -> Iterator[Address]:
    """DCMTK's worklist SCP over a folder of worklist files below its AE title."""
    port = free_port()
    with dcmtk_scp("wlmscpfs", port, "-dfp", folder, port):
        yield "127.0.0.1", port
