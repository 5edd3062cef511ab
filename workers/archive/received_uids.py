"""Instances by the UIDs that their peers know: a transform may have kept them under others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.archive import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.archive.index import Index, IndexEntry


def by_received_uid(index: Index, sop_instance_uids: Sequence[str]) -> dict[str, IndexEntry]:
    """Return the rows of instances by the UID under which they are kept or were received.

    A file that was set aside is not the instance. Raises IndexFailure.
    """
    found = index.find_all(sop_instance_uids)
    if missing := [uid for uid in sop_instance_uids if uid not in found]:
        for known in index.originals(missing):
            if known.entry is not None and not layout.is_aside(known.path):
                found.setdefault(known.original.sop_instance_uid, known.entry)
    return found
