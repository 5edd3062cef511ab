"""A pool of processes that transcode, for the threads of a worker."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import finalize

from gateway.datasets import Instance
from gateway.datasets.byte_sources import FileSource
from gateway.datasets.errors import NotTranscodable, TranscodingError
from gateway.errors import GatewayError
from gateway.process import describe_exit, launch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.process import Launched
    from gateway.transcoding.targets import Target
    from gateway.worker_settings import TranscodingSettings

IN_MEMORY = 4 * 1024 * 1024
"""The longest result that is read at once; a longer one is read as it is sent."""
_READY = 30.0
"""Seconds for a process to start."""
_PIECE = 1024 * 1024
_SHARE = 4
"""The memory of a process in times of the largest frame: decoded, and copied in between."""


class Transcoder:
    """Processes that are started when they are needed, and replaced when they die or hang.

    `folder` is for the files on their way, which are gone after a job. Any thread may use it.
    """

    module = "gateway.transcoding.transcoding_child"

    def __init__(self, settings: TranscodingSettings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._changed = threading.Condition()
        self._idle: list[Launched] = []
        self._all: set[Launched] = set()
        self._number = 0
        self._starting = 0
        self._is_closed = False

    def transcode(
        self, instance: Instance, target: Target, longest: float | None = None
    ) -> Instance:
        """Return an instance in another transfer syntax; with loss it is another instance.

        `longest` is the time for it, if that is shorter than the one of the settings. Raises
        NotTranscodable if it has no form in the target, TranscodingError for what cannot be decoded
        or encoded within the bounds, and GatewayError or OSError if another attempt may succeed.
        """
        until = time.monotonic() + min(longest or self._settings.time, self._settings.time)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            job = self._job(instance, target, scratch)
            child = self._take(until)
            try:
                report = self._report(child, job, until)
            except BaseException:
                self._discard(child)
                raise
            self._give_back(child)
            uid = _uid_in(report)
            return _result(job["out"], (instance.sop_class_uid, uid, target.transfer_syntax))

    def close(self) -> None:
        """End all processes, and wait for them; what they have in hand fails."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            children = list(self._all)
            idle, self._idle = self._idle, []
        for child in children:
            child.kill()
        for child in idle:
            self._discard(child)

    # a job

    def _job(self, instance: Instance, target: Target, scratch: str) -> dict[str, Any]:
        path, offset, size = instance.path, instance.offset, instance.size
        if path is None or instance.make is not None:
            path, offset = os.path.join(scratch, "source"), 0
            with open(path, "wb") as file:
                for piece in instance.pieces():
                    file.write(piece)
                size = file.tell()
        out = os.path.join(scratch, "out")
        with open(out, "wb"):
            pass
        return {
            "sop_class_uid": instance.sop_class_uid,
            "sop_instance_uid": instance.sop_instance_uid,
            "transfer_syntax_uid": instance.transfer_syntax_uid,
            "path": os.path.abspath(path),
            "offset": offset,
            "size": size,
            "target": asdict(target),
            "out": os.path.abspath(out),
            "largest": self._settings.largest,
            "largest_frame": self._settings.memory // _SHARE,
        }

    def _report(self, child: Launched, job: dict[str, Any], until: float) -> dict[str, Any]:
        """Have a job done; raise TranscodingError if the process does not live to tell."""
        seconds = until - time.monotonic()
        child.order(job=job, seconds=max(1.0, seconds))
        try:
            report = child.next_report(max(0.0, seconds))
        except TimeoutError:
            raise TranscodingError("it took too long to be decoded or encoded") from None
        if report is not None:
            return report
        how = describe_exit(child.wait(_READY))
        if self._is_closed:
            raise GatewayError("the worker stops")
        raise TranscodingError(f"its decoder or encoder broke down: {how}")

    # the processes

    def _take(self, until: float) -> Launched:
        """Return a process that is idle, or a new one; raise GatewayError if none becomes free."""
        with self._changed:
            while not self._is_closed:
                if self._idle:
                    return self._idle.pop()
                if len(self._all) + self._starting < self._settings.processes:
                    self._starting += 1
                    self._number += 1
                    break
                if not self._changed.wait(until - time.monotonic()):
                    raise GatewayError("all processes that transcode were busy")
            else:
                raise GatewayError("the worker stops")
            name = f"transcoding-{self._number}"
        child = None
        try:
            child = launch(self.module, name=name, settings={"memory": self._settings.memory})
            _wait_until_ready(child)
        except BaseException:
            if child is not None:
                _end(child)
            raise
        finally:
            self._started(child)
        return child

    def _started(self, child: Launched | None) -> None:
        with self._changed:
            self._starting -= 1
            if child is not None and not child.is_gone:
                self._all.add(child)
            self._changed.notify()

    def _give_back(self, child: Launched) -> None:
        with self._changed:
            if not self._is_closed:
                self._idle.append(child)
                self._changed.notify()
                return
        self._discard(child)

    def _discard(self, child: Launched) -> None:
        _end(child)
        with self._changed:
            self._all.discard(child)
            self._changed.notify()


def _wait_until_ready(child: Launched) -> None:
    report = child.next_report(_READY)
    if report is None:
        how = describe_exit(child.wait(_READY))
        raise GatewayError(f"the process that transcodes does not start: {how}")


def _end(child: Launched) -> None:
    with suppress(OSError):
        child.kill()
    child.wait(_READY)
    child.close()


def _uid_in(report: dict[str, Any]) -> str:
    """Return the SOP Instance UID of a result; raise the error that the process reports."""
    if "uid" in report:
        return str(report["uid"])
    text = str(report.get("error"))
    if report.get("again"):
        raise OSError(text)
    raise NotTranscodable(text) if report.get("has_no_form") else TranscodingError(text)


def _result(path: str, uids: tuple[str, str, str]) -> Instance:
    """Return an instance with the content of a file, which is removed after that."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    source = FileSource(fd, 0, os.fstat(fd).st_size)
    finalize(source, os.close, fd)
    size = source.size
    if size > IN_MEMORY:
        return Instance(*uids, size, make=partial(_pieces, source))
    return Instance(*uids, size, data=bytes(source.read(0, size)))


def _pieces(source: FileSource) -> Iterator[bytes]:
    for at in range(0, source.size, _PIECE):
        yield bytes(source.read(at, min(_PIECE, source.size - at)))
