"""Long runs: many big objects at once, a huge object, and very many short associations."""

from __future__ import annotations

import struct
import threading
import time
from typing import TYPE_CHECKING

from tests.accountant import read_archive
from tests.conftest import short_folder
from tests.peers import instances, procfs, wire
from tests.peers.process import Gateway
from tests.peers.raw import RawPeer, association, echo_ok
from tests.peers.sender import stream_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.row import Options

MB = 1_000_000
CONTEXT = wire.context(1, wire.CT, wire.EXPLICIT)
MEMORY = 200 * MB
"""Limit of memory for each process."""
KEPT = 3 * MB
"""Limit of growth over the last 90 % of the cycles."""
WORKING = ("acceptor-0", "storage-0")


def stored(gateway: Gateway, uid: str, pieces: Iterator[bytes]) -> int:
    """Return the status of one C-STORE on its own association."""
    with association(gateway.address, CONTEXT) as peer:
        peer.sock.settimeout(300)
        status = stream_store(peer, uid, pieces)
        peer.release()
    return status


def peaks(gateway: Gateway) -> dict[str, int]:
    """Return the peak memory of each process in bytes."""
    return {name: procfs.memory(gateway.child(name), "VmHWM") for name in WORKING}


def at_once(gateway: Gateway, options: Options) -> str:
    """Store many big objects at once, with a C-ECHO from time to time."""
    statuses: list[int] = []

    def one() -> None:
        uid, pieces, _ = instances.big_ct(options.size * MB)
        statuses.append(stored(gateway, uid, pieces))

    begun, slowest = time.monotonic(), 0.0
    threads = [threading.Thread(target=one) for _ in range(options.objects)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        asked = time.monotonic()
        if not echo_ok(gateway.address):
            return "no answer to C-ECHO"
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.1)
    seconds, most = time.monotonic() - begun, peaks(gateway)
    print(
        f"{options.objects} objects of {options.size} MB at once: {seconds:.0f} s, slowest C-ECHO "
        f"{slowest:.2f} s, " + ", ".join(f"{k} {v / MB:.0f} MB" for k, v in most.items())
    )
    if statuses != [0x0000] * options.objects:
        return f"statuses {sorted(map(hex, set(statuses)))}, {len(statuses)} of them"
    if len(read_archive(gateway.archive)[0]) != options.objects:
        return "not all are on disk"
    return "" if max(most.values()) < MEMORY else "more memory than is due"


def huge(gateway: Gateway, options: Options) -> str:
    """Store an object of more than 2^32 bytes, which takes two elements."""
    half = 2_200_000_000 // options.shrink // 2 * 2
    uid, pieces, _ = instances.big_ct(half)
    head = next(pieces)[:-12]
    block = bytes(1 << 20)

    def whole() -> Iterator[bytes]:
        yield head
        for element in (0x0008, 0x0010):
            vr = b"OF" if element == 0x0008 else b"OW"
            yield struct.pack("<HH2sHI", 0x7FE0, element, vr, 0, half)
            for at in range(0, half, len(block)):
                yield block[: min(len(block), half - at)]

    begun, size = time.monotonic(), len(head) + 2 * (12 + half)
    status, most = stored(gateway, uid, whole()), peaks(gateway)
    print(
        f"one object of {size} bytes: {time.monotonic() - begun:.0f} s, "
        + ", ".join(f"{k} {v / MB:.0f} MB" for k, v in most.items())
    )
    if status != 0x0000:
        return f"status {status:04X}"
    kept = [one.size for one in read_archive(gateway.archive)[0] if one.uid == uid]
    if kept != [size]:
        return f"{size} bytes were sent, kept are {kept}"
    return "" if max(most.values()) < MEMORY else "more memory than is due"


def cycles(gateway: Gateway, options: Options) -> str:
    """Associate and abort repeatedly."""
    acceptor = gateway.child("acceptor-0")

    def some(count: int) -> None:
        for _ in range(count):
            with RawPeer(gateway.address) as peer:
                peer.associate()
                peer.send(wire.abort())

    some(options.cycles // 10)
    before, opened = procfs.memory(acceptor), len(procfs.descriptors(acceptor))
    some(options.cycles - options.cycles // 10)
    grown = procfs.memory(acceptor) - before
    print(f"{options.cycles} cycles of associate and abort: {grown / MB:+.1f} MB at the end")
    procfs.until(lambda: len(procfs.descriptors(acceptor)) <= opened + 1, what="descriptors back")
    return "" if grown < KEPT else "memory leaks"


PARTS: tuple[Callable[[Gateway, Options], str], ...] = (cycles, at_once, huge)


def run(options: Options) -> int:
    good = True
    for part in PARTS:
        if part.__name__ not in options.parts.split(","):
            continue
        with short_folder() as folder:
            gateway = Gateway(folder)
            try:
                if broken := part(gateway, options):
                    print(f"{part.__name__}: {broken}\n{gateway.program.err.text[-2000:]}")
                    good = False
                good = gateway.stop() == 0 and good
            finally:
                gateway.close()
    return 0 if good else 1
