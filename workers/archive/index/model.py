"""What goes into the index and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from gateway.sdk import GatewayError


class IndexFailure(GatewayError):  # noqa: N818 - the failure of a request, told to its sender
    """The index could not do what it was asked: nothing has changed, or all of it (see `Index`)."""


class Entry(NamedTuple):
    """One file: which instance it holds, and what its bytes are."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    path: str
    """Below the archive's folder of its holder."""
    start: int
    """Where the data set begins in the file."""
    size: int
    """Bytes of the data set."""
    digest: bytes
    """BLAKE3 of the data set."""
    holder: str = ""
    """The AE title of the gateway that has it."""

    def body(self, path: str) -> dict[str, str | int]:
        """The body of a notification about this file, which is at `path`."""
        return {
            "sop_class_uid": self.sop_class_uid,
            "sop_instance_uid": self.sop_instance_uid,
            "transfer_syntax_uid": self.transfer_syntax_uid,
            "size": self.size,
            "digest": self.digest.hex(),
            "path": path,
        }

    def holds_the_same(self, other: Entry) -> bool:
        """The same data set in the same transfer syntax?"""
        return (self.digest, self.transfer_syntax_uid) == (other.digest, other.transfer_syntax_uid)


class Outcome(Enum):
    """What became of an entry that was to be added."""

    ADDED = "added"
    SAME = "same"
    """One that holds the same stands already."""
    DIFFERENT = "different"
    """One that holds something else stands, and goes on to."""
    REPLACED = "replaced"
    """One that held something else has made way."""


class Standing(NamedTuple):
    """The outcome, and the entry that stood there before."""

    outcome: Outcome
    before: Entry | None = None


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One thing that happened, in the order of `seq`, which only grows."""

    seq: int
    kind: str
    """stored, replaced, removed or conflict."""
    at: float
    """Seconds since 1970."""
    entry: Entry
    study_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that the index knows, and whether it is the instance or one set aside."""

    entry: Entry
    is_conflict: bool


@dataclass(frozen=True, slots=True)
class StudySummary:
    """A study with its counts."""

    study_instance_uid: str
    patient_id: str
    patient_name: str
    study_date: str
    modalities: str
    series: int
    instances: int
    size: int
