"""One record is one line with its process's name, and a peer's text cannot make another."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from gateway import log
from gateway.settings import LogSettings
from tests.patience import WALL

Setup = Callable[..., io.StringIO]


@pytest.fixture
def setup() -> Iterator[Setup]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook)

    def to_memory(**settings: str) -> io.StringIO:
        stream = io.StringIO()
        log.setup(LogSettings(**settings), "acceptor-1", stream)
        return stream

    yield to_memory
    root.handlers[:], level, sys.excepthook, threading.excepthook = before
    root.setLevel(level)


def test_a_text_line(setup: Setup) -> None:
    stream = setup()
    logging.getLogger("gateway.acceptor").info("association=%s accepted", "ab12")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info process=acceptor-1 "
        r"logger=gateway.acceptor association=ab12 accepted\n",
        stream.getvalue(),
    )


def test_a_json_line(setup: Setup) -> None:
    stream = setup(format="json")
    logging.getLogger("gateway.spool").warning("free=%d", 7)
    line = json.loads(stream.getvalue())
    assert line["level"] == "warning"
    assert line["process"] == "acceptor-1"
    assert line["logger"] == "gateway.spool"
    assert line["message"] == "free=7"
    assert isinstance(line["pid"], int)


def test_the_level_is_a_threshold(setup: Setup) -> None:
    stream = setup(level="warning")
    logging.getLogger("gateway.x").info("no")
    logging.getLogger("gateway.x").error("yes")
    assert stream.getvalue().count("\n") == 1


HOSTILE = "A\n2026-01-01 info forged\r\x1b[2J\x00\x7f\x9b\u2028\u202e\ud800"
SAFE = r"A\x0a2026-01-01 info forged\x0d\x1b[2J\x00\x7f\x9b\u2028\u202e\ud800"


@pytest.mark.parametrize("format_", log.FORMATS)
def test_peer_text_is_one_line(setup: Setup, format_: str) -> None:
    stream = setup(format=format_)
    logging.getLogger("gateway.x").info("peer=%s", HOSTILE)
    line = stream.getvalue()
    assert line.count("\n") == 1
    message = json.loads(line)["message"] if format_ == "json" else line.rstrip("\n")
    assert message.endswith(f"peer={SAFE}")


def test_ordinary_text_is_left_alone() -> None:
    assert log.escape("Müller^Jürgen 山田 \\x41") == "Müller^Jürgen 山田 \\x41"


def test_a_traceback_cannot_forge_a_line(setup: Setup) -> None:
    stream = setup()
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("gateway.x").exception("failed")
    first, *rest = stream.getvalue().rstrip("\n").split("\n")
    assert first.endswith("failed")
    assert rest
    assert all(line.startswith("    | ") for line in rest)
    assert "\x1b" not in stream.getvalue()


def test_a_traceback_in_json(setup: Setup) -> None:
    stream = setup(format="json")
    try:
        raise ValueError("seven")
    except ValueError:
        logging.getLogger("gateway.x").exception("failed")
    assert "ValueError: seven" in json.loads(stream.getvalue())["traceback"]


def test_what_nobody_catches_is_logged(setup: Setup) -> None:
    stream = setup()
    error = RuntimeError("lost")
    sys.excepthook(RuntimeError, error, None)
    assert " critical " in stream.getvalue()
    assert "RuntimeError: lost" in stream.getvalue()


def test_a_thread_that_dies_is_logged(setup: Setup) -> None:
    stream = setup()

    def die() -> None:
        raise RuntimeError("in a thread")

    thread = threading.Thread(target=die, name="fabric")
    thread.start()
    thread.join(WALL)
    assert "thread=fabric" in stream.getvalue()
    assert "RuntimeError: in a thread" in stream.getvalue()


def test_ctrl_c_is_no_error(setup: Setup) -> None:
    stream = setup()
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert stream.getvalue() == ""


def test_a_stream_that_nobody_reads_is_no_error(
    setup: Setup, capsys: pytest.CaptureFixture[str]
) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    log.setup(LogSettings(), "x", Gone())
    logging.getLogger("gateway.x").info("nobody hears this")
    assert capsys.readouterr().err == ""
