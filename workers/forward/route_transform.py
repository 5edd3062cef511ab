"""`[[routes]] transform`: other workers say what is sent in place of an instance.

It fails closed: what cannot be transformed is not sent. A refusal, and a worker that raises, park
the instance, with the reason; a worker that is away lets it wait for a pause of its own, as a
destination that fails it does.
"""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from gateway.datasets import Instance
from gateway.sdk import Claim, InstanceFile, NotTransformed
from gateway.spool.claim import Tokens
from workers.archive import header
from workers.archive.outbox_rows import SentUids
from workers.forward.outcomes import SendOutcome, SendVerdict
from workers.forward.provenance import peer_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workers.archive.outbox_rows import QueuedInstance

    Outcomes: TypeAlias = list[InstanceFile | NotTransformed]
    Ask: TypeAlias = Callable[[Sequence[str], Sequence[InstanceFile], Path], Outcomes]

FOLDER = "transformed-to-forward"
"""The folder of results in the data directory; each process has its own in it."""
_PARKED = ("refused", "raised")
"""Kinds of failures that another attempt does not mend."""


@dataclass(slots=True)
class RouteTransform:
    """Has instances transformed, and keeps the files of the results until they are sent."""

    ask: Ask
    folder: Path
    """Of this process alone."""
    _files: dict[int, Path] = field(default_factory=dict)
    """Of results that are being sent, by the ids of their rows."""
    _tokens: Tokens = field(default_factory=lambda: Tokens(0))
    _drawing: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def begin(cls, ask: Ask, data_dir: Path, is_dead: Callable[[str], bool]) -> RouteTransform:
        """Make the folder of this process, and delete those of processes that are dead."""
        root = data_dir.absolute() / FOLDER
        folder = root / str(os.getpid())
        if root.exists():
            for old in root.iterdir():
                if old == folder or not old.name.isdecimal() or is_dead(f"/{old.name}"):
                    shutil.rmtree(old, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        return cls(ask, folder)

    def close(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def apply(self, row: QueuedInstance, instance: Instance) -> Instance | SendOutcome:
        """Return what to send in place of an instance, and note in the row as what.

        Or what becomes of an instance that cannot be sent.
        """
        self.discard(row)
        row.sent_as = None
        with self._drawing:
            token = self._tokens.draw()
        asked = _file_of(token, row, instance)
        (outcome,) = self.ask(row.transform, [asked], self.folder)
        if outcome is asked:
            return instance
        if isinstance(outcome, NotTransformed):
            return _failure(outcome)
        if outcome.data is None:
            self._files[row.id] = Path(outcome.claim.path or "")
        try:
            made = _instance_of(outcome)
            row.sent_as = _uids_of(made)
        except (OSError, ValueError) as error:
            return SendOutcome(SendVerdict.AGAIN, f"the result of a transform: {error}")
        return made

    def discard(self, row: QueuedInstance) -> None:
        """Delete the file that was sent for a row."""
        path = self._files.pop(row.id, None)
        if path is not None:
            with suppress(OSError):
                path.unlink()


def _file_of(token: str, row: QueuedInstance, instance: Instance) -> InstanceFile:
    """Return an instance of the archive as what workers are asked about."""
    path = instance.path
    assert path is not None
    told = peer_facts(Path(path))
    return InstanceFile(
        Claim(token, str(path), instance.offset, instance.size, row.entry.digest),
        None,
        *(instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid),
        calling_ae_title=told.get("calling", ""),
        called_ae_title=told.get("called", ""),
    )


def _instance_of(file: InstanceFile) -> Instance:
    claim, data = file.claim, file.data
    uids = file.sop_class_uid, file.sop_instance_uid, file.transfer_syntax_uid
    if data is not None:
        return Instance(*uids, claim.size, data=data[claim.offset :])
    return Instance(*uids, claim.size, claim.path, claim.offset)


def _uids_of(instance: Instance) -> SentUids:
    """Return the UIDs that a destination will know; raises OSError, ValueError."""
    syntax = instance.transfer_syntax_uid
    if instance.data is not None:
        values = header.scan(instance.data, syntax)
    else:
        values = header.read(str(instance.path), instance.offset, syntax)
    above = values.get("SeriesInstanceUID", ""), values.get("StudyInstanceUID", "")
    return SentUids(instance.sop_instance_uid, *above)


def _failure(error: NotTransformed) -> SendOutcome:
    comment = error.elements.get("ErrorComment")
    reason = f"{error}: {comment}" if comment else str(error)
    verdict = SendVerdict.PARK if error.kind in _PARKED else SendVerdict.AGAIN
    return SendOutcome(verdict, reason)
