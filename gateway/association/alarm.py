"""A timer that is cheap to move.

Deadlines move with every read; a loop timer that had to be cancelled and made anew each time would
cost more than the read's own bookkeeping. This one keeps its loop timer and looks, when that goes
off, at where the deadline stands by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Alarm:
    """Calls back once the loop's time has passed the last deadline that was set."""

    __slots__ = ("_call", "_deadline", "_handle", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop = loop
        self._call = call
        self._deadline: float | None = None
        self._handle: asyncio.TimerHandle | None = None

    @property
    def deadline(self) -> float | None:
        return self._deadline

    def set(self, deadline: float | None) -> None:
        """Move the deadline (the loop's time, seconds), or remove it with None."""
        self._deadline = deadline
        if deadline is None:
            return
        if self._handle is not None:
            if self._handle.when() <= deadline:
                return
            self._handle.cancel()
        self._handle = self._loop.call_at(deadline, self._ring)

    def stop(self) -> None:
        """Remove the deadline and the loop's timer."""
        self._deadline = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self) -> None:
        self._handle = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._handle = self._loop.call_at(self._deadline, self._ring)
            return
        self._deadline = None
        self._call()
