"""A load that goes on through a fault, and tells what was stored and what failed."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from tests.faults.row import BrokenPromise
from tests.patience import WALL
from tests.peers import instances
from tests.peers.sender import Listener, store_all

if TYPE_CHECKING:
    from tests.peers.instances import Instance
    from tests.peers.process import Gateway

_SENDERS = 4


class Load(Listener):
    """Stores at a gateway without pause, on a few associations, until the block ends."""

    def __init__(
        self,
        gateway: Gateway,
        listener: Listener | None = None,
        senders: int = _SENDERS,
        *,
        new_studies: bool = False,
    ) -> None:
        """`new_studies`: each instance has a study of its own, so that none is known."""
        self._gateway = gateway
        self._new_studies = new_studies
        self._listener = listener or Listener()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._last = 0.0
        self._threads = [threading.Thread(target=self._send) for _ in range(senders)]
        self.sent = 0
        self.failures: list[str] = []
        """In words."""
        self.stored = 0
        """Since `forget`."""
        self.longest = 0.0
        """Seconds without a success, since `forget`."""

    def __enter__(self) -> Self:
        self.forget()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(WALL)

    def forget(self) -> None:
        """Count and measure from now on."""
        with self._lock:
            self._last, self.longest, self.stored = time.monotonic(), 0.0, 0

    @property
    def longest_until_now(self) -> float:
        """`longest`, or the seconds since the last success if these are more."""
        with self._lock:
            return max(self.longest, time.monotonic() - self._last)

    def until_stored(self, number: int) -> None:
        """Wait until so many are stored; raise BrokenPromise if that takes too long."""
        until = time.monotonic() + WALL
        while self.stored < number:
            if time.monotonic() > until:
                raise BrokenPromise(f"{self.stored} stored, failed: {self.failures[:3]}")
            time.sleep(0.05)

    def sending(self, instance: Instance) -> None:
        self._listener.sending(instance)

    def told(self, uid: str, status: int) -> None:
        """Count a response, and measure the time since the last success."""
        self._listener.told(uid, status)
        now = time.monotonic()
        with self._lock:
            self.sent += 1
            if status == 0x0000:
                self.stored += 1
                self.longest = max(self.longest, now - self._last)
                self._last = now

    def _send(self) -> None:
        while not self._ended.is_set():
            some = instances.many(5)
            if self._new_studies:
                some = [instances.of_new_study(one) for one in some]
            told = store_all(self._gateway.address, some, timeout=WALL, listener=self)
            with self._lock:
                self.failures += [f"0x{one[0]:04X}" for one in told.failed.values()] + told.errors
