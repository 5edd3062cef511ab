"""The headers below which instances were added lately, so that the next ones need not look.

An instance below such a header can mostly be added without reading the rows above it; see
`array_insertion.insert_below_known`, which finds out. Where several series of a study arrive at the
same time it often cannot, because the attributes of the study are from another header each time.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from workers.archive.index.placing import above_of, digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workers.archive.index.placing import Above
    from workers.archive.index.records import IndexEntry, Texts

_MOST = 1024
"""Headers that are remembered."""
_PAUSE = 8
"""Batches after a failed attempt without another one."""


class KnownHeaders:
    """The keys of headers, each with the number of batches until the next attempt; thread-safe."""

    def __init__(self) -> None:
        self._waits: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def are_known(self, keys: Iterable[bytes]) -> bool:
        """Return whether instances of all these headers may be added without looking."""
        return all(self._waits.get(key) == 0 for key in keys)

    def failed(self, keys: Iterable[bytes]) -> None:
        """Note that instances of these headers could not be added so."""
        with self._lock:
            for key in keys:
                self._waits[key] = _PAUSE

    def used(self, keys: Iterable[bytes]) -> None:
        """Note that instances of these headers were added after a look at the rows above."""
        with self._lock:
            for key in keys:
                self._waits[key] = max(0, self._waits.pop(key, 0) - 1)  # the last to be forgotten
            while len(self._waits) > _MOST:
                del self._waits[next(iter(self._waits))]


def keys_of(news: Sequence[tuple[IndexEntry, Texts]]) -> list[bytes]:
    """Return the key of each instance's header."""
    found: dict[Above, bytes] = {}
    keys = []
    for _, texts in news:
        above = above_of(texts)
        if (key := found.get(above)) is None:
            key = found[above] = digest(*above)
        keys.append(key)
    return keys


def are_each_once(news: Sequence[tuple[IndexEntry, Texts]], absent: frozenset[str]) -> bool:
    """Return whether all instances are absent from the index, and none is there twice."""
    uids = {entry.sop_instance_uid for entry, _ in news}
    return len(uids) == len(news) and uids <= absent
