"""The journal of studies that were assigned to another patient: `assignments.jsonl`.

It lies beside the files, because the index must follow from the archive alone: a reindex reads it,
and so does a start. Each line is an object with the Study Instance UID, the time in seconds since
1970, and the patient attributes by keyword, or null if the assignment was taken back. The last line
about a study counts. The files are not changed.
"""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, NamedTuple

from workers.archive.file_system import sync_folder
from workers.archive.layout import ASSIGNMENTS

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("workers.archive")


class Assignment(NamedTuple):
    """A study, and the patient attributes that count instead of those in its instances."""

    study_instance_uid: str
    patient: dict[str, str] | None
    """By keyword; None: the assignment is taken back."""
    at: float
    """Seconds since 1970."""


def append_assignment(root: Path, assignment: Assignment) -> None:
    """Add a line to the journal of the archive `root`, durably; raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(root / ASSIGNMENTS, flags, 0o600)
    try:
        # The line feed in front ends a line that a crash has left unfinished.
        os.write(fd, b"\n" + json.dumps(assignment._asdict()).encode() + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)
    sync_folder(root)


def read_assignments(root: Path) -> list[Assignment]:
    """Return the last assignment of each study.

    A line that a crash has left unfinished never took effect; it is named in the log.
    """
    try:
        text = (root / ASSIGNMENTS).read_text("utf-8", "replace")
    except FileNotFoundError:
        return []
    found: dict[str, Assignment] = {}
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if line:
                one = Assignment(**json.loads(line))
                found[one.study_instance_uid] = one
        except (ValueError, TypeError):
            log.error("archive path=%s line=%d is damaged", ASSIGNMENTS, number)  # noqa: TRY400
    return list(found.values())
