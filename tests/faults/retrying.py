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
    from tests.peers.sender import Outcome

_SENDERS = 4
_TIMEOUT = 6.0 * PATIENCE
"""Seconds for each response; then the association is given up."""
_GIVEN_UP = 60.0 * PATIENCE
"""Seconds after which an instance counts as lost."""
_PAUSE = 0.1
"""Seconds between two instances, and between two attempts."""

_TOLD = 0.5
"""Seconds of an attempt from which on it is told."""


class RetryingClient:
    """Stores one instance after the other on each of a few threads, until the block ends."""

    def __init__(self, address: Address, books: Accountant) -> None:
        self._address = address
        self._books = books
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(_SENDERS)]
        self.stored = self.repeated = 0
        self._slowest: list[tuple[float, str]] = []
        """The attempts of the instance that took longest, with what became of each."""
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

    def forget(self) -> None:
        """Measure from now on."""
        with self._lock:
            self._slowest = []

    @property
    def longest(self) -> str:
        """Seconds that an instance took at most, and what became of each attempt that took long."""
        with self._lock:
            slowest = self._slowest
        total = sum(took for took, _ in slowest)
        waited = [f"{took:.1f} s {what}" for took, what in slowest if took >= _TOLD]
        return f"{total:.1f} s" + (f" ({', then '.join(waited)})" if waited else "")

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
        attempts: list[tuple[float, str]] = []
        begun = last = time.monotonic()
        while last - begun < _GIVEN_UP:
            told = store_all(self._address, [one], listener=self._books, timeout=_TIMEOUT)
            is_stored = told.statuses.get(one.uid) == [0x0000]
            if not is_stored:
                time.sleep(_PAUSE)
            now = time.monotonic()
            attempts.append((now - last, _in_words(told)))
            last = now
            if is_stored:
                self._note(attempts)
                return
        self.lost.append(f"{one.uid}: {len(attempts)} attempts, {attempts[-1][1]}")

    def _note(self, attempts: list[tuple[float, str]]) -> None:
        with self._lock:
            self.stored += 1
            self.repeated += len(attempts) > 1
            self._slowest = max(self._slowest, attempts, key=lambda one: sum(s for s, _ in one))


def _in_words(told: Outcome) -> str:
    """Return what became of an attempt."""
    if any("TimeoutError" in error for error in told.errors):
        return "until the client gave up an association without a response"
    if not told.errors and not told.failed:
        return "on the association on which it was stored"
    return f"until {[*told.failed.values(), *told.errors][:1]}"
