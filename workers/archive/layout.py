"""Names in the directory of the archive; none of them comes from a peer."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = "archive"
INDEX = "index.sqlite"
ASSIGNMENTS = "assignments.jsonl"
"""The journal of studies that were assigned to another patient."""
CONFLICTS = "conflicts"
"""The directory of files that were set aside, in buckets of the same names."""
BUCKETS = ("[0-9]*/*", f"{CONFLICTS}/[0-9]*/*")

_DATE = re.compile(r"[0-9]{8}")
_BUCKET = re.compile(r"[0-9]{9}-[0-9]{1,4}")
_FILE = re.compile(r"[0-9]{8}-[0-9]{9}-[0-9]{1,4}-(?:[0-9a-f]{13})?[0-9a-f]{24}\.dcm")

_RECEIVED = re.compile(
    r"([0-9]{8})-([0-9]{6})([0-9]{3})-([0-9]{1,4})-([0-9a-f]{13})?[0-9a-f]{24}\.dcm$"
)
"""Date, time, milliseconds and acceptor of a bucket, and the time of receipt."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A directory of files."""

    name: str
    """Relative to the archive."""
    changed: int
    """Nanoseconds since 1970."""

    @property
    def is_aside(self) -> bool:
        return is_aside(self.name)


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a bucket."""

    files: dict[str, int]
    """Sizes by path relative to the archive: regular files with names of the archive."""
    foreign: tuple[str, ...]
    """Everything else: links, directories, other names. Never followed, never deleted."""


def is_aside(path: str) -> bool:
    """Return whether a path is among the files that were set aside."""
    return path.startswith(f"{CONFLICTS}/")


def is_archive_name(path: str) -> bool:
    """Return whether a path has the form of a file of the archive."""
    parts = path.split("/")
    if parts[0] == CONFLICTS:
        del parts[0]
    return (
        len(parts) == 3
        and all(p.fullmatch(x) for p, x in zip((_DATE, _BUCKET, _FILE), parts, strict=True))
        and parts[2].startswith(f"{parts[0]}-{parts[1]}-")
    )


def received(path: str, changed: int = 0) -> str:
    """Return the time of receipt of a file, as text that orders files.

    Names have it as 13 hexadecimal digits, microseconds since 1970. Names of earlier versions do
    not: then it is that of the bucket, followed by its acceptor and the time at which the file was
    changed, in nanoseconds since 1970. Empty for another path.
    """
    found = _RECEIVED.search(path)
    if found is None:
        return ""
    date, begun, rest, acceptor, digits = found.groups()
    if digits:
        return digits
    moment = datetime.strptime(f"{date}{begun}{rest}", "%Y%m%d%H%M%S%f").replace(tzinfo=UTC)
    since = (moment - _EPOCH) // timedelta(microseconds=1)
    return f"{since:013x}.{int(acceptor):04x}.{changed:016x}"


def buckets(root: Path) -> Iterator[Bucket]:
    """Yield every bucket."""
    for above in (root, root / CONFLICTS):
        for date in _folders(above, _DATE):
            for bucket in _folders(above / date, _BUCKET):
                path = above / date / bucket
                yield Bucket(str(path.relative_to(root)), path.stat().st_mtime_ns)


def strangers(root: Path) -> Iterator[str]:
    """Yield what is beside the buckets and not part of the archive."""
    names = f"tmp|{CONFLICTS}|{re.escape(ASSIGNMENTS)}"
    own = re.compile(rf"{re.escape(INDEX)}(\.new)?(-wal|-shm|\.lock|\.open)?|{names}")
    for above in (root, root / CONFLICTS):
        yield from _others(root, above, _DATE, own)
        for date in _folders(above, _DATE):
            yield from _others(root, above / date, _BUCKET, None)


def _others(
    root: Path, folder: Path, wanted: re.Pattern[str], own: re.Pattern[str] | None
) -> Iterator[str]:
    if not folder.is_dir():
        return
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        is_ours = wanted.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
        if not is_ours and not (own is not None and own.fullmatch(entry.name)):
            yield os.path.relpath(entry.path, root)


def _folders(above: Path, wanted: re.Pattern[str]) -> list[str]:
    try:
        with os.scandir(above) as entries:
            return sorted(
                e.name
                for e in entries
                if wanted.fullmatch(e.name) and e.is_dir(follow_symlinks=False)
            )
    except FileNotFoundError:
        return []


def content(root: Path, bucket: str) -> Content:
    """Return the content of a bucket; empty if it does not exist."""
    files: dict[str, int] = {}
    foreign = []
    try:
        entries = list(os.scandir(root / bucket))
    except FileNotFoundError:
        return Content({}, ())
    for entry in entries:
        path = f"{bucket}/{entry.name}"
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISREG(found.st_mode) and is_archive_name(path):
            files[path] = found.st_size
        else:
            foreign.append(path)
    return Content(files, tuple(sorted(foreign)))
