"""A clock that stands still, but for what a test adds to it."""

from __future__ import annotations


class Clock:
    """Returns the seconds `now`."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
