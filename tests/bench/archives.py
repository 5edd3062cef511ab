"""The archives that are compared at giving back, each with a destination of C-MOVEs called HERE."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.bench.servers import Server, dcmqrscp, gateway, orthanc, orthanc_program
from tests.peers import dcmtk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.bench.servers import Running

OURS, BEFORE, DCMQRSCP, ORTHANC = "gateway", "before", "dcmqrscp", "orthanc"
TITLES = {
    OURS: "gateway",
    BEFORE: "gateway, before",
    DCMQRSCP: "DCMTK dcmqrscp",
    ORTHANC: "Orthanc",
}
"""In the order in which they are shown."""
_MAX_PDU = 128 * 1024
"""What DCMTK sends at most, and each client here takes."""


@contextmanager
def sources(folder: str) -> Iterator[None]:
    """Let programs that are started import the gateway from another checkout, if one is given."""
    before = os.environ.get("PYTHONPATH")
    if folder:
        os.environ["PYTHONPATH"] = folder
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH", None)
        if before is not None:
            os.environ["PYTHONPATH"] = before


@contextmanager
def _gateway(folder: Path, port: int, checkout: str = "", acceptors: int = 1) -> Iterator[Running]:
    config = f'[destinations.HERE]\nhost = "127.0.0.1"\nport = {port}\n'
    config += f"[gateway]\nacceptors = {acceptors}\n"
    config += f"[workers.retrieve]\nprocesses = {acceptors}\n"
    with sources(checkout), gateway(folder, config) as running:
        yield running


def _dcmqrscp(folder: Path, port: int) -> AbstractContextManager[Running]:
    return dcmqrscp(folder, max_pdu=_MAX_PDU, destination=port)


def _orthanc(folder: Path, port: int) -> AbstractContextManager[Running]:
    return orthanc(
        folder,
        DicomModalities={"here": ["HERE", "127.0.0.1", port]},
        DicomAlwaysAllowFind=True,
        DicomAlwaysAllowGet=True,
        DicomAlwaysAllowMove=True,
        MaximumPduLength=_MAX_PDU,
        DicomThreadsCount=16,
    )


def archives(port: int, before: str = "", acceptors: int = 1) -> list[Server]:
    """Return the archives that can be started here; `port` is the destination of their C-MOVEs.

    `acceptors`: processes of this gateway that accept, and as many that retrieve. Each keeps one
    core busy at most, while dcmqrscp and Orthanc use all cores.
    """
    start_ours = lambda folder: _gateway(folder, port, acceptors=acceptors)  # noqa: E731
    found = [
        Server(OURS, TITLES[OURS], start_ours, lambda: ""),
        Server(DCMQRSCP, TITLES[DCMQRSCP], lambda folder: _dcmqrscp(folder, port), _no_dcmqrscp),
        Server(ORTHANC, TITLES[ORTHANC], lambda folder: _orthanc(folder, port), _no_orthanc),
    ]
    if before:
        start = lambda folder: _gateway(folder, port, before)  # noqa: E731 - as those above
        found.insert(1, Server(BEFORE, TITLES[BEFORE], start, lambda: ""))
    return [server for server in found if not server.absent()]


def _no_dcmqrscp() -> str:
    return "" if dcmtk.find("dcmqrscp") else "there is no dcmqrscp"


def _no_orthanc() -> str:
    return "" if orthanc_program() else "there is no Orthanc"
