"""What is read from far away is read before it is asked for, in order and within a bound."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

T = TypeVar("T")
U = TypeVar("U")

_AHEAD = 2


def work_ahead(
    work: Callable[[T], U], items: Iterable[T], ahead: int = _AHEAD
) -> Iterator[tuple[T, U]]:
    """Yield each item with what `work` returns for it, in order.

    A thread works on the next ones meanwhile, at most `ahead`; what it raises comes in place of
    the item. Items are taken in the thread that asks. Closing the generator does not wait for what
    is being done.
    """
    pending: deque[tuple[T, Future[U]]] = deque()
    thread = ThreadPoolExecutor(1, "ahead")
    try:
        for item in items:
            pending.append((item, thread.submit(work, item)))
            if len(pending) > ahead:
                first, result = pending.popleft()
                yield first, result.result()
        while pending:
            first, result = pending.popleft()
            yield first, result.result()
    finally:
        thread.shutdown(wait=False, cancel_futures=True)
