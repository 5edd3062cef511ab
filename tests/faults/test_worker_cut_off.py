"""A cable between a gateway and its worker is unplugged: the worker is fenced, then goes on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.accountant import read_archive
from tests.conftest import running
from tests.fabric.other_host import free_ports
from tests.faults.test_partition import HERE, cable, ip
from tests.patience import PATIENCE
from tests.peers import instances, wire
from tests.peers.process import COMMAND, Program, run_cli
from tests.peers.raw import association
from tests.peers.workers import READY, STORAGE_OFF

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
[fabric]
heartbeat = {heartbeat}
lease_grace = {grace}
listen = "tcp://{here}:{port}"
keys = "{folder}/keys"
"""
RIGHTS = ("--worker", "storage", "--event", "EVT_C_STORE")


@pytest.mark.skipif(shutil.which("ip") is None, reason="iproute2 is not installed")
def test_what_a_worker_had_in_hand_is_given_again(tmp_path: Path) -> None:
    port, own = free_ports(2), tmp_path / "own.key"
    text = CONFIG.format(
        heartbeat=0.3 * PATIENCE, grace=30 * PATIENCE, here=HERE, port=port, folder=tmp_path
    )
    config = tmp_path / "gateway.toml"
    config.write_text(text)
    server = run_cli("keys", "new", "--config", config).out.text.strip()
    key = run_cli("keys", "new", own).out.text.strip()
    assert run_cli("keys", "allow", key, *RIGHTS, "--config", config).wait() == 0
    with cable() as (namespace, near), running(STORAGE_OFF + text) as gateway:
        connect = ("--connect", f"tcp://{HERE}:{port}", "--server-key", server, "--key-file", own)
        there = ("--data", tmp_path / "there")
        inside = ("ip", "netns", "exec", namespace)
        worker = Program(*inside, COMMAND, "worker", "storage", *there, *connect, cwd=tmp_path)
        try:
            worker.out.wait_for(READY)
            instance = instances.make(size=200_000)
            with association(gateway.address, instance.context()) as peer:
                assert peer.store(instance, 1).status == 0x0000
                ip("link", "set", near, "down")
                late = instances.make(size=200_000)
                command = wire.store_rq(late.uid, 2, sop_class=late.sop_class)
                peer.send(wire.message(1, command, late.data_set))
                gateway.program.err.wait_for("EVT_WORKER_LOST worker='storage'")
                ip("link", "set", near, "up")
                assert peer.recv_response().status == 0x0000
                peer.release()
        finally:
            worker.kill_all()
        stored, wrong = read_archive(tmp_path / "there" / "archive")
        assert (len(stored), wrong) == (2, []), "each was stored once"
