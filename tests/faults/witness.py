"""Healthy peers beside an attack: their answers, how long these take, and what it costs us."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.attackers import FIND, LEVEL, element
from tests.faults.request_attackers import request
from tests.faults.row import BrokenPromise
from tests.patience import WALL
from tests.peers import instances, procfs, wire
from tests.peers.raw import RawPeer, association
from tests.peers.sender import in_parallel, store_all

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from tests.peers.process import Gateway
    from tests.peers.raw import Address

OWN, ATTACKERS = "127.0.0.1", "127.0.0.2"
"""The address of healthy peers, and that of attackers, from which healthy ones come as well."""
KEPT, FRESH = 0.050, 0.250
"""Seconds that an echo may take, at p99: on an association that is kept, and with a fresh one."""
MEMORY = 300_000_000
"""Bytes of any process."""
WARM = 5.0
"""Seconds of the attack that come before, with all of its peers: pools of threads, with their
connections to the index, are filled as they are needed, and stay. What comes on top of that in a
longer attack is a leak."""
GROWN = 35_000_000
"""Bytes that a process may have more after the attack than before: pieces that the allocator keeps
where connections were that are gone."""
MORE = 4
"""Threads, and as many descriptors, that a process may have more: pools that `WARM` did not fill,
and connections of healthy peers that are still being closed."""
PROJECT = Path(__file__).parents[2]


@contextmanager
def attack(name: str, address: Address, source: str = ATTACKERS, every: int = 1) -> Iterator[None]:
    """Run every so-manieth of an attack's connections until the end of the block."""
    command = [sys.executable, "-m", "tests.faults.attackers", name, *map(str, address), source]
    command.append(str(every))
    attackers = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=PROJECT)
    assert attackers.stdin is not None
    try:
        yield
        if attackers.poll() is not None:
            raise AssertionError(f"the attackers of {name} ended by themselves")
    finally:
        attackers.stdin.close()
        attackers.wait(WALL)


@dataclass
class Witness:
    """The measurements of healthy peers from one address."""

    address: Address
    source: str
    tls: ssl.SSLContext | None = None
    kept: list[float] = field(default_factory=list)
    fresh: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    stored: int = 0
    _peer: RawPeer | None = None

    def look(self) -> None:
        """Echo on the association that is kept, echo with a fresh one, and store an instance."""
        one = instances.make()
        try:
            if self._peer is None:
                self._peer = self._associate()
            self.kept.append(_timed(lambda: self._echo(self._peer)))
            self.fresh.append(_timed(self._fresh))
            with self._associate(one.context()) as peer:
                status = peer.store(one).status
                if status != 0x0000:
                    self.broken.append(f"C-STORE 0x{status:04X}")
                self.stored += 1
                peer.release()
        except (OSError, AssertionError) as error:
            self.broken.append(f"{type(error).__name__}: {error}"[:200])
            self.close()

    def forget(self) -> None:
        """Begin anew, with an association of its own."""
        self.kept.clear(), self.fresh.clear(), self.broken.clear()
        self.stored = 0
        self.close()
        self._peer = self._associate()

    def close(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None

    def _associate(self, *contexts: bytes) -> RawPeer:
        peer = RawPeer(self.address, source=self.source)
        try:
            if self.tls is not None:
                peer.sock = self.tls.wrap_socket(peer.sock, server_hostname="localhost")
            peer.associate(*(contexts or (wire.context(1),)), calling="HEALTHY")
        except BaseException:
            peer.close()
            raise
        return peer

    def _fresh(self) -> None:
        with self._associate() as peer:
            self._echo(peer)
            peer.release()

    def _echo(self, peer: RawPeer | None) -> None:
        assert peer is not None
        if peer.echo().status != 0x0000:
            self.broken.append("C-ECHO failed")

    @property
    def text(self) -> str:
        where = "own" if self.source == OWN else "attacker's"
        return (
            f"from {where} address kept p99 {p99(self.kept) * 1e3:.0f} ms, "
            f"fresh p99 {p99(self.fresh) * 1e3:.0f} ms, {self.stored} stored"
        )

    @property
    def violations(self) -> list[str]:
        found = self.broken[:3]
        if not self.kept or p99(self.kept) > KEPT:
            found.append(f"a kept echo took more than {KEPT * 1e3:.0f} ms")
        if not self.fresh or p99(self.fresh) > FRESH:
            found.append(f"a fresh echo took more than {FRESH * 1e3:.0f} ms")
        return found


def _timed(call) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)] if times else float("nan")


@dataclass(frozen=True)
class State:
    """What each process of a gateway has."""

    descriptors: dict[int, int]
    threads: dict[int, int]
    memory: dict[int, int]
    kinds: dict[int, Counter[str]]
    """What the descriptors are of."""

    @classmethod
    def of(cls, gateway: Gateway) -> State:
        family = [gateway.pid, *gateway.children()]
        kinds = {
            pid: Counter(re.sub(r"\d+", "N", one) for one in procfs.descriptors(pid).values())
            for pid in family
        }
        return cls(
            {pid: of_one.total() for pid, of_one in kinds.items()},
            {pid: len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in family},
            {pid: procfs.memory(pid) for pid in family},
            kinds,
        )

    def more_than(self, before: State) -> str:
        """Return what the process that has grown most has more, of each kind."""
        grown = [
            max((now.get(pid, 0) - had for pid, had in then.items()), default=0)
            for now, then in (
                (self.descriptors, before.descriptors),
                (self.threads, before.threads),
                (self.memory, before.memory),
            )
        ]
        return f"{grown[0]:+d} descriptors, {grown[1]:+d} threads, {grown[2] / 1e6:+.0f} MB"

    def has_returned_to(self, before: State) -> list[str]:
        """Return what is not as it was."""
        found = []
        for pid, count in before.descriptors.items():
            name = procfs.command_line(pid).rpartition(" ")[2]
            if pid not in self.descriptors:
                found.append(f"process {pid} is gone")
                continue
            if self.descriptors[pid] > count + MORE:
                more = (self.kinds[pid] - before.kinds[pid]).items()
                found.append(
                    f"{name} has {self.descriptors[pid]} descriptors, had {count}; more are: "
                    + ", ".join(f"{number} {kind}" for kind, number in more)
                )
            if self.threads[pid] > before.threads[pid] + MORE:
                found.append(f"{name} has {self.threads[pid]} threads, had {before.threads[pid]}")
            if self.memory[pid] > before.memory[pid] + GROWN:
                grown = (self.memory[pid] - before.memory[pid]) / 1e6
                found.append(f"{name} has {grown:.0f} MB more")
        return found


def watch(
    gateway: Gateway,
    seconds: float,
    attacks: list[str],
    tls: ssl.SSLContext | None = None,
    every: int = 1,
) -> str:
    """Run attacks beside healthy peers; return what was measured, or raise BrokenPromise."""
    witnesses = [Witness(gateway.address, source, tls) for source in (OWN, ATTACKERS)]
    for witness in witnesses:  # what is started and loaded with the first use
        for _ in range(5):
            witness.look()
    if tls is None:
        _fill_pools(gateway)
        _ask_at_length(gateway)
    _under(gateway, min(WARM, seconds), attacks, 1, witnesses)
    for witness in witnesses:
        witness.forget()
    before = _at_rest(gateway)
    for pid in before.memory:
        procfs.reset_peak(pid)
    _under(gateway, seconds, attacks, every, witnesses)
    peak = {pid: procfs.memory(pid, "VmHWM") for pid in before.memory if procfs.alive(pid)}
    for witness in witnesses:
        witness.close()
    found = [text for witness in witnesses for text in witness.violations]
    found += [
        f"{procfs.command_line(pid).rpartition(' ')[2]} had {size / 1e6:.0f} MB"
        for pid, size in peak.items()
        if size > MEMORY
    ]
    found += _settled(gateway, before)
    text = "; ".join(
        [
            *(one.text for one in witnesses),
            f"peak {max(peak.values()) / 1e6:.0f} MB",
            f"afterwards {State.of(gateway).more_than(before)}",
        ]
    )
    if found:
        raise BrokenPromise(f"{'; '.join(found)} ({text})")
    return text


def _fill_pools(gateway: Gateway) -> None:
    """Store many instances at once, until no more threads come that write, sync and rename files.

    A batch has a thread for each of its files, up to a limit, and what it has is what arrived
    during the one before.
    """
    for _ in range(5):
        before = State.of(gateway)
        for size in (200_000, 8_000):
            batch = instances.many(192, size=size)
            in_parallel(48, batch, lambda mine: store_all(gateway.address, mine))
        if State.of(gateway).threads == before.threads:
            return


def _ask_at_length(gateway: Gateway) -> None:
    """Send a query that is long: with the first large message ZeroMQ starts threads of its own."""
    asked = LEVEL + element(0x0010, 0x4000, b"LT", b"a" * 65_530)
    with association(gateway.address, wire.context(1, FIND, wire.EXPLICIT)) as peer:
        peer.send(request(0x0020, FIND, 1, data=asked))
        peer.recv_response()


def _at_rest(gateway: Gateway) -> State:
    """Return the state of a gateway once it has not changed for a while, or some seconds later."""
    end, before = time.monotonic() + 10, State.of(gateway)
    while time.monotonic() < end:
        time.sleep(1.5)
        now = State.of(gateway)
        if (now.descriptors, now.threads) == (before.descriptors, before.threads):
            return now
        before = now
    return before


def _under(
    gateway: Gateway, seconds: float, attacks: list[str], every: int, witnesses: list[Witness]
) -> None:
    if attacks:
        with attack(attacks[0], gateway.address, f"127.0.0.{1 + len(attacks)}", every):
            _under(gateway, seconds, attacks[1:], every, witnesses)
        return
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for witness in witnesses:
            witness.look()
        time.sleep(0.02)


def _settled(gateway: Gateway, before: State) -> list[str]:
    """Return what has not come back to what it was some seconds after an attack."""
    end = time.monotonic() + 30
    while True:
        left = State.of(gateway).has_returned_to(before)
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.5)
