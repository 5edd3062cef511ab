"""One record is one line with its process's name, and a peer's text cannot make another."""

from __future__ import annotations

import json
import logging
import re
import select
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import uid
from pydicom.config import RAISE

from gateway import log, log_handler
from gateway.metrics import Metrics
from gateway.settings import LogSettings
from tests.clock import Clock
from tests.patience import WALL


def handler_of_setup() -> log_handler.QueuedHandler:
    handlers = logging.getLogger().handlers
    return next(one for one in handlers if isinstance(one, log_handler.QueuedHandler))


class Written:
    """What was logged, once it is written."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> None:
        self._data += data

    def getvalue(self) -> str:
        handler_of_setup().flush()
        return self._data.decode()


Setup = Callable[..., Written]


@pytest.fixture
def setup() -> Iterator[Setup]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook)
    showing, pydicom = warnings.showwarning, logging.getLogger("pydicom").level

    def to_memory(**settings: object) -> Written:
        written = Written()
        log.setup(LogSettings(**settings), "acceptor-1", written.write)  # type: ignore[arg-type]
        return written

    yield to_memory
    root.handlers[:], level, sys.excepthook, threading.excepthook = before
    root.setLevel(level)
    warnings.showwarning = showing
    logging.getLogger("pydicom").setLevel(pydicom)


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
    tried = threading.Event()

    def write(data: bytes) -> None:
        tried.set()
        raise BrokenPipeError

    setup()
    log.setup(LogSettings(), "x", write)
    logging.getLogger("gateway.x").info("nobody hears this")
    assert tried.wait(WALL)
    assert capsys.readouterr().err == ""


# fields


def fields_of(written: Written) -> dict[str, object]:
    line = json.loads(written.getvalue())
    return {key: value for key, value in line.items() if key not in log.BASE_FIELDS}


@pytest.mark.parametrize(
    ("template", "args", "fields"),
    [
        ("child=%s ended: %s; again in %.1f s", ("storage-0", "exit", 0.5), {"child": "storage-0"}),
        ("free=%d path=%s", (7, "/a b"), {"free": 7, "path": "/a b"}),
        ("worker=%r 100%% seconds=%.3f", ("w", 1.2), {"worker": "w", "seconds": 1.2}),
        ("status=0x%04X", (0xA700,), {"status": 0xA700}),
        ("error=%s", (ValueError("a\nb"),), {"error": "a\\x0ab"}),
        ("level=%s message=%s", ("x", "y"), {}),
        ("nothing", (), {}),
    ],
)
def test_keys_of_a_message_are_fields_in_json(setup: Setup, template, args, fields) -> None:
    written = setup(format="json")
    logging.getLogger("gateway.x").warning(template, *args)
    assert fields_of(written) == fields


NAME = log.AssociationName("ab12", "192.0.2.7:1040", "CT 1", "ARCHIVE called=X")


def test_an_association_is_named_with_its_peer(setup: Setup) -> None:
    written = setup()
    logging.getLogger("gateway.x").warning("association=%s refused", NAME)
    assert written.getvalue().endswith(
        "association=ab12 peer=192.0.2.7:1040 calling='CT 1' called='ARCHIVE called=X' refused\n"
    )


def test_an_association_has_its_peer_in_fields(setup: Setup) -> None:
    written = setup(format="json")
    logging.getLogger("gateway.x").warning("association=%s refused", NAME)
    assert fields_of(written) == {
        "association": "ab12",
        "peer": "192.0.2.7:1040",
        "calling": "CT 1",
        "called": "ARCHIVE called=X",
    }


_LOGGED = re.compile(r'\b_?(?:log\w*\.\w+|_record)\(\s*(?:[\w.\[\]]+,\s*)?((?:\s*"[^"]*")+)')


def test_each_key_of_a_message_is_documented() -> None:
    section = Path("deploy/README.md").read_text().partition("\n## The log\n")[2]
    documented = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    logged = {"peer", "calling", "called", *log.BASE_FIELDS}
    for path in (*Path("gateway").rglob("*.py"), *Path("workers").rglob("*.py")):
        for call in _LOGGED.findall(path.read_text()):
            logged |= {key for key in re.findall(r"\b(\w+)=(?:0x)?%", call) if key != "s"}
    assert set(documented) == logged


# values of data sets


def test_what_pydicom_says_of_a_value_is_not_logged(setup: Setup) -> None:
    written, value = setup(), "ZORBLAX"
    try:
        try:
            uid.UID(value, validation_mode=RAISE)
        except ValueError as error:
            raise RuntimeError("ours") from error
    except RuntimeError:
        logging.getLogger("gateway.x").exception("failed")
    logging.getLogger("pydicom").error("ZORBLAX")
    text = written.getvalue()
    assert "ZORBLAX" not in text
    assert "ValueError: the message is not logged" in text
    assert "RuntimeError: ours" in text


def test_a_warning_is_one_line_unless_it_is_from_pydicom(setup: Setup) -> None:
    written = setup()
    warnings.showwarning("old\nname", DeprecationWarning, "worker.py", 3)
    warnings.showwarning("ZORBLAX", UserWarning, "/lib/pydicom/valuerep.py", 440)
    assert written.getvalue().endswith("worker.py:3: DeprecationWarning: old\\x0aname\n")
    assert written.getvalue().count("\n") == 1


# a queue that is not read, and floods


class Pipe:
    """Blocks the writer until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.text = ""

    def write(self, data: bytes) -> None:
        assert self.opened.wait(WALL)
        self.text += data.decode()


@pytest.fixture
def pipe(setup: Setup) -> Iterator[Pipe]:
    pipe = Pipe()
    setup()
    log.setup(LogSettings(), "x", pipe.write)
    yield pipe
    pipe.opened.set()


def drained(handler: logging.Handler, pipe: Pipe) -> str:
    pipe.opened.set()
    before = None
    while before != pipe.text:
        before = pipe.text
        handler.flush()
    return pipe.text


def test_who_logs_never_waits_and_what_is_lost_is_told(pipe: Pipe) -> None:
    handler = handler_of_setup()
    line = "x" * 1000
    for _ in range(2 * log_handler.QUEUE // len(line)):
        logging.getLogger("gateway.x").info(line)
    assert handler.dropped > 0
    text = drained(handler, pipe)
    assert f"dropped={handler.dropped} lines" in text
    assert text.count(line) + handler.dropped == 2 * log_handler.QUEUE // len(line)
    metrics = Metrics()
    log.measure(metrics, "acceptor-1")
    assert {metric.name: metric.series for metric in metrics} == {
        "dicom_gateway_log_lines_dropped_total": {("acceptor-1",): handler.dropped},
        "dicom_gateway_log_lines_suppressed_total": {("acceptor-1",): 0},
    }


def test_lines_are_whole_in_every_write() -> None:
    writes: list[bytes] = []
    handler = log_handler.QueuedHandler(writes.append)
    for number in range(500):
        handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "n" * number, (), None))
    handler.flush()
    assert all(data.endswith(b"\n") for data in writes)
    assert all(len(data) <= select.PIPE_BUF for data in writes)
    assert b"".join(writes).count(b"\n") == 500


def test_of_one_kind_of_warning_so_many_are_written_and_the_rest_is_counted() -> None:
    written: list[bytes] = []
    clock = Clock(0.0)
    handler = log_handler.QueuedHandler(written.append, repeats=3, clock=clock)

    def warn(message: str, name: str = "gateway.acceptor", level: int = logging.WARNING) -> None:
        handler.handle(logging.LogRecord(name, level, "", 0, "%s " + message, ("!",), None))

    for _ in range(10):
        warn("one")
        warn("info", level=logging.INFO)
        warn("mine", name="a_worker_of_somebody")
    warn("other")
    handler.flush()
    text = b"".join(written).decode()
    assert [text.count(word) for word in ("! one", "! info", "! mine", "! other")] == [3, 10, 10, 1]
    assert handler.suppressed == 7
    clock.now = log_handler.PERIOD
    warn("one")
    handler.flush()
    text = b"".join(written).decode()
    assert "suppressed=7 like='%s one' of=gateway.acceptor\n" in text
    assert text.count("! one") == 4


def test_the_last_lines_of_a_process_are_written(tmp_path: Path) -> None:
    program = (
        "import logging, sys; from gateway import log; from gateway.settings import LogSettings;"
        "log.setup(LogSettings(), 'x'); logging.getLogger('gateway.x').info('the last words');"
        "sys.exit(3)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=WALL, check=False
    )
    assert done.returncode == 3
    assert b"the last words\n" in done.stderr
