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
OBJECTS = "objects"
"""What the paths of objects in a store begin with, before the part that names their gateway."""
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


def is_archive_name(path: str) -> bool:
    """Return whether a path has the form of a file of the archive."""
    parts = path.split("/")
    if parts[0] == OBJECTS:
        del parts[:2]
    if parts and parts[0] == CONFLICTS:
        del parts[0]
    return (
        len(parts) == 3
        and all(p.fullmatch(x) for p, x in zip((_DATE, _BUCKET, _FILE), parts, strict=True))
        and parts[2].startswith(f"{parts[0]}-{parts[1]}-")
    )


def is_object(path: str) -> bool:
    """Return whether a path of the index is that of an object in a store, not of a file."""
    return path.startswith(f"{OBJECTS}/")


def object_path(holder: str, name: str) -> str:
    """Return the path of an object, whose name is that of a file of the archive."""
    return f"{OBJECTS}/{holder}/{name}"


def name_of_object(path: str) -> str:
    """Return the name that a file with the content of an object has."""
    return path.split("/", 2)[2]


def key_of_object(prefix: str, path: str) -> str:
    """Return the key of an object: PREFIX/HOLDER/DATE/BUCKET/TOKEN.dcm."""
    key = path.removeprefix(f"{OBJECTS}/")
    return f"{prefix}/{key}" if prefix else key


def path_of_object(prefix: str, key: str) -> str:
    """Return the path of the object with a key."""
    return f"{OBJECTS}/{key.removeprefix(f'{prefix}/') if prefix else key}"


def aside(path: str) -> str:
    """Return the path under which a file, object or bucket is set aside."""
    if is_object(path):
        holder = path.split("/", 2)[1]
        return object_path(holder, f"{CONFLICTS}/{name_of_object(path)}")
    return f"{CONFLICTS}/{path}"


def not_aside(path: str) -> str:
    """Return the path of what was set aside, if it becomes the instance."""
    if is_object(path):
        holder = path.split("/", 2)[1]
        return object_path(holder, name_of_object(path).removeprefix(f"{CONFLICTS}/"))
    return path.removeprefix(f"{CONFLICTS}/")


def is_aside(path: str) -> bool:
    """Return whether a path is that of something that was set aside."""
    return not_aside(path) != path


def begun(bucket: str) -> float:
    """Return when a bucket was begun, by its name, in seconds since 1970; 0 for another path."""
    date, _, time = bucket.rpartition("/")
    found = re.fullmatch(r"(\d{8})/(\d{6})(\d{3})-\d{1,4}", f"{date[-8:]}/{time}")
    if found is None:
        return 0.0
    return datetime.strptime("".join(found.groups()) + "+0000", "%Y%m%d%H%M%S%f%z").timestamp()


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
