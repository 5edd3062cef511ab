"""Log records on standard error, one line each.

A text line is `TIME level process=NAME logger=NAME message`. With `format = "json"` a record is one
JSON object on a line. Control characters are escaped in both, so that text from a peer cannot forge
a line or control a terminal.

A message states what a program may want to find as `key=%s` in its template. In JSON each of these
keys is a field of its own beside the message, with the type of its value; deploy/README.md lists
them.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import traceback
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from gateway.log_handler import QueuedHandler, write_to_standard_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from gateway.metrics import Metrics
    from gateway.settings import LogSettings

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

# C0 and C1 controls, line and paragraph separators, bidirectional controls, lone surrogates
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_CONVERSION = re.compile(r"(?:\b(\w+)=(?:0x)?)?%[#0 +-]*\d*(?:\.\d+)?([a-zA-Z%])")
_PLAIN = (bool, int, float, type(None))
BASE_FIELDS = ("time", "level", "process", "pid", "logger", "message", "traceback")
"""What each JSON line has, traceback apart; a message's fields cannot replace them."""
_MARK = "    | "
"""The prefix of each line of a traceback, whose text may be a peer's and look like a record."""

_log = logging.getLogger("gateway")


def escape(text: str) -> str:
    r"""Return the text with every character that could control a terminal written as `\xNN`."""
    return _UNSAFE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


@dataclass(frozen=True, slots=True)
class AssociationName:
    """An association in a message: write `association=%s`, which names the peer as well."""

    id: str
    peer: str
    """ADDRESS:PORT of the other side."""
    calling: str
    called: str
    """AE titles; empty as long as nothing was requested."""

    def fields(self) -> dict[str, str]:
        """Return the fields of a JSON line."""
        named = {"association": self.id, "peer": self.peer}
        return named | {k: v for k in ("calling", "called") if (v := getattr(self, k))}

    def __str__(self) -> str:
        titles = f" calling={self.calling!r} called={self.called!r}" if self.calling else ""
        return f"{self.id} peer={self.peer}{titles}"


def setup(
    settings: LogSettings, process: str, write: Callable[[bytes], object] = write_to_standard_error
) -> None:
    """Log to standard error, each line with the name of the process.

    Uncaught exceptions of all threads are logged as well, with their traceback.
    """
    handler = QueuedHandler(write, repeats=settings.repeats)
    handler.setFormatter(_FORMATTERS[settings.format](process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(settings)
    # pydicom puts values of data sets into its messages and warnings.
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    warnings.showwarning = _warned
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def measure(metrics: Metrics, process: str) -> None:
    """Set the counters of the lines that this process has not written; for `before_told`."""
    handlers = [one for one in logging.getLogger().handlers if isinstance(one, QueuedHandler)]
    for name, text, number in (
        (
            "dropped",
            "Log lines that were lost because standard error was not read.",
            sum(one.dropped for one in handlers),
        ),
        (
            "suppressed",
            "Log lines that were left out because there were many of their kind.",
            sum(one.suppressed for one in handlers),
        ),
    ):
        counter = metrics.counter(f"dicom_gateway_log_lines_{name}_total", text, "process")
        counter.set(number, process)


def set_level(settings: LogSettings) -> None:
    """Log with another level from now on."""
    logging.getLogger().setLevel(settings.level.upper())


class _Text(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = escape(process)

    def format(self, record: logging.LogRecord) -> str:
        line = (
            f"{_time(record)} {record.levelname.lower()} process={self._process} "
            f"logger={record.name} {escape(record.getMessage())}"
        )
        trace = [f"{_MARK}{escape(text)}" for text in _traceback(record).splitlines()]
        return "\n".join([line, *trace])


class _Json(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "process": self._process,
            "pid": os.getpid(),
            "logger": record.name,
            "message": escape(record.getMessage()),
            **{k: v for k, v in _fields(record).items() if k not in BASE_FIELDS},
        }
        if trace := _traceback(record):
            line["traceback"] = trace
        return json.dumps(line)


@lru_cache(1024)
def _keys(template: str) -> tuple[str, ...]:
    """Return the key of each conversion of a message; empty for one that is not `key=%s`."""
    return tuple(one[1] or "" for one in _CONVERSION.finditer(template) if one[2] != "%")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if isinstance(record.args, tuple):
        for key, value in zip(_keys(str(record.msg)), record.args, strict=False):
            if key and isinstance(value, AssociationName):
                fields |= {name: escape(text) for name, text in value.fields().items()}
            elif key:
                fields[key] = value if isinstance(value, _PLAIN) else escape(str(value))
    return fields


_FORMATTERS: dict[str, type[_Text | _Json]] = {"text": _Text, "json": _Json}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _traceback(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    trace = traceback.TracebackException.from_exception(record.exc_info[1])
    _without_values(trace)
    return "".join(trace.format()).rstrip()


def _without_values(trace: traceback.TracebackException) -> None:
    """Remove the messages of exceptions that pydicom raised: they may show a patient's data."""
    if trace.stack and _is_pydicom(trace.stack[-1].filename):
        trace._str = "the message is not logged, because it may have values of the data set"  # type: ignore[attr-defined]
    for other in (trace.__cause__, trace.__context__, *(trace.exceptions or ())):
        if other is not None:
            _without_values(other)


def _is_pydicom(path: str) -> bool:
    return "pydicom" in PurePath(path).parts


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    if not _is_pydicom(filename):
        _log.warning("%s:%d: %s: %s", filename, lineno, category.__name__, message)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _log.critical("stopped by an unexpected error", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or issubclass(args.exc_type, SystemExit):
        return
    _log.critical(
        "thread=%s stopped by an unexpected error",
        args.thread.name if args.thread else "?",
        exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
    )
