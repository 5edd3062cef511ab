"""Calls that run one after the other, on whichever thread of a pool is free."""

from __future__ import annotations

from concurrent.futures import wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor

Value = TypeVar("Value")


class Strand:
    """The calls of one file: in order and never two at once, so that they need no locks.

    A call waits on its thread for the one before it. That cannot lock up: the pool starts calls in
    the order in which they were submitted, so the one before is running or done by then.
    """

    __slots__ = ("_last", "_pool")

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._last: Future[object] | None = None

    def submit(self, call: Callable[[], Value]) -> Future[Value]:
        """Run `call` after those submitted before it; from the loop's thread only."""
        future = self._pool.submit(_after, self._last, call)
        self._last = future  # type: ignore[assignment]  # it is only waited for
        return future


def _after(previous: Future[object] | None, call: Callable[[], Value]) -> Value:
    if previous is not None and not previous.done():
        wait([previous])
    return call()
