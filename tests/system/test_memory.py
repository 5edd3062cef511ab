"""Memory does not depend on object size, idle associations cost no CPU, acceptors stay light."""

from __future__ import annotations

import resource
import select
import subprocess
import sys
import time

import pytest

from tests.accountant import read_archive
from tests.patience import WALL
from tests.peers import instances, procfs, sender, wire
from tests.peers.raw import RawPeer, association, echo_ok

MIB = 1 << 20
WINDOWS = 10
"""Windows of 3 s for a gateway to come to rest in."""
FORBIDDEN = ("pydicom", "pydantic", "typer", "rich", "workers", "pynetdicom")


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("size", [1 << 30], ids=["1GiB"])
def test_acceptor_does_not_grow_with_the_object(start_gateway, size: int) -> None:
    gateway = start_gateway()
    acceptor = gateway.child("acceptor-0")
    context = wire.context(1, wire.CT, wire.EXPLICIT)
    with association(gateway.address, context) as peer:
        peer.sock.settimeout(WALL)
        warm = instances.make(size=2 * MIB)
        assert peer.store(warm).status == 0
        procfs.reset_peak(acceptor)
        before = procfs.memory(acceptor)
        uid, pieces, length = instances.big_ct(size)
        assert sender.stream_store(peer, uid, pieces) == 0x0000
        grown = procfs.memory(acceptor, "VmHWM") - before
        peer.release()
    assert grown < 20 * MIB, f"{grown / MIB:.1f} MiB"
    (one,) = [one for one in read_archive(gateway.archive)[0] if one.uid == uid]
    assert one.size == length


def test_acceptor_does_not_grow_with_the_pdu(gateway_process) -> None:
    """A length field alone makes the acceptor allocate nothing."""
    acceptor = gateway_process.child("acceptor-0")
    assert echo_ok(gateway_process.address)
    before = procfs.memory(acceptor)
    peers = [RawPeer(gateway_process.address) for _ in range(50)]
    try:
        for peer in peers:
            peer.send(wire.pdu(wire.RQ, b"", length=1 << 20))
        assert echo_ok(gateway_process.address)
        assert procfs.memory(acceptor) - before < 20 * MIB
    finally:
        for peer in peers:
            peer.close()


@pytest.mark.slow
def test_500_idle_associations_use_no_cpu_to_speak_of(gateway_process) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    processes = gateway_process.children() | {gateway_process.pid}
    peers: list[RawPeer] = []
    try:
        for _ in range(500):
            peers.append(RawPeer(gateway_process.address))
            peers[-1].associate()
        poll = select.poll()
        for peer in peers:
            poll.register(peer.sock, select.POLLIN)
        shares: list[float] = []
        for _ in range(WINDOWS):
            used = {pid: procfs.cpu_seconds(pid) for pid in processes}
            start = time.monotonic()
            assert poll.poll(3000) == [], "an idle association was spoken to"
            seconds = time.monotonic() - start
            shares.append(sum(procfs.cpu_seconds(pid) - used[pid] for pid in processes) / seconds)
            if len(shares) > 1 and shares[-2] < 0.03:  # it has come to rest: now it must stay so
                break
        assert shares[-1] < 0.03, f"of a core in each {seconds:.1f} s: {shares}"
        assert peers[250].echo().status == 0
    finally:
        for peer in peers:
            peer.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_descriptors_come_back(gateway_process) -> None:
    acceptor = gateway_process.child("acceptor-0")
    assert sender.store_all(gateway_process.address, instances.many(3)).failed == {}
    settled = len(procfs.descriptors(acceptor))
    for _ in range(30):
        assert echo_ok(gateway_process.address)
        with association(gateway_process.address) as peer:
            peer.reset()
        with RawPeer(gateway_process.address) as peer:
            peer.send(b"\x01")
    procfs.until(
        lambda: len(procfs.descriptors(acceptor)) <= settled + 1,
        what=f"descriptors back to {settled}: {procfs.descriptors(acceptor)}",
    )


def test_acceptor_imports_nothing_heavy() -> None:
    code = (
        "import sys, pkgutil, importlib, gateway.acceptor as a\n"
        "for m in pkgutil.iter_modules(a.__path__, 'gateway.acceptor.'):\n"
        "    if not m.name.endswith('__main__'): importlib.import_module(m.name)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=WALL, check=True
    )
    assert set(done.stdout.split()) & set(FORBIDDEN) == set()


def test_running_acceptor_has_nothing_heavy_mapped(gateway_process) -> None:
    """pydantic's core is a shared library, so it would be mapped."""
    acceptor = gateway_process.child("acceptor-0")
    with open(f"/proc/{acceptor}/maps") as maps:
        assert "pydantic_core" not in maps.read()
    assert procfs.command_line(acceptor).endswith("-m gateway.acceptor acceptor-0")
