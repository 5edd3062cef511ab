"""Recordings of associations: the file, written and read.

A recording is a text file of JSON objects, one a line. The first is the header::

    {"format": "dicom-gateway recording", "version": 1, "began": 1764331200.0, "redacted": false}

and each further one has a time `t` in seconds since then, and what it `is`:

- `open`: connection `n` was opened, from `requestor` to `acceptor` (`HOST:PORT`);
- `pdu`: `from` (`requestor` or `acceptor`) sent `data` on it, in base64: one PDU, header included,
  or bytes that are none. `length` is there if the PDU was longer than what was kept of it;
- `end`: `from` closed its direction;
- `full`: the size limit was reached, and nothing further is recorded.

If a line cannot be written, as on a full disk, the file ends with the line before, and nothing
further is recorded; what is being recorded must not suffer from it.
"""

from __future__ import annotations

import base64
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

FORMAT, VERSION = "dicom-gateway recording", 1
REQUESTOR, ACCEPTOR = "requestor", "acceptor"
LONGEST_LINE = 32 << 20
"""Bytes; the longest PDU that is recorded as one has half of that."""
LONGEST_PDU = 16 << 20
"""Bytes of a PDU that is recorded as one."""
_LONGEST_TIME = 2**31 - 1
_TEXTS = {"open": (REQUESTOR, ACCEPTOR), "pdu": ("from", "data"), "end": ("from",), "full": ()}
"""The members of each kind of line that are texts."""


class RecordingError(GatewayError):
    """A file that is not a recording; the text says where, and what is wrong."""


@dataclass(frozen=True, slots=True)
class RecordedPart:
    """What one side did: it sent a PDU, or closed its direction."""

    at: float
    """Seconds since the recording began."""
    sender: str
    """`requestor` or `acceptor`."""
    data: bytes | None
    """The bytes; None: it closed its direction."""
    is_cut: bool = False
    """Whether only the beginning was kept; the rest of `data` is zeros."""


@dataclass(slots=True)
class RecordedConnection:
    """One connection with all that was sent on it."""

    number: int
    opened: float
    requestor: str = ""
    acceptor: str = ""
    parts: list[RecordedPart] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Recording:
    """The content of a file."""

    began: float
    """Seconds since 1970."""
    is_redacted: bool
    connections: list[RecordedConnection]
    is_full: bool = False
    """Whether the size limit was reached."""


class RecordingWriter:
    """Writes a recording; `most` bounds the bytes of the file."""

    def __init__(
        self,
        file: IO[bytes],
        most: int,
        *,
        is_redacted: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._left = most
        self._clock = clock
        self._began = clock()
        self.is_full = False
        self.failure = ""
        """Why nothing further is written, other than the limit; empty: it is."""
        self._size = 0
        self._write(
            {"format": FORMAT, "version": VERSION, "began": self._began, "redacted": is_redacted}
        )

    def open(self, number: int, requestor: str, acceptor: str, at: float | None = None) -> None:
        """Note a new connection."""
        self._line("open", at, n=number, requestor=requestor, acceptor=acceptor)

    def pdu(
        self, number: int, sender: str, data: bytes, length: int = 0, at: float | None = None
    ) -> None:
        """Note a PDU; `length` if it was longer than `data`."""
        more = {"length": length} if length > len(data) else {}
        text = base64.b64encode(data).decode()
        self._line("pdu", at, n=number, **{"from": sender}, data=text, **more)

    def end(self, number: int, sender: str, at: float | None = None) -> None:
        """Note that one side closed its direction."""
        self._line("end", at, n=number, **{"from": sender})

    def _line(self, kind: str, at: float | None, **values: Any) -> None:
        if self.is_full or self.failure:
            return
        when = (self._clock() if at is None else at) - self._began
        self._write({"t": round(when, 6), "is": kind, **values})

    def _write(self, values: dict[str, Any]) -> None:
        line = json.dumps(values, separators=(",", ":")).encode() + b"\n"
        if len(line) > self._left:
            self.is_full = True
            line = json.dumps({"t": values.get("t", 0.0), "is": "full"}).encode() + b"\n"
        self._left -= len(line)
        try:
            self._append(line)
        except OSError as error:
            self.failure = error.strerror or str(error)
            with suppress(OSError):
                self._file.truncate(self._size)

    def _append(self, line: bytes) -> None:
        left = memoryview(line)
        while left:
            left = left[self._file.write(left) :]
        self._file.flush()
        self._size += len(line)


def create(path: Path, *, buffered: bool = True) -> IO[bytes]:
    """Create the file of a recording, for its owner only; raises RecordingError if it exists."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RecordingError(f"{path} cannot be created: {error.strerror}") from None
    return os.fdopen(fd, "wb", buffering=-1 if buffered else 0)


def read(path: Path) -> Recording:
    """Return the content of a file; raises RecordingError."""
    try:
        with path.open("rb") as file:
            lines = _lines(file, path)
            began, is_redacted = _header(next(lines, None), path)
            return _content(lines, path, began, is_redacted)
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from None


def _lines(file: IO[bytes], path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise RecordingError(f"{path}:{number}: a line of more than {LONGEST_LINE} bytes")
        if not line.endswith(b"\n"):
            raise RecordingError(f"{path}:{number}: the file ends within a line")
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            raise RecordingError(f"{path}:{number}: not JSON") from None
        if not isinstance(values, dict):
            raise RecordingError(f"{path}:{number}: not a JSON object")
        yield number, values


def _header(first: tuple[int, dict[str, Any]] | None, path: Path) -> tuple[float, bool]:
    values = first[1] if first is not None else {}
    if values.get("format") != FORMAT:
        raise RecordingError(f"{path} is not a recording of dicom-gateway: it has no header")
    if values.get("version") != VERSION:
        raise RecordingError(
            f"{path} has version {values.get('version')!r}; this program reads version {VERSION}"
        )
    return _number(values.get("began"), 0.0, f"{path}:1: began"), bool(values.get("redacted"))


def _content(
    lines: Iterator[tuple[int, dict[str, Any]]], path: Path, began: float, is_redacted: bool
) -> Recording:
    connections: dict[int, RecordedConnection] = {}
    is_full = False
    for number, values in lines:
        where = f"{path}:{number}"
        kind, at = values.get("is"), _number(values.get("t"), -began, f"{where}: t")
        if not isinstance(kind, str) or kind not in _TEXTS:
            raise RecordingError(f"{where}: is = {kind!r}: it must be {', '.join(_TEXTS)}")
        for name in _TEXTS[kind]:
            if not isinstance(values.get(name), str):
                raise RecordingError(f"{where}: {name} is missing")
        if kind == "full":
            is_full = True
        else:
            _take(connections, values, at, where)
    return Recording(began, is_redacted, list(connections.values()), is_full)


def _take(
    connections: dict[int, RecordedConnection], values: dict[str, Any], at: float, where: str
) -> None:
    number = _count(values, "n", where)
    known = connections.get(number)
    if values["is"] == "open":
        if known is not None:
            raise RecordingError(f"{where}: connection {number} is open already")
        one = RecordedConnection(number, at, values[REQUESTOR], values[ACCEPTOR])
        connections[number] = one
    elif known is None:
        raise RecordingError(f"{where}: connection {number} was not opened")
    else:
        known.parts.append(_part(values, at, where))


def _part(values: dict[str, Any], at: float, where: str) -> RecordedPart:
    sender = values["from"]
    if sender not in (REQUESTOR, ACCEPTOR):
        raise RecordingError(f"{where}: from = {sender!r}: it must be {REQUESTOR} or {ACCEPTOR}")
    if values["is"] == "end":
        return RecordedPart(at, sender, None)
    try:
        data = base64.b64decode(values["data"], validate=True)
    except ValueError:
        raise RecordingError(f"{where}: data is not base64") from None
    if "length" not in values:
        return RecordedPart(at, sender, data)
    length = _count(values, "length", where)
    if not len(data) <= length <= LONGEST_PDU:
        raise RecordingError(f"{where}: length = {length} with {len(data)} bytes of data")
    return RecordedPart(at, sender, data.ljust(length, b"\0"), is_cut=length > len(data))


def _count(values: dict[str, Any], name: str, where: str) -> int:
    value = values.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise RecordingError(f"{where}: {name} = {value!r}: it must be a whole number")
    return value


def _number(value: Any, least: float, what: str) -> float:
    """Return a time in seconds; that of a packet has 32 bits in a pcap file."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= _LONGEST_TIME:
        raise RecordingError(f"{what} = {value!r}: it must be a number of seconds")
    return float(value)
