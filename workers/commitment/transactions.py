"""Transactions: requests for storage commitment whose result the peer does not have yet.

Each is a file of its own, synced before the request is answered, so that a report which could not
be delivered outlives the worker and the gateway. A process that delivers a report holds a lock on
the file meanwhile, so that several processes may share the folder.

A file's name begins with digests of the peer's address and AE title: what each peer has open is
known from the names and sizes alone.
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
from typing import TYPE_CHECKING

from workers.archive.file_system import sync_folder, write_new
from workers.archive.peer_shares import check_share, digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workers.archive.peer_shares import Limit

FOLDER = "commitment"
"""The folder of the transactions, in the data directory."""

ABANDONED = 3600.0
"""Seconds after which a file that nobody finished is one of a process that was killed."""

log = logging.getLogger("workers.commitment")


@dataclass(frozen=True, slots=True)
class Transaction:
    """A request for storage commitment."""

    transaction_uid: str
    peer: str
    """The AE title that asked."""
    local: str
    """The AE title that it called."""
    received: float
    """The time of the request, in seconds of the epoch."""
    references: tuple[tuple[str, str], ...]
    """SOP Class UID and SOP Instance UID of each instance that was asked for."""
    address: str = ""
    """The address that asked."""

    @property
    def name(self) -> str:
        """The name of its file: the same for the same transaction of the same peer."""
        parts = digest(self.address), digest(self.peer), digest(self.transaction_uid)
        return f"{'-'.join(parts)}.json"


class TransactionFolder:
    """The transactions whose result is to be reported."""

    def __init__(self, data_dir: Path, *, durable: bool, limits: tuple[Limit, ...] = ()) -> None:
        self._path = data_dir / FOLDER
        self._durable = durable
        self._limits = limits
        self._adding = threading.Lock()
        self._path.mkdir(mode=0o700, exist_ok=True)
        for draft in self._path.glob("*.part"):
            with suppress(OSError):
                if time.time() - draft.stat().st_mtime > ABANDONED:
                    draft.unlink()

    def names(self) -> list[str]:
        """Return the names of the transactions that are open."""
        return sorted(path.name for path in self._path.glob("*.json"))

    def add(self, transaction: Transaction) -> None:
        """Keep a transaction, in place of one that was asked for before.

        Raises TooMany if that is more than the share of the peer, and OSError.
        """
        data = json.dumps(asdict(transaction)).encode()
        target = self._path / transaction.name
        draft = target.with_suffix(f".{secrets.token_hex(8)}.part")
        with self._adding:
            check_share(self._path, transaction.name, len(data), self._limits)
            try:
                write_new(draft, data, sync=self._durable)
                with self._changing():
                    draft.replace(target)
            except OSError:
                with suppress(OSError):
                    draft.unlink()
                raise
        if self._durable:
            sync_folder(self._path)

    def read(self, name: str) -> Transaction | None:
        """Return a transaction; None if it is not open any more, or its file is not readable."""
        try:
            values = json.loads((self._path / name).read_bytes())
            references = tuple(
                (str(sop_class), str(uid)) for sop_class, uid in values["references"]
            )
            return Transaction(**{**values, "references": references})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("transaction=%s cannot be read: %s", name, error)
            return None

    @contextmanager
    def claimed(self, name: str) -> Iterator[Transaction | None]:
        """Hold a transaction; None if it is not open any more, or another process holds it."""
        try:
            fd = os.open(self._path / name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield None
            return
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_mine = True
            except BlockingIOError:
                is_mine = False
            yield self.read(name) if is_mine else None
        finally:
            os.close(fd)

    def remove(self, transaction: Transaction) -> None:
        """Forget a transaction, unless the peer has asked for it again meanwhile."""
        with self._changing():
            if self.read(transaction.name) == transaction:
                (self._path / transaction.name).unlink(missing_ok=True)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep other threads and processes from replacing or removing a file.

        Otherwise one that is replaced between the two steps of `remove` would be lost.
        """
        fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)
