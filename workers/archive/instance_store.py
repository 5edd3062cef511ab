"""The interface of where instances are kept: files in a directory, or objects in a store.

`Archive` and `ObjectArchive` implement it. A name is the path in a row of the index, and says which
of the two it is (`layout.is_object`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from gateway.sdk import Claim
    from workers.archive.batch_writer import Offer, Refusal


class InstanceStore(Protocol):
    """What the intake, the duplicates policy and the recovery need of it.

    Methods raise OSError, and GatewayError if a store is out of reach.
    """

    root: Path
    """The directory of the archive."""
    notes_buckets: bool
    """Whether each bucket is noted in the index before something is put there, so that what was
    left without a row is found by it; and whether `keep` may return other names than `place`."""

    @property
    def is_alone(self) -> bool:
        """Whether no other process adds instances."""

    @property
    def swept(self) -> int:
        """The number of unfinished files of dead processes that were deleted at the start."""

    @property
    def unfinished(self) -> Path:
        """The directory of this process for files that are not complete yet."""

    def exists(self, name: str) -> bool:
        """Return whether there is something of this name, of any size."""

    def place(self, claim: Claim, *, aside: bool = False) -> str:
        """Return the name for a claim; raises SpoolError for an invalid token."""

    def path(self, name: str) -> str:
        """Return the absolute path of a file, or the URL of an object."""

    def file_of(self, claim: Claim) -> str:
        """Return the file with the data set of a claim, which may be stored already."""

    def readable(self, name: str) -> AbstractContextManager[str]:
        """The path of a file with the content of what has this name, while it is open."""

    def keep(self, offers: Sequence[Offer], *, aside: bool = False) -> list[str | Refusal]:
        """Store instances; return their names when all are durable, or why one is not stored."""

    def set_aside(self, name: str) -> str:
        """Move what has this name to the conflicts, durably; return its new name."""

    def discard(self, name: str) -> None:
        """Delete what has this name, if it exists. The deletion need not be durable."""

    def settle(self, bucket: str) -> None:
        """Make a bucket durable whose files were found after a restart."""

    def holds(self, name: str, size: int) -> bool:
        """Return whether there is something of this name and size."""

    def close(self) -> None:
        """Stop the threads, and delete what is unfinished."""
