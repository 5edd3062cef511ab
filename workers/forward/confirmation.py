"""What a destination is asked after it has received instances: whether it keeps them.

With `confirm = "find"` it is asked by C-FIND at image level (PS3.4 C.4.1), or by QIDO-RS if it is a
DICOMweb service (`service_search`), with `"commitment"` by storage commitment (PS3.4 annex J): an
N-ACTION, whose report comes on the same association within some seconds, or later on one that the
destination opens.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from gateway.datasets import BASIC_SYNTAXES, DatasetError
from gateway.datasets.coding import decode_whole, encoder
from gateway.requestor import Collect
from gateway.sdk import GatewayError
from gateway.uid import KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.requestor import IncomingRequest
    from gateway.requestor.sync import BlockingAssociation
    from workers.archive.outbox_rows import QueuedInstance

FIND = KEYWORDS["StudyRootQueryRetrieveInformationModelFind"]
COMMITMENT = KEYWORDS["StorageCommitmentPushModel"]
INSTANCE = "1.2.840.10008.1.20.1.1"
"""The well-known instance of storage commitment (PS3.4 J.3.5)."""
_REQUEST = 1
"""The action type (PS3.4 J.3.2.1)."""
REPORT_WAIT = 5.0
"""Seconds for which an association stays open for the report."""

Connect = "Callable[..., BlockingAssociation]"


class NotAsked(GatewayError):  # noqa: N818 - a state of the destination
    """The destination could not be asked, or did not answer the question."""


class CommitmentReport(NamedTuple):
    """The result of a transaction: which instances are kept, and why others are not."""

    transaction_uid: str
    kept: frozenset[str]
    failed: Mapping[str, str]


def found_by(association: BlockingAssociation, rows: Sequence[QueuedInstance]) -> set[str]:
    """Return the UIDs of those instances that the destination finds; raises NotAsked."""
    by_series: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        uid, series, study = row.at_destination
        by_series.setdefault((study, series), []).append(uid)
    syntax = next(
        (c.transfer_syntax for c in association.accepted_contexts.values()), BASIC_SYNTAXES[-1]
    )
    found: set[str] = set()
    for (study, series), uids in by_series.items():
        asked = Dataset()
        asked.QueryRetrieveLevel = "IMAGE"
        asked.StudyInstanceUID, asked.SeriesInstanceUID = study, series
        asked.SOPInstanceUID = uids
        for answered in association.c_find(FIND, encoder(asked)):
            if not answered.is_pending:
                if answered.status:
                    raise NotAsked(f"the destination answered the C-FIND {answered.status:04X}")
                continue
            found.add(_uid_in(answered.data_set or b"", syntax))
    return found


def _uid_in(data: bytes, syntax: str) -> str:
    try:
        return str(decode_whole(data, syntax).get("SOPInstanceUID", ""))
    except DatasetError as error:
        raise NotAsked(f"a match of the C-FIND cannot be decoded: {error}") from None


@dataclass(slots=True)
class CommitmentRequest:
    """An N-ACTION for instances, and the report that may come on the same association."""

    rows: Sequence[QueuedInstance]
    transaction_uid: str = field(default_factory=lambda: str(generate_uid(prefix=None)))
    report: CommitmentReport | None = None
    _reported: threading.Event = field(default_factory=threading.Event)

    def information(self) -> Dataset:
        """Return the action information (PS3.4 J.3.2.1.1)."""
        information = Dataset()
        information.TransactionUID = self.transaction_uid
        information.ReferencedSOPSequence = [_reference(row) for row in self.rows]
        return information

    def send(self, association: BlockingAssociation) -> None:
        """Send it, and wait for the report for some seconds; raises NotAsked."""
        answered = association.n_action(COMMITMENT, INSTANCE, _REQUEST, encoder(self.information()))
        if answered.status:
            raise NotAsked(f"the destination answered the N-ACTION {answered.status:04X}")
        self._reported.wait(REPORT_WAIT)

    def receive(self, incoming: IncomingRequest) -> Collect:
        """Take an N-EVENT-REPORT; the handler of the association."""

        def answer(data: bytes) -> int:
            try:
                found = report_of(decode_whole(data, incoming.context.transfer_syntax))
            except DatasetError:
                return 0x0110
            if found.transaction_uid == self.transaction_uid:
                self.report = found
                self._reported.set()
            return 0x0000

        return Collect(answer)


def _reference(row: QueuedInstance) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = row.entry.sop_class_uid
    item.ReferencedSOPInstanceUID = row.at_destination.sop_instance_uid
    return item


def report_of(information: Any) -> CommitmentReport:
    """Return what event information says (PS3.4 J.3.3.1.1); what is missing there is empty."""
    kept = {str(one.get("ReferencedSOPInstanceUID", "")) for one in _items(information, False)}
    failed = {
        str(one.get("ReferencedSOPInstanceUID", "")): f"{int(one.get('FailureReason') or 0):04X}"
        for one in _items(information, True)
    }
    uid = str(information.get("TransactionUID", ""))
    return CommitmentReport(uid, frozenset(kept - failed.keys()), failed)


def _items(information: Any, failed: bool) -> Any:
    return information.get("FailedSOPSequence" if failed else "ReferencedSOPSequence") or ()
