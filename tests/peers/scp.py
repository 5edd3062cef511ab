"""Storage SCPs of others, to try the tools of this folder on and to compare with."""

from __future__ import annotations

import random
import socket
import subprocess
from collections import deque
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pynetdicom import AE, evt
from pynetdicom import _config as pynetdicom_config

from tests.patience import WALL
from tests.peers import dcmtk, procfs, wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.raw import Address

_taken: deque[socket.socket] = deque()
"""Of the ports that were given away last."""
_MOST = 300
"""So many are kept. A port that was given away earlier has its program by now, or is not used."""
_dice = random.SystemRandom()
"""Hypothesis seeds the common one alike in all processes."""

TRANSFER_SYNTAXES = [wire.IMPLICIT, wire.EXPLICIT, wire.BIG_ENDIAN, wire.DEFLATED]


@contextmanager
def pynetdicom_storescp(folder: Path, address: Address = ("127.0.0.1", 0)) -> Iterator[Address]:
    """pynetdicom in threads of this process; its handler writes the file as it came.

    A file has a hidden name until it is whole.
    """
    pynetdicom_config.USE_SHORT_DIMSE_AET = False

    def store(event) -> int:
        name = f"{event.request.AffectedSOPInstanceUID}.dcm"
        begun = folder / f".{name}"
        begun.write_bytes(event.encoded_dataset())
        begun.rename(folder / name)
        return 0x0000

    ae = AE(ae_title="STRANGER")
    ae.maximum_associations = 200
    ae.add_supported_context(wire.VERIFICATION)
    ae.add_supported_context(wire.CT, TRANSFER_SYNTAXES)
    server = ae.start_server(address, block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        yield server.socket.getsockname()
    finally:
        server.shutdown()


def free_port(number: int = 1) -> int:
    """A port for a program that cannot be given a socket, or the first of several in a row.

    None that the kernel gives away by itself, and no other process of the tests is given it soon: a
    socket that is kept says that it is taken.
    """
    while True:
        first = _dice.randrange(10_000, 32_000)
        with ExitStack() as stack:
            try:
                kept = [stack.enter_context(_taking(first + more)) for more in range(number)]
            except OSError:
                continue
            stack.pop_all()
        _taken.extend(kept)
        while len(_taken) > _MOST:
            _taken.popleft().close()
        return first


def _taking(port: int) -> socket.socket:
    """Take a port that nobody has; raises OSError."""
    keep = socket.socket(socket.AF_UNIX)
    try:
        keep.bind(f"\0gateway-tests-port-{port}")
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        keep.close()
        raise
    return keep


@contextmanager
def dcmtk_storescp(folder: Path, *options: str) -> Iterator[Address]:
    """DCMTK's storescp that writes what it gets as it came."""
    tool = dcmtk.find("storescp")
    assert tool is not None, "DCMTK's storescp is not installed"
    port = free_port()
    command = [tool, "+xa", "+B", "-od", str(folder), *options, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_listening(("127.0.0.1", port))
        yield ("127.0.0.1", port)
    finally:
        process.terminate()
        process.wait(WALL)


def _wait_listening(address: Address) -> None:
    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(address) == 0

    procfs.until(listens, what=f"something that listens on {address}")
