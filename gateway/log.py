"""Log records on standard error, one line each.

A text line is `TIME level process=NAME logger=NAME message`; messages consist of `key=value` words.
With `format = "json"` a record is one JSON object on a line. Control characters are escaped in
both, so that text from a peer cannot forge a line or control a terminal.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from types import TracebackType

    from gateway.settings import LogSettings

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

# C0 and C1 controls, line and paragraph separators, bidirectional controls, lone surrogates
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_MARK = "    | "
"""The prefix of each line of a traceback, whose text may be a peer's and look like a record."""

_log = logging.getLogger("gateway")


def escape(text: str) -> str:
    r"""Return the text with every character that could control a terminal written as `\xNN`."""
    return _UNSAFE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def setup(settings: LogSettings, process: str, stream: TextIO | None = None) -> None:
    """Log to standard error, each line with the name of the process.

    Uncaught exceptions of all threads are logged as well, with their traceback.
    """
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(_FORMATTERS[settings.format](process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Ignore a log that cannot be written, as after a closed pipe; report a bad message."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


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
        }
        if trace := _traceback(record):
            line["traceback"] = trace
        return json.dumps(line)


_FORMATTERS: dict[str, type[_Text | _Json]] = {"text": _Text, "json": _Json}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _traceback(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    return "".join(traceback.format_exception(record.exc_info[1])).rstrip()


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
