"""A modality that stores through the balancer, and tries again on another association."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from tests.faults.row import BrokenPromise
from tests.patience import PATIENCE, WALL
from tests.peers import instances
from tests.peers.sender import store_all

if TYPE_CHECKING:
    from tests.accountant import Accountant
    from tests.peers.raw import Address

_SENDERS = 4
_TIMEOUT = 6.0 * PATIENCE
"""Seconds for each response; then the association is given up."""
_GIVEN_UP = 60.0 * PATIENCE
"""Seconds after which an instance counts as lost."""
_PAUSE = 0.1
"""Seconds between two instances, and between two attempts."""


class RetryingClient:
    """Stores one instance after the other on each of a few threads, until the block ends."""

    def __init__(self, address: Address, books: Accountant) -> None:
        self._address = address
        self._books = books
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(_SENDERS)]
        self.stored = self.repeated = 0
        self.longest = 0.0
        """Seconds that an instance took, with all attempts."""
        self.lost: list[str] = []
        """In words."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(_GIVEN_UP + WALL)

    def until_stored(self, number: int) -> None:
        """Wait until so many more are stored; raise BrokenPromise if that takes too long."""
        least, until = self.stored + number, time.monotonic() + _GIVEN_UP
        while self.stored < least:
            if time.monotonic() > until:
                raise BrokenPromise(f"only {self.stored} are stored; lost: {self.lost[:3]}")
            time.sleep(_PAUSE)

    def _run(self) -> None:
        while not self._ended.wait(_PAUSE):
            self._store(instances.make())

    def _store(self, one: instances.Instance) -> None:
        begun, attempts, why = time.monotonic(), 0, ""
        while time.monotonic() - begun < _GIVEN_UP:
            attempts += 1
            told = store_all(self._address, [one], listener=self._books, timeout=_TIMEOUT)
            if told.statuses.get(one.uid) == [0x0000]:
                with self._lock:
                    self.stored += 1
                    self.repeated += attempts > 1
                    self.longest = max(self.longest, time.monotonic() - begun)
                return
            why = f"{told.statuses or told.errors}"
            time.sleep(_PAUSE)
        self.lost.append(f"{one.uid}: {attempts} attempts, {why}")
