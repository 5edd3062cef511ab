"""The pending answers of a C-MOVE while its handler does something else.

The associations' thread counts a sub-operation and tells so here. The first few are told each by
itself; later ones of the same moment by one answer, which has the counters after the last of them:
a C-MOVE that is fast has no use for thousands of responses (PS3.4 C.4.2.3.1: they are optional).
None waits for credit: if the peer of the C-MOVE reads slowly, later counters take the place of
earlier ones.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.fabric import Answer

    Offer = Callable[[list[Answer]], int]

MOMENT = 0.002
"""Seconds that counters wait for others at most."""
EACH = 16
"""Sub-operations that are told each by itself, together if they come in one moment."""


class Progress:
    """Gathers pending answers; `offer` takes as many as there is credit for, and returns how many.

    `current` returns the answer with the counters of now. After `close` nothing is sent any more,
    so that the final answer is the last one.
    """

    def __init__(self, offer: Offer, current: Callable[[], Answer]) -> None:
        self._offer = offer
        self._current = current
        self._lock = threading.Lock()
        self._held: list[Answer] = []
        self._told = 0
        self._is_newer = False
        """Something was counted after what is held."""
        self._is_due = False
        self._is_closed = False

    def tell(self) -> None:
        """Send the counters soon; in a thread without an event loop, at once."""
        loop = asyncio._get_running_loop()
        with self._lock:
            self._is_newer = True
            if self._told < EACH:
                self._told += 1
                self._hold()
            if loop is None:
                self._send()
            elif not self._is_due:
                self._is_due = True
                loop.call_later(MOMENT, self._send_held)

    def close(self) -> None:
        """Send what is held, and nothing after it."""
        with self._lock:
            self._send()
            self._is_closed = True

    def flush(self) -> None:
        """Send what is held."""
        with self._lock:
            self._send()

    def _send_held(self) -> None:
        with self._lock:
            self._is_due = False
            self._send()

    def _hold(self) -> None:
        self._is_newer = False
        self._held.append(self._current())

    def _send(self) -> None:
        """Send what is held, with the lock; of what finds no credit only the last one is kept."""
        if self._is_newer and not self._is_closed:
            self._hold()
        if self._held and not self._is_closed:
            sent = self._offer(self._held)
            self._held = self._held[-1:] if sent < len(self._held) else []
