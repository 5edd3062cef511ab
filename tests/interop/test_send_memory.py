"""Memory does not depend on the size of an object, neither sent nor fetched."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from gateway.part10 import file_meta
from tests.peers import wire
from tests.peers.process import COMMAND
from tests.requestor.scripted import Acceptor, scripted

if TYPE_CHECKING:
    from pathlib import Path

BIG = 192 * 1024 * 1024
SMALL = 4096
ALLOWED = 24 * 1024 * 1024


def peak(*arguments: object) -> int:
    """Run a command that succeeds; return the most bytes that it had in memory."""
    process = subprocess.Popen(
        [COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024


def identity(size: int) -> bytes:
    """The first elements of a data set, whose last one has `size` bytes that follow."""
    uids = b"".join(
        tag + b"UI" + len(value).to_bytes(2, "little") + value
        for tag, value in (
            (b"\x08\x00\x16\x00", wire.uid_value(wire.CT)),
            (b"\x08\x00\x18\x00", wire.uid_value("1.2.3")),
        )
    )
    return uids + b"\xe0\x7f\x10\x00OW\0\0" + size.to_bytes(4, "little")


@pytest.mark.slow
def test_store(tmp_path: Path) -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept(max_length=262_144)
        command, received = b"", 0
        while True:
            pdvs = wire.parse_pdvs(acceptor.peer.recv_pdu())
            for _, header, data in pdvs:
                command += data if header & 1 else b""
                received += 0 if header & 1 else len(data)
            if pdvs[-1][1] == 2:
                break
        message_id = int.from_bytes(wire.parse_command(command)[0x0110], "little")
        acceptor.peer.send(wire.message(pdvs[0][0], wire.store_rsp("1.2.3", message_id)))
        acceptor.release()
        seen.append(received)

    seen: list[int] = []
    peaks = []
    for size in (SMALL, BIG):
        path = tmp_path / "file.dcm"
        path.write_bytes(file_meta(wire.CT, "1.2.3", wire.EXPLICIT) + identity(size))
        os.truncate(path, path.stat().st_size + size)  # nothing is written: the file has holes
        with scripted(script) as address:
            peaks.append(peak("store", *address, path))
    assert seen == [len(identity(size)) + size for size in (SMALL, BIG)]
    assert peaks[1] - peaks[0] < ALLOWED


@pytest.mark.slow
def test_get(tmp_path: Path) -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.accept(wire.role(wire.CT, 0, 1))
        request = acceptor.message()
        context_id = next(id_ for id_, uid, _ in acceptor.proposed if uid == wire.CT)
        acceptor.peer.send(wire.p_data(wire.pdv(context_id, 3, wire.store_rq("1.2.3", 7))))
        acceptor.peer.send(wire.p_data(wire.pdv(context_id, 0, identity(sizes[0]))))
        piece = wire.p_data(wire.pdv(context_id, 0, bytes(SMALL)))
        for _ in range(sizes[0] // SMALL):
            acceptor.peer.send(piece)
        acceptor.peer.send(wire.p_data(wire.pdv(context_id, 2, b"")))
        assert acceptor.message().command[0x0900] == wire.us(0)
        acceptor.respond(request, 0)
        acceptor.release()

    peaks = []
    for size in (SMALL, BIG):
        sizes = [size]
        with scripted(script) as address:
            peaks.append(peak("get", *address, "-k", "PatientID=1", "-o", tmp_path))
        assert (tmp_path / "1.2.3.dcm").stat().st_size > size
    assert peaks[1] - peaks[0] < ALLOWED
