"""A network cable is unplugged: the silent peer is aborted, and its association is freed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.accountant import leftovers, read_archive
from tests.conftest import running
from tests.patience import PATIENCE, WALL
from tests.peers import procfs
from tests.peers.process import Program
from tests.peers.raw import echo_ok, echoes

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
_NET = f"10.213.{os.getpid() >> 6 & 255}"
_HOST = (os.getpid() & 63) * 4
HERE, THERE = f"{_NET}.{_HOST + 1}", f"{_NET}.{_HOST + 2}"
"""Each process has its own network of four addresses, so that tests can run in parallel."""
CONFIG = f"""
[association]
artim_timeout = {PATIENCE}
dimse_timeout = {PATIENCE}
network_timeout = {1.5 * PATIENCE}
send_timeout = {PATIENCE}
max_associations = 1
"""
SILENT = (
    r"(nothing happened on the association for|the rest of a message did not come in) .* s; aborted"
)
PEER = """
import sys, threading
from tests.peers import instances, wire
from tests.peers.raw import RawPeer

one = instances.make(size=400_000)
peer = RawPeer((sys.argv[1], int(sys.argv[2])))
peer.associate(one.context())
message = wire.message(1, wire.store_rq(one.uid), one.data_set)
peer.send(message[: int(len(message) * float(sys.argv[3]))])
print("there", flush=True)
threading.Event().wait(600)
"""


def ip(*words: str) -> int:
    return subprocess.run(["ip", *words], check=False, capture_output=True, timeout=WALL).returncode


@contextmanager
def cable() -> Iterator[tuple[str, str]]:
    """A network namespace behind a veth pair; yields its name and that of the near interface."""
    name = f"gw{os.getpid()}"
    plugs = f"{name}a", f"{name}b"
    try:
        made = (
            ip("netns", "add", name),
            ip("link", "add", plugs[0], "type", "veth", "peer", "name", plugs[1], "netns", name),
            ip("addr", "add", f"{HERE}/30", "dev", plugs[0]),
            ip("link", "set", plugs[0], "up"),
            ip("-n", name, "addr", "add", f"{THERE}/30", "dev", plugs[1]),
            ip("-n", name, "link", "set", plugs[1], "up"),
        )
        if any(made):
            pytest.skip("network namespaces are not permitted here")
        yield name, plugs[0]
    finally:
        ip("link", "del", plugs[0])
        ip("netns", "del", name)


@pytest.mark.skipif(shutil.which("ip") is None, reason="iproute2 is not installed")
@pytest.mark.parametrize("part", [0.0, 0.5], ids=["between messages", "in mid data set"])
def test_a_cable_is_pulled(part: float) -> None:
    with cable() as (name, plug), running(CONFIG, ("--host", HERE)) as gateway:
        acceptor = gateway.child("acceptor-0")
        assert echo_ok(gateway.address)
        opened = len(procfs.descriptors(acceptor))
        host, port = gateway.address
        command = ("ip", "netns", "exec", name, sys.executable, "-c", PEER, host, port, part)
        peer = Program(*command, cwd=PROJECT)
        try:
            peer.out.wait_for("^there$")
            assert ip("link", "set", plug, "down") == 0
            gateway.program.err.wait_for(SILENT)
            # max_associations is 1: a C-ECHO succeeds only once the association is gone.
            procfs.until(lambda: echoes(gateway.address), what="a free association")
            procfs.until(lambda: not list(leftovers(gateway.spool)), what="an empty spool")
            procfs.until(
                lambda: len(procfs.descriptors(acceptor)) <= opened + 1,
                what="its descriptor back",
            )
        finally:
            peer.kill_all()
        assert len(re.findall(f" warning .*{SILENT}", gateway.program.err.text)) == 1
        assert read_archive(gateway.archive) == ([], [])
