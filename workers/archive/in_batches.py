"""What comes one by one from the index, in lists that leave together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

MOST = 32
SECONDS = 0.005
"""After this time a list ends, however short: what is there is not kept waiting."""


def in_batches(
    items: Iterable[T], clock: Callable[[], float] = time.monotonic
) -> Iterator[list[T]]:
    """Yield the items in lists; if an error ends them, those before it come first.

    The first list has one item, each next one at most twice as many as the one before.
    """
    batch: list[T] = []
    since, room = clock(), 1
    try:
        for item in items:
            batch.append(item)
            if len(batch) == room or clock() - since >= SECONDS:
                yield batch
                batch, since, room = [], clock(), min(2 * room, MOST)
    except Exception:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def within(lists: Iterable[list[T]], size_of: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Yield the lists in parts whose items have `most` bytes at most, or a single item."""
    for items in lists:
        part: list[T] = []
        size = 0
        for item in items:
            if part and size + size_of(item) > most:
                yield part
                part, size = [], 0
            part.append(item)
            size += size_of(item)
        if part:
            yield part
