"""Lines of the journal that are about a study, not about a file.

Kinds: `complete`, `step_in_progress`, `step_completed`, `step_discontinued`; `sent` (instances went
to the destination in `path`), `exported` (to the place in `path`), `dropped` (one that was set
aside was deleted).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from workers.archive.index.insertion import NOTE
from workers.archive.index.records import IndexEntry

if TYPE_CHECKING:
    from workers.archive.index.grouping import Execute

COMPLETE, SENT, EXPORTED, DROPPED = "complete", "sent", "exported", "dropped"
ARRIVED = ("stored", "replaced")
"""The kinds of lines about an instance that has arrived."""


class StudyNote(NamedTuple):
    """What is noted about a study, or about a series of it."""

    kind: str
    study_instance_uid: str
    series_instance_uid: str = ""
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    """Of what the study is noted for: a performed procedure step."""
    reason: str = ""
    """In the column `path`, which is free where there is no file."""
    holder: str = ""
    """The gateway that notes it."""
    number: int = 0
    """The instances of the SOP class that it is about, in the column `size`."""


def add_note(execute: Execute, note: StudyNote) -> None:
    """Add the line."""
    uid, sop_class, holder = note.sop_instance_uid, note.sop_class_uid, note.holder
    entry = IndexEntry(uid, sop_class, "", note.reason, 0, note.number, b"", holder)
    uids = note.study_instance_uid, note.series_instance_uid
    execute(NOTE, (*entry, note.kind, time.time(), *uids))


def add_completion(execute: Execute, note: StudyNote, after: int) -> bool:
    """Add the line that a study or series is complete; return whether it was added.

    It is not if after number `after` of the journal there is such a line, or something arrived.
    """
    of_series = "AND series_instance_uid = ?" if note.series_instance_uid else ""
    marks = ", ".join("?" * len(ARRIVED))
    known = execute(
        "SELECT 1 FROM journal WHERE seq > ? AND study_instance_uid = ? AND ("
        f"(kind = ? AND series_instance_uid = ?) OR (kind IN ({marks}) {of_series})) LIMIT 1",
        (
            *(after, note.study_instance_uid, COMPLETE, note.series_instance_uid, *ARRIVED),
            *((note.series_instance_uid,) if note.series_instance_uid else ()),
        ),
    ).fetchone()
    if known is None:
        add_note(execute, note)
    return known is None
