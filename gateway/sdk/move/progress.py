"""The pending answers of a C-MOVE while its handler does something else.

The associations' thread counts a sub-operation and gives the counters here. They leave after a
moment, those of several sub-operations in one message, and none waits for credit: if the peer of
the C-MOVE reads slowly, later counters take the place of earlier ones.
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
TOGETHER = 16
"""Answers that leave without waiting for others."""


class Progress:
    """Gathers pending answers; `offer` takes as many as there is credit for, and returns how many.

    After `close` nothing is sent any more, so that the final answer is the last one.
    """

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._lock = threading.Lock()
        self._held: list[Answer] = []
        self._is_due = False
        self._is_closed = False

    def tell(self, answer: Answer) -> None:
        """Send an answer soon; in a thread without an event loop, at once."""
        loop = asyncio._get_running_loop()
        with self._lock:
            self._held.append(answer)
            if loop is None or len(self._held) >= TOGETHER:
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

    def _send(self) -> None:
        """Send what is held, with the lock; of what finds no credit only the last one is kept."""
        if self._held and not self._is_closed:
            sent = self._offer(self._held)
            self._held = self._held[-1:] if sent < len(self._held) else []
