"""Workers on another host: keys made by the commands, nothing shared but a TCP port with CURVE."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.accountant import leftovers, read_archive
from tests.conftest import running
from tests.interop.scu import MODELS, scu
from tests.patience import WALL
from tests.peers import instances, procfs, wire
from tests.peers.process import COMMAND, Program, run_cli
from tests.peers.raw import association
from tests.peers.scp import free_port
from tests.peers.workers import READY, STORAGE_OFF

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Gateway

LONG = 3_000_000
"""Bytes of a data set that travels in chunks."""
RIGHTS = {
    "storage": ("--event", "EVT_C_STORE", "--publish", "*"),
    "query": ("--event", "EVT_C_FIND", "--publish", "*"),
    "retrieve": ("--event", "EVT_C_GET", "--event", "EVT_C_MOVE", "--publish", "*"),
}


class OtherHost:
    """The workers of another host: their own data directory, and no file of the gateway's."""

    def __init__(self, folder: Path, port: int, server_key: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.config = folder / "there.toml"
        self.config.touch()
        self._connect = ("--connect", f"tcp://127.0.0.1:{port}", "--server-key", server_key)
        self.workers: dict[str, Program] = {}

    def new_key(self, name: str) -> str:
        """Make a worker's key here; return its public part."""
        made = run_cli("keys", "new", self.folder / f"{name}.key")
        return made.out.text.strip()

    def start(self, name: str) -> Program:
        key = ("--key-file", self.folder / f"{name}.key")
        own = ("--data", self.data, "--config", self.config)
        worker = Program(COMMAND, "worker", name, *own, *self._connect, *key, cwd=self.folder)
        self.workers[name] = worker
        return worker


@pytest.fixture
def other_host(tmp_path: Path) -> Iterator[tuple[Gateway, OtherHost]]:
    port = free_port(2)
    listen = f'\n[fabric]\nlisten = "tcp://127.0.0.1:{port}"\nkeys = "{tmp_path}/keys"\n'
    config = tmp_path / "keys.toml"
    config.write_text(listen)
    server_key = run_cli("keys", "new", "--config", config).out.text.strip()
    assert run_cli("keys", "show", "--config", config).out.text.strip() == server_key
    host = OtherHost(tmp_path, port, server_key)
    for name, rights in RIGHTS.items():
        key = host.new_key(name)
        allowed = run_cli("keys", "allow", key, "--worker", name, *rights, "--config", config)
        assert allowed.popen.returncode == 0, allowed.err.text
    with running(STORAGE_OFF + listen) as gateway, ExitStack() as stack:
        stack.callback(lambda: [w.kill_all() for w in host.workers.values()])
        yield gateway, host


def test_it_stores_finds_and_sends_back_and_elsewhere(
    other_host: tuple[Gateway, OtherHost],
) -> None:
    gateway, host = other_host
    with running() as sink:
        host.config.write_text(f'[destinations]\nSINK = "127.0.0.1:{sink.address[1]}"\n')
        for name in RIGHTS:
            host.start(name).out.wait_for(READY)
        short, long = instances.make(size=2048), instances.make(size=LONG)
        for instance in (short, long):
            with association(gateway.address, instance.context()) as peer:
                assert peer.store(instance, 1).status == 0x0000
                peer.release()
        stored, wrong = read_archive(host.data / "archive")
        assert (len(stored), wrong) == (2, [])
        assert not (gateway.data / "archive").exists() or read_archive(gateway.archive) == ([], [])
        procfs.until(lambda: not list(leftovers(gateway.spool)), what="an empty spool")
        sent = {short.uid: short.digest, long.uid: long.digest}
        _get_and_move(gateway, sink, sent)
        _get_converted(gateway, host.folder / "converted", sent)


def _get_and_move(gateway: Gateway, sink: Gateway, sent: dict[str, str]) -> None:
    """Check that both are found, and arrive byte for byte by C-GET and at a third party."""
    with scu(gateway.address) as peer:
        (match,) = [one.data for one in peer.stream("FIND") if one.status == 0xFF00]
        identifier = Dataset()
        identifier.QueryRetrieveLevel = "PATIENT"
        identifier.PatientID = match.PatientID
        (*_, last) = peer.assoc.send_c_get(identifier, MODELS["GET"])
        assert (last[0].Status, last[0].NumberOfCompletedSuboperations) == (0x0000, 2)
        assert len(peer.asked) == 2
        (*_, last) = peer.assoc.send_c_move(identifier, "SINK", MODELS["MOVE"])
        assert (last[0].Status, last[0].NumberOfCompletedSuboperations) == (0x0000, 2)
        (*_, unknown) = peer.assoc.send_c_move(identifier, "ELSEWHERE", MODELS["MOVE"])
        assert unknown[0].Status == 0xA801, "the destinations are those of the worker's host"
    moved, wrong = read_archive(sink.archive)
    assert ({one.uid: one.digest for one in moved}, wrong) == (sent, [])


def _get_converted(gateway: Gateway, folder: Path, sent: dict[str, str]) -> None:
    """Check a C-GET in another transfer syntax, for which the worker converts what it has."""
    folder.mkdir()
    keys = ("-k", f"StudyInstanceUID={instances.STUDY}", "--transfer-syntax", wire.IMPLICIT)
    got = run_cli("get", *gateway.address, *keys, "-o", folder, "--timeout", WALL)
    assert got.popen.returncode == 0, got.err.text
    converted = [dcmread(path) for path in folder.glob("*.dcm")]
    assert {one.SOPInstanceUID for one in converted} == sent.keys()
    assert {one.file_meta.TransferSyntaxUID for one in converted} == {wire.IMPLICIT}
    assert all(len(one.PixelData) == 2 * one.Rows * one.Columns for one in converted)


def test_one_that_is_killed_is_restarted_and_loses_nothing(
    other_host: tuple[Gateway, OtherHost],
) -> None:
    gateway, host = other_host
    worker = host.start("storage")
    worker.out.wait_for(READY)
    member = procfs.find_child(worker.pid, "storage-0")
    assert member is not None
    os.kill(member, signal.SIGSTOP)
    instance = instances.make(size=LONG)
    with association(gateway.address, instance.context()) as peer:
        command = wire.store_rq(instance.uid, 1, sop_class=instance.sop_class)
        peer.send(wire.message(1, command, instance.data_set))
        os.kill(member, signal.SIGKILL)
        assert peer.recv_response().status == 0x0000
        peer.release()
    stored, wrong = read_archive(host.data / "archive")
    assert (len(stored), wrong) == (1, [])


def test_a_key_that_is_not_allowed_is_told_in_one_line(
    other_host: tuple[Gateway, OtherHost],
) -> None:
    gateway, host = other_host
    key = host.new_key("mpps")
    worker = host.start("mpps")
    assert worker.wait() != 0
    assert "refuses this worker's key" in worker.err.text
    assert key in worker.err.text
    assert "Traceback" not in worker.err.text + worker.out.text
    gateway.program.err.wait_for(f"refused=key .*{key}")
