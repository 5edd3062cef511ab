"""The objects of this gateway, bucket by bucket, as their paths say."""

from __future__ import annotations

from itertools import groupby
from os.path import dirname
from typing import TYPE_CHECKING

from workers.archive.layout import CONFLICTS, OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.archive.objects.object_store import ObjectStore, StoredObject

AGREES = 1
"""What the index notes of a bucket of objects that agrees with it."""


def own_buckets(store: ObjectStore) -> Iterator[tuple[str, list[StoredObject]]]:
    """Yield the path of each bucket with its objects, those set aside last; raises StoreFailure."""
    own = f"{OBJECTS}/{store.place.holder}"
    dates = [name for name in store.folders(own) if name != CONFLICTS]
    above = [f"{own}/{date}" for date in dates] + [f"{own}/{CONFLICTS}"]
    for folder in above:
        for bucket, found in groupby(store.listed(folder), key=lambda one: dirname(one.path)):
            yield bucket, list(found)
