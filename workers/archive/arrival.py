"""What becomes of an instance that arrives at the archive."""

from __future__ import annotations

from enum import Enum
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from gateway.datasets.encoded import opened_bytes, opened_file
from workers.archive.batch_writer import Offer
from workers.archive.same_bytes import open_data_set

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from gateway.datasets.encoded import EncodedDataSet
    from gateway.sdk import Arrival
    from workers.archive.index import IndexEntry
    from workers.archive.instance_store import InstanceStore


class Taken(Enum):
    """The result for an arrival that was not refused."""

    STORED = "stored"
    SAME = "same"
    """The same content was stored before."""
    REPLACED = "replaced"
    OTHERWISE_ENCODED = "otherwise encoded"
    """The same instance was stored before in another encoding of its elements."""
    OTHER_TRANSFER_SYNTAX = "other transfer syntax"
    """The same instance was stored before with its pixel data encoded otherwise."""
    SET_ASIDE = "set aside"
    REJECTED = "rejected"


class Receipt(NamedTuple):
    """The result for an arrival, and where its file is."""

    taken: Taken
    entry: IndexEntry
    before: IndexEntry | None = None
    """The entry that was stored under the UID before."""
    study_instance_uid: str = ""
    patients: tuple[str, ...] = ()
    """Patient IDs of the study, if the instance is the first one under its own and has others."""


class Case:
    """An arrival on its way through the stages, until it has a result."""

    entry: IndexEntry
    texts: Mapping[str, str]
    is_absent = True
    """Whether its UID was not in the index when it was compared."""
    result: Receipt | Exception | None = None

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival

    @property
    def offer(self) -> Offer:
        arrival = self.arrival
        return Offer(arrival.claim, arrival.data, arrival.attempt, self.entry.path)


def opened(arrival: Arrival, archive: InstanceStore) -> AbstractContextManager[EncodedDataSet]:
    """Open the data set of an arrival, for a `with` statement.

    It is at its final path if an earlier attempt has moved it there. Raises OSError.
    """
    claim, syntax = arrival.claim, arrival.transfer_syntax_uid
    if arrival.data is not None:
        return opened_bytes(memoryview(arrival.data)[claim.offset :], syntax)
    return opened_file(archive.file_of(claim), claim.offset, syntax)


def arrived_bytes(arrival: Arrival, archive: InstanceStore) -> BinaryIO:
    """Open the bytes of the data set of an arrival, as `opened` opens its elements."""
    claim = arrival.claim
    if arrival.data is not None:
        return BytesIO(memoryview(arrival.data)[claim.offset :])
    return open_data_set(archive.file_of(claim), claim.offset)
