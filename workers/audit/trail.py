"""The files of the audit trail: one message a line, numbered files, mode 0600.

They are the queue for syslog as well: a sender reads behind a cursor, which is kept on disk, so
that nothing is lost over a restart. Their number and size bound the queue. If the oldest file goes
before it was sent, the messages that syslog misses are counted.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_FILE = re.compile(r"audit-([0-9]{8})\.log")
_CURSOR = "sent.json"
BATCH = 256 * 1024
"""Bytes that are read at once for the sender."""


class TrailCursor(NamedTuple):
    """A place between two messages."""

    file: int
    offset: int


class Trail:
    """The files in a directory; safe for several threads.

    `append` raises OSError, and then has not written the message.
    """

    def __init__(
        self, folder: Path, *, rotate_at: int, keep: int, durable: bool = True, sends: bool = False
    ) -> None:
        self.folder = folder
        self._rotate_at, self._keep, self._durable = rotate_at, keep, durable
        self._changed = threading.Condition()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        numbers = self._numbers()
        self._number = numbers[-1] if numbers else 1
        self._end = 0
        self._descriptor = self._open(self._number)
        self._is_dirty = False
        self.unsent = 0
        """Messages that were deleted before they were sent, and are not accounted for yet."""
        self._cursor = self._read_cursor(numbers) if sends else None

    @property
    def path(self) -> Path:
        """The file that is written at present."""
        return self._path(self._number)

    def append(self, line: str) -> None:
        """Write a message; it is on disk after the next `sync`."""
        data = f"{line}\n".encode()
        with self._changed:
            if self._end and self._end + len(data) > self._rotate_at:
                self._rotate()
            try:
                written = os.write(self._descriptor, data)
                if written < len(data):
                    raise OSError(28, os.strerror(28))
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, self._end)
                raise
            self._end += len(data)
            self._is_dirty = True
            self._changed.notify_all()

    def sync(self) -> None:
        """Bring what was written to disk; raises OSError."""
        with self._changed:
            if not self._is_dirty or not self._durable:
                return
            self._is_dirty = False
            descriptor = os.dup(self._descriptor)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Sync, and close the file."""
        try:
            self.sync()
        finally:
            os.close(self._descriptor)

    # for the sender

    def waiting(self, timeout: float = 0.0) -> bool:
        """Return whether something is to be sent, after waiting for it for some seconds."""
        with self._changed:
            return self._changed.wait_for(self._has_more, timeout)

    def next_lines(self) -> tuple[list[bytes], TrailCursor]:
        """Return some messages that are not sent yet, and the cursor behind them."""
        with self._changed:
            cursor = self._cursor
            assert cursor is not None
            is_last = cursor.file == self._number
        try:
            with self._path(cursor.file).open("rb") as file:
                file.seek(cursor.offset)
                data = file.read(BATCH)
                if data and not data.endswith(b"\n"):  # cut by BATCH
                    data += file.readline()
        except FileNotFoundError:
            data = b""
        if data:
            return data.splitlines(), TrailCursor(cursor.file, cursor.offset + len(data))
        return [], cursor if is_last else TrailCursor(cursor.file + 1, 0)

    def sent(self, cursor: TrailCursor) -> None:
        """Note how far the messages have been sent."""
        with self._changed:
            if self._cursor is None or cursor < self._cursor:
                return  # files were deleted in the meantime
            self._cursor = cursor
        descriptor, new = tempfile.mkstemp(dir=self.folder, prefix=".sent-")
        with os.fdopen(descriptor, "w") as file:
            json.dump(cursor, file)
        os.replace(new, self.folder / _CURSOR)

    def take_unsent(self) -> int:
        """Return how many messages were deleted before they were sent, since the last call."""
        with self._changed:
            unsent, self.unsent = self.unsent, 0
        return unsent

    # parts

    def _has_more(self) -> bool:
        return self._cursor is not None and self._cursor < (self._number, self._end)

    def _path(self, number: int) -> Path:
        return self.folder / f"audit-{number:08d}.log"

    def _numbers(self) -> list[int]:
        found = (_FILE.fullmatch(name) for name in os.listdir(self.folder))
        return sorted(int(one[1]) for one in found if one)

    def _open(self, number: int) -> int:
        """Open a file to go on with; the beginning of a message at its end is cut off."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self._path(number), flags, 0o600)
        self._end = _last_line_end(descriptor)
        os.ftruncate(descriptor, self._end)
        return descriptor

    def _rotate(self) -> None:
        number, end, before = self._number, self._end, self._descriptor
        try:
            descriptor = self._open(number + 1)
        except OSError:
            self._end = end
            raise
        if self._durable:
            os.fdatasync(before)
        os.close(before)
        self._number, self._descriptor = number + 1, descriptor
        for old in self._numbers()[: -self._keep]:
            self._delete(old)

    def _delete(self, number: int) -> None:
        path = self._path(number)
        if self._cursor is not None and self._cursor.file <= number:
            offset = self._cursor.offset if self._cursor.file == number else 0
            with suppress(OSError):
                self.unsent += path.read_bytes()[offset:].count(b"\n")
            self._cursor = TrailCursor(number + 1, 0)
        path.unlink(missing_ok=True)

    def _read_cursor(self, numbers: list[int]) -> TrailCursor:
        """Return how far was sent; without a note, what is written from now on is sent."""
        try:
            cursor = TrailCursor(*map(int, json.loads((self.folder / _CURSOR).read_text())))
        except (OSError, ValueError, TypeError):
            return TrailCursor(self._number, self._end)
        oldest = numbers[0] if numbers else self._number
        return max(min(cursor, TrailCursor(self._number, self._end)), TrailCursor(oldest, 0))


def _last_line_end(descriptor: int) -> int:
    """Return the offset behind the last line end of a file."""
    end = os.fstat(descriptor).st_size
    while end:
        begin = max(0, end - 65_536)
        found = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0
