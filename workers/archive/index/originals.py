"""What instances were when they were received, before a transform made what is kept of them.

A row names what was received by its UID and digest, and the file that is kept in its place. It is
written before the file has its final name, so one whose file does not exist says nothing. So the
same instance is known when it arrives again, and can be asked about by the UID that its peer knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.archive.index.records import ENTRY
from workers.archive.index.updates import entry_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workers.archive.index.grouping import Execute
    from workers.archive.index.records import IndexEntry
    from workers.archive.index.search import Dialect

_COLUMNS = "sop_instance_uid, sop_class_uid, transfer_syntax, size, digest"
_WRITE = (
    f"INSERT INTO original ({_COLUMNS}, holder, path) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (sop_instance_uid, digest) DO UPDATE SET sop_class_uid = excluded.sop_class_uid, "
    "transfer_syntax = excluded.transfer_syntax, size = excluded.size, "
    "holder = excluded.holder, path = excluded.path"
)


class Original(NamedTuple):
    """A data set as it was received."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    size: int
    digest: bytes


class KeptOriginal(NamedTuple):
    """What is kept in the place of a data set."""

    original: Original
    holder: str
    path: str
    entry: IndexEntry | None
    """The row of the file, an instance or one that was set aside; None: there is none (yet)."""


def write_originals(
    execute: Execute, originals: Iterable[tuple[Original, tuple[str, str]]]
) -> None:
    """Note what was received, and the holder and path of what is kept in its place."""
    for original, kept in originals:
        execute(_WRITE, (*original, *kept))


def find_originals(
    execute: Execute, dialect: Dialect, sop_instance_uids: Sequence[str]
) -> list[KeptOriginal]:
    """Return what is known of instances that were received under these UIDs."""
    if not sop_instance_uids:
        return []
    condition, values = dialect.among("sop_instance_uid", sop_instance_uids)
    rows = execute(
        f"SELECT {_COLUMNS}, holder, path FROM original WHERE {condition}", values
    ).fetchall()
    if not rows:
        return []
    condition, values = dialect.among("path", sorted({row[-1] for row in rows}))
    kept: dict[tuple[str, str], IndexEntry] = {}
    for table in ("conflict", "instance"):
        found = execute(f"SELECT {ENTRY} FROM {table} WHERE {condition}", values).fetchall()
        kept |= {(one.holder, one.path): one for one in map(entry_of, found)}
    return [
        KeptOriginal(
            Original(uid, sop_class, syntax, int(size), bytes(digest)),
            *(holder, path, kept.get((holder, path))),
        )
        for uid, sop_class, syntax, size, digest, holder, path in rows
    ]
