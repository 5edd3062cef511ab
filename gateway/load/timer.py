"""A timer with a resolution of microseconds.

The timers of asyncio have a resolution of a millisecond, which would count as latency of the peer.
On Linux a timerfd wakes the loop; elsewhere the timers of asyncio are used.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import sys

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC if sys.platform == "linux" else 0


class Timer:
    """A timer for one waiter at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
        self._fd = -1
        if self._libc is not None:
            self._fd = self._libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
        if self._fd >= 0:
            self._loop.add_reader(self._fd, self._expired)

    async def until(self, moment: float) -> None:
        """Wait until a moment of the loop's clock."""
        if moment <= self._loop.time():
            return
        self._waiter = self._loop.create_future()
        if self._libc is None or self._fd < 0:
            self._loop.call_at(moment, self._wake)
        else:
            seconds = int(moment)
            nanoseconds = min(int((moment - seconds) * 1e9) + 1, 999_999_999)
            when = struct.pack("@qqqq", 0, 0, seconds, nanoseconds)
            self._libc.timerfd_settime(self._fd, _ABSOLUTE, when, None)
        await self._waiter

    def _expired(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Close the descriptor."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
