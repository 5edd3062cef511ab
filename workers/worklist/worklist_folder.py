"""The worklist items in the files of a folder, read again when a file changes.

`*.wl` and `*.dcm` are DICOM files with one item each, as DCMTK's `dump2dcm` writes them; `*.json`
are in the DICOM JSON model (PS3.18 F), one item or a list of them. Other files are left alone.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
import time
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom.dataset import Dataset

from gateway.datasets import DatasetError, NotDicom
from gateway.datasets.coding import decode_whole, encode
from gateway.part10 import Part10Error, read_file_meta
from gateway.sdk import Unavailable
from gateway.uid import IMPLICIT_VR_LITTLE_ENDIAN
from workers.worklist.worklist_keys import UTF_8

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workers.worklist.worklist_match import WorklistQuery

LOOKED = 1.0
"""Seconds for which the folder is not looked at again."""
LARGEST = 16 * 1024 * 1024
"""Bytes of a file; a longer one is no worklist."""
_DICOM = (".wl", ".dcm")
_UNREAD = (-1, -1, -1)
"""The state of an entry that is not read, and is looked at again."""

log = logging.getLogger("workers.worklist")


class _WorklistFile(NamedTuple):
    """A file as it was when it was read."""

    state: tuple[int, int, int]
    items: list[Dataset]
    trouble: str


class WorklistFolder:
    """The worklist items of a folder; safe for several threads."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._files: dict[str, _WorklistFile] = {}
        self._looked = float("-inf")
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise Unavailable if the folder cannot be read."""
        self.all_items()

    def facts(self) -> dict[str, Any]:
        return {"items": sum(len(file.items) for file in self._files.values())}

    def items(self, _query: WorklistQuery, _identifier: Dataset) -> list[Dataset]:
        return self.all_items()

    def all_items(self) -> list[Dataset]:
        """Return the items of all files, in the order of the files' names.

        Raises Unavailable if the folder cannot be read.
        """
        with self._lock:
            if self._clock() - self._looked >= LOOKED:
                self._look()
                self._looked = self._clock()
            return [item for _, file in sorted(self._files.items()) for item in file.items]

    @property
    def trouble(self) -> str:
        """What is wrong with the files at present, in words; empty: nothing."""
        files = self._files
        found = [f"{name}: {file.trouble}" for name, file in files.items() if file.trouble]
        more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
        return "; ".join(sorted(found)[:3]) + more

    def _look(self) -> None:
        found: dict[str, _WorklistFile] = {}
        try:
            entries = list(os.scandir(self._path))
        except OSError as error:
            raise Unavailable(
                f"the worklist's folder {self._path} cannot be read: {error.strerror}"
            ) from error
        for entry in entries:
            suffix = os.path.splitext(entry.name)[1].lower()
            if entry.name.startswith(".") or suffix not in (*_DICOM, ".json"):
                continue
            try:
                status = entry.stat()
            except FileNotFoundError:
                continue
            except OSError as error:  # as for a link to itself
                found[entry.name] = self._unread(entry.name, error.strerror or str(error))
                continue
            if not stat.S_ISREG(status.st_mode):  # reading a FIFO or a device may never end
                found[entry.name] = self._unread(entry.name, "not a file")
                continue
            state = status.st_mtime_ns, status.st_size, status.st_ino
            before = self._files.get(entry.name)
            if before is not None and before.state == state:
                found[entry.name] = before
            else:
                found[entry.name] = self._read(entry.name, suffix, state, before)
        self._files = found

    def _read(
        self, name: str, suffix: str, state: tuple[int, int, int], before: _WorklistFile | None
    ) -> _WorklistFile:
        """Read a file. One that cannot be read, as it is half written, stays as it was before."""
        try:
            if state[1] > LARGEST:
                raise DatasetError(f"{state[1]} bytes, {LARGEST} are the limit")
            data = _read_most(self._path / name)
            items = _of_json(data) if suffix == ".json" else _of_dicom(data)
            for item in items:
                encode(item, IMPLICIT_VR_LITTLE_ENDIAN)  # what cannot be sent ends no query later
            return _WorklistFile(state, items, "")
        except (DatasetError, NotDicom, Part10Error) as error:
            trouble = str(error)
        except Exception as error:  # whatever json and pydicom raise: the other files go on
            trouble = _words(error)
        log.warning("path=%s is no worklist item: %s", self._path / name, trouble)
        return _WorklistFile(state, before.items if before is not None else [], trouble)

    def _unread(self, name: str, trouble: str) -> _WorklistFile:
        """Return what is noted of an entry that is not read; it is told once."""
        before = self._files.get(name)
        if before is None or before.trouble != trouble:
            log.warning("path=%s is no worklist item: %s", self._path / name, trouble)
        return _WorklistFile(_UNREAD, [], trouble)


def _read_most(path: Path) -> bytes:
    """Return the bytes of a file, which may have become longer; raises DatasetError if too long."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # it may be a FIFO by now
    with os.fdopen(fd, "rb") as file:
        data = file.read(LARGEST + 1) or b""
    if len(data) > LARGEST:
        raise DatasetError(f"more than {LARGEST} bytes")
    return data


def _words(error: Exception) -> str:
    """Return an error by its kind; its text may have values of a patient."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, json.JSONDecodeError):
        return f"no JSON: {error.msg} in line {error.lineno}"
    return f"cannot be read ({type(error).__name__})"


def _of_dicom(data: bytes) -> list[Dataset]:
    meta = read_file_meta(BytesIO(data))
    return [decode_whole(data[meta.offset :], meta.transfer_syntax_uid)]


def _of_json(data: bytes) -> list[Dataset]:
    given = json.loads(data)
    items = [Dataset.from_json(one) for one in (given if isinstance(given, list) else [given])]
    for item in items:
        if "SpecificCharacterSet" not in item:
            item.SpecificCharacterSet = UTF_8
    return items
