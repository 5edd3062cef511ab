"""Compares what each SCU was told with what is on disk, after whatever happened in between.

The invariants (their numbers stand in every line of the report):

I1  every instance answered with success or a warning is on disk, whole and unchanged, and in the
    index
I2  nothing is in the index that is not on disk as the index has it
I3  nothing incomplete, and nothing that nobody sent, stands under a final name
I4  at most one final response a request, and no success where a fault forbids it
I6  no `.part` file, sealed spool file or quarantine is left, no process, no descriptor

The readers of stored files and of the index here share nothing with the gateway.
"""

from __future__ import annotations

import sqlite3
import struct
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.spool.digest import running_digest
from tests.peers.sender import Listener

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.peers.instances import Instance

_LONG = (b"OB", b"OW", b"UN", b"SQ", b"UT", b"OF", b"OD", b"OL", b"UC", b"UR")


def means_stored(status: int) -> bool:
    """Success, or a warning of the storage service (PS3.4 B.2.3): B000, B006, B007."""
    return status == 0x0000 or status >> 8 == 0xB0


def is_final(status: int) -> bool:
    return status not in (0xFF00, 0xFF01)


@dataclass(frozen=True)
class Stored:
    """One file under a final name."""

    path: Path
    sop_class: str
    uid: str
    transfer_syntax: str
    digest: str
    size: int


@dataclass(frozen=True)
class Row:
    """The entry of a file in the index."""

    uid: str
    path: str
    digest: str
    size: int


@dataclass
class Account:
    """The facts about one SOP instance."""

    sop_class: str
    transfer_syntax: str
    digests: set[str] = field(default_factory=set)
    sent: int = 0
    statuses: list[int] = field(default_factory=list)
    forbidden: str = ""
    """Why it must not succeed, if it must not."""

    @property
    def acknowledged(self) -> bool:
        return any(means_stored(status) for status in self.statuses)


@dataclass(frozen=True)
class Violation:
    invariant: str
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}  {self.subject}: {self.text}"


class Accountant(Listener):
    """Thread-safe: hand it to every sender as its listener, then `check` the disk."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.accounts: dict[str, Account] = {}

    def sending(self, instance: Instance) -> None:
        """To be called before the first byte of the C-STORE leaves."""
        self.sending_as(instance.uid, instance.sop_class, instance.transfer_syntax, instance.digest)

    def sending_as(self, uid: str, sop_class: str, transfer_syntax: str, digest: str) -> None:
        with self._lock:
            account = self.accounts.setdefault(uid, Account(sop_class, transfer_syntax))
            account.digests.add(digest)
            account.sent += 1

    def told(self, uid: str, status: int) -> None:
        with self._lock:
            self.accounts[uid].statuses.append(status)

    def must_fail(self, uid: str, why: str) -> None:
        """A fault stands on this instance's path: a success would be a lie."""
        self.accounts[uid].forbidden = why

    def violations(
        self, archive: Path, *, spool: Path | None = None, rows: list[Row] | None = None
    ) -> list[Violation]:
        """Return the broken invariants; `rows` is the index if it is not in the archive."""
        stored, bad = read_archive(archive)
        found = [*bad, *self._acknowledged_is_stored(stored), *self._stored_was_sent(stored)]
        found += self._answers()
        if rows is None and (archive / "index.sqlite").exists():
            rows = read_index(archive / "index.sqlite")
        if rows is not None:
            found += self._indexed(archive, stored, rows)
        if spool is not None:
            found += leftovers(spool)
        return sorted(found, key=str)

    def check(self, archive: Path, *, spool: Path | None = None) -> None:
        """Raise AssertionError with a line for every violation."""
        found = self.violations(archive, spool=spool)
        assert not found, report(found)

    def _acknowledged_is_stored(self, stored: list[Stored]) -> Iterator[Violation]:
        by_uid: dict[str, list[Stored]] = {}
        for one in stored:
            by_uid.setdefault(one.uid, []).append(one)
        for uid, account in self.accounts.items():
            copies = by_uid.get(uid, [])
            told = ", ".join(f"{status:04X}" for status in account.statuses)
            if account.acknowledged and not any(c.digest in account.digests for c in copies):
                what = "its data set differs" if copies else "it is not on disk"
                yield Violation("I1", uid, f"was answered {told}, but {what}")
            if len(copies) > account.sent:
                text = f"sent {account.sent} times, but {len(copies)} files hold it"
                yield Violation("I1", uid, text)

    def _stored_was_sent(self, stored: list[Stored]) -> Iterator[Violation]:
        for one in stored:
            account = self.accounts.get(one.uid)
            if account is None:
                yield Violation("I3", str(one.path), f"holds {one.uid}, which nobody sent")
            elif one.digest not in account.digests:
                text = f"{one.size} data set bytes of {one.uid} are not what was sent"
                yield Violation("I3", str(one.path), text)
            elif one.sop_class != account.sop_class:
                text = f"file meta says class {one.sop_class}, sent was {account.sop_class}"
                yield Violation("I3", str(one.path), text)
            elif one.transfer_syntax != account.transfer_syntax:
                text = f"file meta says {one.transfer_syntax}, sent in {account.transfer_syntax}"
                yield Violation("I3", str(one.path), text)

    def _indexed(self, archive: Path, stored: list[Stored], rows: list[Row]) -> Iterator[Violation]:
        """I2, and the second half of I1; what a storage worker without index keeps has none."""
        files = {str(one.path.relative_to(archive)): one for one in stored}
        for row in rows:
            file = files.get(row.path)
            if file is None:
                yield Violation("I2", row.uid, f"is in the index, but {row.path} is not on disk")
            elif (file.uid, file.digest, file.size) != (row.uid, row.digest, row.size):
                yield Violation("I2", row.uid, f"{row.path} is not what the index says of it")
        known = {(row.uid, row.digest) for row in rows}
        for uid, account in self.accounts.items():
            if account.acknowledged and not any((uid, d) in known for d in account.digests):
                yield Violation("I1", uid, "was acknowledged, but is not in the index")

    def _answers(self) -> Iterator[Violation]:
        for uid, account in self.accounts.items():
            final = [status for status in account.statuses if is_final(status)]
            if len(final) > account.sent:
                text = f"{account.sent} requests, but {len(final)} final responses"
                yield Violation("I4", uid, text)
            if account.forbidden and account.acknowledged:
                yield Violation("I4", uid, f"succeeded in spite of: {account.forbidden}")

    def duplicates(self, archive: Path) -> dict[str, int]:
        """Instances that more than one file holds, and how many do."""
        count = Counter(one.uid for one in read_archive(archive)[0])
        return {uid: n for uid, n in count.items() if n > 1}

    @property
    def acknowledged(self) -> set[str]:
        return {uid for uid, account in self.accounts.items() if account.acknowledged}


def report(violations: Iterable[Violation]) -> str:
    lines = [str(violation) for violation in violations]
    shown = lines[:40] + ([f"... and {len(lines) - 40} more"] if len(lines) > 40 else [])
    return "\n".join((f"{len(lines)} violations of the invariants", *shown))


def read_archive(archive: Path) -> tuple[list[Stored], list[Violation]]:
    """Return every file under a final name, and those that are not a whole Part 10 file."""
    stored, bad = [], []
    for path in sorted(archive.rglob("*.dcm")):
        try:
            stored.append(read_stored(path))
        except (ValueError, KeyError, struct.error) as error:
            bad.append(Violation("I3", str(path), f"is not a whole Part 10 file: {error}"))
    return stored, bad


def read_index(path: Path) -> list[Row]:
    """Every row of an instance, or of a file that was set aside."""
    rows = []
    connection = sqlite3.connect(path)
    try:
        for table in ("instance", "conflict"):
            found = connection.execute(f"SELECT sop_instance_uid, path, digest, size FROM {table}")
            rows += [Row(uid, name, digest.hex(), size) for uid, name, digest, size in found]
    finally:
        connection.close()
    return rows


def read_stored(path: Path) -> Stored:
    """Read the file meta information (PS3.10 7.1) and hash what follows it."""
    with path.open("rb") as file:
        head = file.read(144)
        if head[128:132] != b"DICM" or head[132:140] != b"\x02\x00\x00\x00UL\x04\x00":
            raise ValueError("no preamble, prefix and group length")
        (length,) = struct.unpack("<I", head[140:144])
        meta = file.read(length)
        if len(meta) != length:
            raise ValueError(f"file meta of {length} bytes is cut off at {len(meta)}")
        digest, size = running_digest(), 0
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    uids = _meta_elements(meta)
    values = (uids[tag].rstrip(b"\0 ").decode("ascii") for tag in (0x0002, 0x0003, 0x0010))
    return Stored(path, *values, digest.digest().hex(), size)


def _meta_elements(meta: bytes) -> dict[int, bytes]:
    out, at = {}, 0
    while at < len(meta):
        group, tag, vr = struct.unpack_from("<HH2s", meta, at)
        if group != 2:
            raise ValueError(f"element of group {group:04X} within the group length of 0002")
        if vr in _LONG:
            (size,), at = struct.unpack_from("<I", meta, at + 8), at + 12
        else:
            (size,), at = struct.unpack_from("<H", meta, at + 6), at + 8
        if at + size > len(meta):
            raise ValueError(f"(0002,{tag:04X}) of {size} bytes is longer than its group")
        out[tag] = meta[at : at + size]
        at += size
    return out


def leftovers(spool: Path) -> Iterator[Violation]:
    """Data that no longer belongs to any request in hand (I6)."""
    for path in sorted(spool.rglob("*")):
        if not path.is_file():
            continue
        if path.suffix == ".part":
            yield Violation("I6", str(path), "a data set that is not whole was left behind")
        elif "ready" in path.parts or "quarantine" in path.parts:
            yield Violation("I6", str(path), "a sealed data set was left behind")
