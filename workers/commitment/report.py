"""What is asked for in an N-ACTION, and the N-EVENT-REPORT that answers it (PS3.4 J.3)."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from gateway.sdk import GatewayError
from workers.archive.received_uids import by_received_uid
from workers.commitment.transactions import Transaction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.archive.index import Index, IndexEntry
    from workers.archive.stored_files import StoredFiles

ALL_COMMITTED, SOME_FAILED = 1, 2
"""Event types (PS3.4 J.3.3.1)."""

NO_SUCH_OBJECT_INSTANCE = 0x0112
CLASS_INSTANCE_CONFLICT = 0x0119
PROCESSING_FAILURE = 0x0110
"""Failure reasons (PS3.3 C.14)."""

PAGE = 500
"""Instances that are looked up at once."""


class InvalidRequest(GatewayError, ValueError):  # noqa: N818 - what the peer asked for
    """An N-ACTION whose data set names no transaction, or no instances; says what is missing."""


def transaction_of(
    information: Dataset | None, peer: str, local: str, address: str = ""
) -> Transaction:
    """Return the transaction of an N-ACTION's action information; raises InvalidRequest."""
    if information is None:
        raise InvalidRequest("no action information")
    uid = str(information.get("TransactionUID") or "").strip()
    if not uid:
        raise InvalidRequest("no Transaction UID (0008,1195)")
    items = information.get("ReferencedSOPSequence")
    if not isinstance(items, Sequence) or not items:
        raise InvalidRequest("no Referenced SOP Sequence (0008,1199)")
    references = []
    for number, item in enumerate(items, 1):
        pair = [
            str(item.get(name) or "").strip()
            for name in ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID")
        ]
        if not all(pair):
            raise InvalidRequest(f"item {number} of (0008,1199) has no SOP Class or Instance UID")
        references.append((pair[0], pair[1]))
    return Transaction(uid, peer, local, time.time(), tuple(references), address)


class Report(NamedTuple):
    """An N-EVENT-REPORT: its event type and event information."""

    event_type: int
    information: Dataset
    failed: int
    """The number of instances that are not committed to."""


class CommittableInstances:
    """The instances that this gateway can commit to."""

    def __init__(self, files: StoredFiles, index: Index, holder: str, *, shared: bool) -> None:
        self._files = files
        self._index = index
        self._holder = holder
        self._is_shared = shared
        """Whether the files of other gateways are here too."""

    def report(self, transaction: Transaction) -> Report:
        """Look at index and files, and return what is so now; raises IndexFailure, StoreFailure.

        The file of each instance is looked at, save where another gateway has it: its row in the
        index, which that gateway removes with the file, stands for it.
        """
        committed, failed = [], []
        references = transaction.references
        for begin in range(0, len(references), PAGE):
            some = references[begin : begin + PAGE]
            found = by_received_uid(self._index, [uid for _, uid in some])
            work = partial(self._failure_of, found)
            for (sop_class, uid), reason in zip(some, self._files.map(work, some), strict=True):
                item = Dataset()
                item.ReferencedSOPClassUID = sop_class
                item.ReferencedSOPInstanceUID = uid
                if reason:
                    item.FailureReason = reason
                    failed.append(item)
                else:
                    committed.append(item)
        information = Dataset()
        information.TransactionUID = transaction.transaction_uid
        information.RetrieveAETitle = transaction.local
        if committed:
            information.ReferencedSOPSequence = committed
        if failed:
            information.FailedSOPSequence = failed
        return Report(SOME_FAILED if failed else ALL_COMMITTED, information, len(failed))

    def _failure_of(self, found: Mapping[str, IndexEntry], reference: tuple[str, str]) -> int:
        """Return why an instance is not committed to; 0: it is."""
        sop_class, uid = reference
        entry = found.get(uid)
        if entry is None:
            return NO_SUCH_OBJECT_INSTANCE
        if entry.sop_class_uid != sop_class:
            return CLASS_INSTANCE_CONFLICT
        is_own = entry.holder == self._holder or self._is_shared
        is_here = is_own or self._files.is_in_store(entry.path)
        return PROCESSING_FAILURE if is_here and self._files.defect(entry) else 0
