"""Recordings of associations that an operator starts on the page: `dicom-gateway record gateway`.

Each is a process of its own, so that none can hold up the page. It ends when it is stopped, after
its time or number of associations, with the gateway, or with this process. Data sets and secrets
are overwritten unless the operator says otherwise.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.sdk import GatewayError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MOST_AT_ONCE = 4
MOST_KEPT = 50
MOST_MEGABYTES = 100
"""Of one recording."""
LONGEST = 3600
"""Seconds of one recording."""
_STOP_LIMIT = 10.0
_NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}\.dcmrec")
_TITLE = re.compile(r"[ -~]{1,16}")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_ID = re.compile(r"[0-9a-f]{1,32}")


@dataclass(frozen=True)
class RunningRecording:
    """A recording that goes on, or that has just ended."""

    process: subprocess.Popen[bytes]

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def error(self) -> str:
        """Return why it has failed; empty: it has not, or goes on."""
        if not self.process.poll() or self.process.stderr is None:
            return ""
        lines = self.process.stderr.read().decode("utf-8", "replace").strip().splitlines()
        self.process.stderr.close()
        return lines[-1] if lines else f"it ended with status {self.process.returncode}"


class Recordings:
    """The recordings in a folder; safe for several threads."""

    def __init__(self, folder: Path, data_dir: Path) -> None:
        self._folder = folder
        self._data_dir = data_dir
        self._lock = threading.Lock()
        self._running: dict[str, RunningRecording] = {}
        self._whats: dict[str, str] = {}
        """What each recording since the start of this process has, in words."""
        self._failed: dict[str, str] = {}

    def start(self, wanted: Mapping[str, Any]) -> str:
        """Begin to record; return the name of the file. Raises GatewayError.

        `wanted` may have `calling` (with * and ?), `address`, `association`, `rejected`, `count`,
        and `redact`, which is true unless it says false.
        """
        options, what = _options(wanted)
        with self._lock:
            self._look()
            if sum(not one.is_over for one in self._running.values()) >= MOST_AT_ONCE:
                raise GatewayError(f"{MOST_AT_ONCE} recordings go on: stop one of them first")
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if len(self._files()) >= MOST_KEPT:
                raise GatewayError(f"{MOST_KEPT} recordings are kept: delete some first")
            # To the microsecond, because their order is that of their names.
            name = f"{datetime.now():%Y%m%d-%H%M%S-%f}.dcmrec"
            command = [sys.executable, "-P", "-m", "gateway", "record", "gateway"]
            command += [str(self._folder / name), "--data", str(self._data_dir), *options]
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            self._running[name] = RunningRecording(process)
            self._whats[name] = what
        assert process.stdout is not None
        process.stdout.readline()  # it records from now on, or has failed
        return name

    def stop(self, name: str) -> None:
        """End a recording; raises GatewayError if none of that name goes on."""
        with self._lock:
            found = self._running.get(name)
        if found is None or found.is_over:
            raise GatewayError("no recording of that name goes on")
        _end(found.process)

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            for one in self._running.values():
                _end(one.process)
            self._look()

    def delete(self, name: str) -> None:
        """Delete a recording that is over; raises GatewayError."""
        path = self.path(name)
        with self._lock:
            self._look()
            if path is None or name in self._running:
                raise GatewayError("no recording of that name is over")
            self._failed.pop(name, None)
            self._whats.pop(name, None)
            path.unlink(missing_ok=True)

    def path(self, name: str) -> Path | None:
        """Return the file of a recording; None: there is none of that name."""
        path = self._folder / name
        return path if _NAME.fullmatch(name) and path.is_file() else None

    def rows(self) -> list[dict[str, Any]]:
        """Return all recordings, the latest first."""
        with self._lock:
            self._look()
            running = dict(self._running)
            return [
                {
                    "name": path.name,
                    "at": path.stat().st_mtime,
                    "size": path.stat().st_size,
                    "is_running": path.name in running,
                    "is_redacted": b'"redacted":true' in _first_line(path),
                    "what": self._whats.get(path.name, ""),
                    "error": self._failed.get(path.name, ""),
                }
                for path in reversed(self._files())
            ]

    def _files(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*.dcmrec") if _NAME.fullmatch(path.name))

    def _look(self) -> None:
        """Forget what is over."""
        for name, one in tuple(self._running.items()):
            if one.is_over:
                del self._running[name]
                if error := one.error():
                    self._failed[name] = error
                for stream in (one.process.stdin, one.process.stdout, one.process.stderr):
                    if stream is not None:
                        stream.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, by the signal that has it close its file."""
    process.terminate()
    try:
        process.wait(_STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _options(wanted: Mapping[str, Any]) -> tuple[list[str], str]:
    """Return the options of the command, and what is recorded in words; raises GatewayError."""
    options = [f"--max-size={MOST_MEGABYTES}", f"--for={LONGEST}", "--until-closed"]
    words = []
    for key, option, pattern, text in (
        ("calling", "--calling", _TITLE, "calling AE title {}"),
        ("address", "--from", _ADDRESS, "from {}"),
        ("association", "--association", _ID, "association {}"),
    ):
        if value := wanted.get(key):
            if not isinstance(value, str) or not pattern.fullmatch(value):
                raise GatewayError(f"{key}: that cannot be one")
            options.append(f"{option}={value}")
            words.append(text.format(value))
    if wanted.get("rejected"):
        options += ["--rejected"]
        words.append("rejected")
    count = wanted.get("count", 0)
    if type(count) is not int or not 0 <= count <= 1_000_000:
        raise GatewayError("count: it must be a number of associations")
    options.append(f"--count={count}")
    if wanted.get("redact", True):
        options.append("--redact")
    words = words or ["all associations"]
    return options, ", ".join([*words, *([f"{count} of them"] if count else [])])


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline(512)
