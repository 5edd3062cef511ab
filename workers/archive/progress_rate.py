"""The rate of a long piece of work, for those who watch it."""

from __future__ import annotations

import time

_INTERVAL = 5.0
"""Seconds between two lines."""


class ProgressRate:
    """Counts files of a known total, from the moment at which it is made."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._begun = self._told = time.monotonic()
        self._first: int | None = None
        self._count = 0
        self.rate = 0.0
        """Files a second, without those that were done before."""

    def of(self, count: int) -> float:
        """Return the rate when so many files are done."""
        if self._first is None:
            self._first = count
        self._count = count
        elapsed = time.monotonic() - self._begun
        self.rate = (count - self._first) / elapsed if elapsed else 0.0
        return self.rate

    def is_due(self) -> bool:
        """Return whether a line should be printed now."""
        now = time.monotonic()
        if now - self._told < _INTERVAL:
            return False
        self._told = now
        return True

    def line(self) -> str:
        """Return what is done, in words."""
        return f"{self._count} of {self._total} files, {self.rate:.0f}/s"
