"""The records that go into the index and come out of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gateway.sdk import Unavailable, can_be_equal

if TYPE_CHECKING:
    from collections.abc import Mapping

Texts: TypeAlias = "Mapping[str, str | None]"
"""Cleaned values of elements by keyword."""

FILE = "transfer_syntax, path, start, size, digest, holder, received"
ENTRY = f"sop_instance_uid, sop_class_uid, {FILE}"
"""The columns of an `IndexEntry`; those of its file are in `FILE`."""


class IndexFailure(Unavailable):
    """A request to the index failed: it had no effect, or its whole effect (see `Index`)."""

    is_outage = False
    """Whether the database was out of reach, so that the same request may succeed later."""


class IndexEntry(NamedTuple):
    """A file: the instance that it contains, and where and what its data set is."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    path: str
    """Relative to the archive of its holder."""
    start: int
    """The offset of the data set in the file."""
    size: int
    """Bytes of the data set."""
    digest: bytes
    """Digest of the data set, which names its algorithm."""
    holder: str = ""
    """The AE title of the gateway that has the file."""
    received: str = ""
    """The time of receipt, which orders files (`layout.received`)."""

    def body(self, path: str) -> dict[str, str | int]:
        """Return the body of a notification about this file at `path`."""
        return {
            "sop_class_uid": self.sop_class_uid,
            "sop_instance_uid": self.sop_instance_uid,
            "transfer_syntax_uid": self.transfer_syntax_uid,
            "size": self.size,
            "digest": self.digest.hex(),
            "path": path,
        }

    def holds_the_same(self, other: IndexEntry) -> bool:
        """Return whether both have equal digests, and so most probably the same data set."""
        return (self.digest, self.size, self.transfer_syntax_uid) == (
            *(other.digest, other.size, other.transfer_syntax_uid),
        )

    def may_hold_the_same(self, other: IndexEntry) -> bool:
        """Return whether both may have the same bytes; those have to be compared."""
        return (self.size, self.transfer_syntax_uid) == (
            *(other.size, other.transfer_syntax_uid),
        ) and can_be_equal(self.digest, other.digest)


class AddOutcome(Enum):
    """The outcome of adding an entry."""

    ADDED = "added"
    SAME = "same"
    """Not added: the same content is in the index."""
    DIFFERENT = "different"
    """Not added: different content is in the index."""
    REPLACED = "replaced"
    """Added in place of different content."""
    MISMATCH = "mismatch"
    """Not added: the study is in the index under another Patient ID, and that is refused."""


class AddResult(NamedTuple):
    """The outcome, and the entry that was in the index before."""

    outcome: AddOutcome
    before: IndexEntry | None = None
    patients: tuple[str, ...] = ()
    """Patient IDs of the study, if the instance is the first one under its own and has others."""


NEWLY_ADDED = AddResult(AddOutcome.ADDED)
"""The result for most: added, under no other Patient ID."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A change of the index; `seq` increases with each."""

    seq: int
    kind: str
    """stored, replaced, removed, conflict, assigned to another patient, or a note about a study
    (`notes.py`)."""
    at: float
    """Seconds since 1970."""
    entry: IndexEntry
    study_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file in the index, and whether it was set aside."""

    entry: IndexEntry
    is_conflict: bool


@dataclass(frozen=True, slots=True)
class IncompleteInstance:
    """An instance without a Study or Series Instance UID."""

    entry: IndexEntry
    study_instance_uid: str
    series_instance_uid: str


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


@dataclass(frozen=True, slots=True)
class SharingGateway:
    """A gateway that shares the index."""

    holder: str
    identity: str
    """Of its data directory."""
    ae_title: str
    address: str
    """Where the others reach it; empty: not known yet."""
    port: int
    """0: not known yet."""
    tls: bool
    age: float = 0.0
    """Seconds since it was last alive, by the database's clock."""
