"""An instance that arrives at the archive, and what becomes of it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from workers.archive.archive import Offer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.sdk import Claim
    from workers.archive.index import IndexEntry


class Taken(Enum):
    """The result for an arrival that was not refused."""

    STORED = "stored"
    SAME = "same"
    """The same content was stored before."""
    REPLACED = "replaced"
    SET_ASIDE = "set aside"
    REJECTED = "rejected"


class Arrival(NamedTuple):
    """An instance that arrived: its claim, and the fields of its request."""

    claim: Claim
    data: bytes | None
    """The whole Part 10 file if the claim has no path."""
    attempt: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


class Receipt(NamedTuple):
    """The result for an arrival, and where its file is."""

    taken: Taken
    entry: IndexEntry
    before: IndexEntry | None = None
    """The entry that was stored under the UID before."""


class Case:
    """An arrival on its way through the stages, until it has a result."""

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival
        self.result: Receipt | Exception | None = None
        self.entry: IndexEntry
        self.texts: Mapping[str, str]

    @property
    def offer(self) -> Offer:
        return Offer(self.arrival.claim, self.arrival.data, self.arrival.attempt)
