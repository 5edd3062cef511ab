"""Performed procedure steps on disk: a file for each, in the DICOM JSON model (PS3.18 F).

The worker `mpps` writes them; others read here what a modality says that it made.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from workers.archive.file_system import sync_folder, write_new
from workers.archive.peer_shares import check_share, digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workers.archive.peer_shares import Limit

FOLDER = "mpps"
"""The folder of the steps, in the data directory."""
IN_PROGRESS, COMPLETED, DISCONTINUED = "IN PROGRESS", "COMPLETED", "DISCONTINUED"
"""Values of Performed Procedure Step Status (0040,0252)."""
NOTES = {
    IN_PROGRESS: "step_in_progress",
    COMPLETED: "step_completed",
    DISCONTINUED: "step_discontinued",
}
"""The kind of the journal's line about a step that came to a state."""
ABANDONED = 3600.0
"""Seconds after which a file that nobody finished is one of a process that was killed."""

_STATUS, _SCHEDULED, _SERIES = "00400252", "00400270", "00400340"
_STUDY_UID, _SERIES_UID, _INSTANCE_UID = "0020000D", "0020000E", "00081155"
_REFERENCES = ("00081140", "00400220")
"""Referenced Image Sequence, Referenced Non-Image Composite SOP Instance Sequence."""

log = logging.getLogger("workers.mpps")


@dataclass(frozen=True, slots=True)
class ProcedureStep:
    """A modality performed procedure step."""

    uid: str
    """Its SOP Instance UID."""
    peer: str
    """The AE title that created it."""
    address: str
    """The address that created it."""
    created: float
    """Seconds of the epoch."""
    changed: float
    attributes: dict[str, Any]
    """In the DICOM JSON model."""
    is_noted: bool = False
    """Whether the journal tells of its state."""

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{digest(self.address)}-{digest(self.peer)}-{digest(self.uid)}.json"

    @property
    def state(self) -> str:
        """The value of Performed Procedure Step Status."""
        return _text(self.attributes, _STATUS)

    @property
    def studies(self) -> list[str]:
        """The Study Instance UIDs that it is scheduled for, each once."""
        uids = (_text(item, _STUDY_UID) for item in _items(self.attributes, _SCHEDULED))
        return list(dict.fromkeys(uid for uid in uids if uid))

    @property
    def instances(self) -> dict[str, list[str]]:
        """The SOP Instance UIDs of all that was made, by Series Instance UID."""
        found: dict[str, list[str]] = {}
        for series in _items(self.attributes, _SERIES):
            uids = found.setdefault(_text(series, _SERIES_UID), [])
            for sequence in _REFERENCES:
                uids += [_text(item, _INSTANCE_UID) for item in _items(series, sequence)]
        return found

    def data_set(self) -> Dataset:
        """Return the attributes as a data set."""
        return Dataset.from_json(self.attributes)

    def text(self, tag: str) -> str:
        """Return the first value of an attribute, named by its eight digits; empty: none."""
        return _text(self.attributes, tag)


class StepFolder:
    """The performed procedure steps of a gateway; safe for several threads and processes."""

    def __init__(
        self, data_dir: Path, *, durable: bool = True, limits: tuple[Limit, ...] = ()
    ) -> None:
        self._path = data_dir / FOLDER
        self._durable = durable
        self._limits = limits
        self._changing = threading.Lock()

    def create(self) -> None:
        """Make the folder, and remove what a process that was killed left in it."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for draft in self._path.glob("*.part"):
            with suppress(OSError):
                if time.time() - draft.stat().st_mtime > ABANDONED:
                    draft.unlink()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep all others from changing steps meanwhile; raises OSError."""
        with self._changing:
            fd = os.open(self._path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                yield
            finally:
                os.close(fd)

    def find(self, uid: str) -> ProcedureStep | None:
        """Return the step with a SOP Instance UID; None if there is none."""
        for path in self._path.glob(f"*-{digest(uid)}.json"):
            if (step := self._read(path)) is not None and step.uid == uid:
                return step
        return None

    def put(self, step: ProcedureStep) -> None:
        """Write a new step, or a changed one; raises OSError, and TooMany for a new one."""
        data = json.dumps(asdict(step)).encode()
        target = self._path / step.name
        if not target.exists():
            check_share(self._path, step.name, len(data), self._limits)
        draft = target.with_suffix(f".{secrets.token_hex(8)}.part")
        try:
            write_new(draft, data, sync=self._durable)
            draft.replace(target)
        except OSError:
            with suppress(OSError):
                draft.unlink()
            raise
        if self._durable:
            sync_folder(self._path)

    def remove(self, step: ProcedureStep) -> None:
        """Delete the file of a step; raises OSError."""
        (self._path / step.name).unlink(missing_ok=True)

    def steps(self) -> list[ProcedureStep]:
        """Return all steps in the order of their creation."""
        found = (self._read(path) for path in self._path.glob("*.json"))
        return sorted((one for one in found if one is not None), key=lambda one: one.created)

    def _read(self, path: Path) -> ProcedureStep | None:
        try:
            return ProcedureStep(**json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            log.warning("path=%s cannot be read: %s", path, type(error).__name__)
            return None


def _items(item: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    values = item.get(tag, {}).get("Value", [])
    return [one for one in values if isinstance(one, dict)]


def _text(item: dict[str, Any], tag: str) -> str:
    value = next(iter(item.get(tag, {}).get("Value", [])), "")
    if isinstance(value, dict):  # a person's name
        value = value.get("Alphabetic", "")
    return str(value if value is not None else "").strip()
