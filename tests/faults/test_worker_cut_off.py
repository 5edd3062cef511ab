"""A cable between a gateway and its workers is unplugged: they are fenced, then go on."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.accountant import read_archive
from tests.conftest import running
from tests.faults.test_partition import HERE, cable, ip
from tests.patience import PATIENCE, WALL
from tests.peers import instances, wire
from tests.peers.process import COMMAND, Program, run_cli
from tests.peers.raw import association
from tests.peers.scp import free_port
from tests.peers.workers import READY, STORAGE_OFF

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
[fabric]
heartbeat = {heartbeat}
lease_grace = {grace}
listen = "tcp://{here}:{port}"
keys = "{folder}/keys"
"""
RIGHTS = {
    "storage": ("--event", "EVT_C_STORE"),
    "query": ("--event", "EVT_C_FIND"),
    "retrieve": ("--event", "EVT_C_GET", "--event", "EVT_C_MOVE"),
}
FIND = "1.2.840.10008.5.1.4.1.2.1.1"
ANY_PATIENT = b"\x08\0\x52\0\x08\0\0\0PATIENT \x10\0\x20\0\2\0\0\0* "
"""Query/Retrieve Level, Patient ID."""


def find_rq() -> bytes:
    return wire.command_set(
        wire.element(0x0002, wire.uid_value(FIND)),
        wire.element(0x0100, wire.us(0x0020)),
        wire.element(0x0110, wire.us(1)),
        wire.element(0x0700, wire.us(0)),
        wire.element(0x0800, wire.us(0x0001)),
    )


@contextmanager
def workers_there(folder: Path, namespace: str, port: int, server: str) -> Iterator[None]:
    """The stock workers in a network namespace, each with its key, once they are ready."""
    there = ("--data", folder / "there")
    connect = ("--connect", f"tcp://{HERE}:{port}", "--server-key", server)
    inside = ("ip", "netns", "exec", namespace, COMMAND, "worker")
    started: list[Program] = []
    try:
        for name in RIGHTS:
            own = ("--key-file", folder / f"{name}.key")
            started.append(Program(*inside, name, *there, *connect, *own, cwd=folder))
        for worker in started:
            worker.out.wait_for(READY)
        yield
    finally:
        for worker in started:
            worker.kill_all()


def allowed(folder: Path, config: Path) -> str:
    """Make the keys of gateway and workers; return the gateway's."""
    server = run_cli("keys", "new", "--config", config).out.text.strip()
    for name, rights in RIGHTS.items():
        key = run_cli("keys", "new", folder / f"{name}.key").out.text.strip()
        allow = ("--worker", name, *rights, "--config", config)
        assert run_cli("keys", "allow", key, *allow).wait() == 0
    return server


@pytest.mark.skipif(shutil.which("ip") is None, reason="iproute2 is not installed")
def test_what_workers_had_in_hand_or_are_asked_meanwhile_is_answered(tmp_path: Path) -> None:
    port = free_port(2)
    text = CONFIG.format(
        heartbeat=0.3 * PATIENCE, grace=30 * PATIENCE, here=HERE, port=port, folder=tmp_path
    )
    config = tmp_path / "gateway.toml"
    config.write_text(text)
    server = allowed(tmp_path, config)
    with (
        cable() as (namespace, near),
        running(STORAGE_OFF + text) as gateway,
        workers_there(tmp_path, namespace, port, server),
    ):
        instance = instances.make(size=200_000)
        with association(gateway.address, instance.context()) as peer:
            assert peer.store(instance, 1).status == 0x0000
            ip("link", "set", near, "down")
            late = instances.make(size=200_000)
            command = wire.store_rq(late.uid, 2, sop_class=late.sop_class)
            peer.send(wire.message(1, command, late.data_set))
            for name in RIGHTS:
                gateway.program.err.wait_for(f"EVT_WORKER_LOST worker='{name}'")
            with association(gateway.address, wire.context(1, FIND, wire.IMPLICIT)) as asking:
                asking.send(wire.message(1, find_rq(), ANY_PATIENT))
                ip("link", "set", near, "up")
                assert asking.recv_response().status == 0xFF00
                assert asking.recv_response().status == 0x0000
                asking.release()
            assert peer.recv_response().status == 0x0000
            peer.release()
        where = ("-o", tmp_path / "got", "--timeout", WALL)
        got = run_cli("get", *gateway.address, "-k", f"StudyInstanceUID={instances.STUDY}", *where)
        assert got.wait() == 0, got.report()
        came = {path.stem for path in (tmp_path / "got").glob("*.dcm")}
        assert came == {instance.uid, late.uid}
    stored, wrong = read_archive(tmp_path / "there" / "archive")
    assert (len(stored), wrong) == (2, []), "each was stored once"
