"""What becomes of an instance after an attempt to send it: the rules for each failure.

Done: success, a warning, and 0111, because the instance is there already. Not sent any more: it
was removed from the archive, or replaced by other content, which is queued by itself.

The destination's failure: there is no association, or it says that it is full (A7xx, 0213).
Everything for it waits for a pause that grows; no attempt counts. If an association breaks before a
response, the attempt counts for the instances that were on their way.

The instance's failure: what can never succeed is parked at once - SOP class or transfer syntax not
accepted, 0122, A9xx, a data set that cannot be converted. After any other failure it waits for a
pause of its own, and is parked after `forward.attempts`.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from gateway.datasets import DatasetError, NoContext
from gateway.dimse.status import Category, category
from gateway.requestor import AssociationError, NotAccepted, SourceFailed
from gateway.sdk.move.destination import NoRoute
from workers.archive.index.records import IndexFailure
from workers.archive.objects.store_failure import StoreFailure

_NOT_SUPPORTED, _DUPLICATE, _NO_RESOURCES = 0x0122, 0x0111, 0x0213


class SendVerdict(Enum):
    """What becomes of an instance."""

    DONE = "sent"
    GONE = "removed from the archive"
    AGAIN = "failed"
    """It is tried again after a pause of its own."""
    LOST = "no response"
    """The same, and the destination gets a pause."""
    FULL = "out of resources"
    """It waits until the pause of the destination is over; the attempt does not count."""
    NO_ROUTE = "unreachable"
    """The same, or another destination takes it."""
    PARK = "refused"
    LATER = "index"
    """The index could not be read: it is tried again, and nothing counts."""
    LATE = "too late"
    """It is parked because it was not delivered in time."""


class SendOutcome(NamedTuple):
    """A verdict, and why."""

    verdict: SendVerdict
    reason: str = ""
    responded: bool = False
    """Whether the destination has responded, so that it is not down."""
    pause: float = 0.0
    """Seconds for which the destination asks not to be tried again."""
    is_about_syntax: bool = False
    """A DICOMweb service may take the instance in another transfer syntax."""


def of_status(status: int) -> SendOutcome:
    """Return the outcome of a C-STORE response (PS3.4 B.2.3, PS3.7 C)."""
    kind = category(status)
    if kind in (Category.SUCCESS, Category.WARNING) or status == _DUPLICATE:
        return SendOutcome(
            SendVerdict.DONE, "" if kind is Category.SUCCESS else f"status {status:04X}", True
        )
    text = f"the destination answered {status:04X}"
    if status == _NO_RESOURCES or 0xA700 <= status <= 0xA7FF:
        return SendOutcome(SendVerdict.FULL, f"{text}: out of resources")
    if status == _NOT_SUPPORTED:
        return SendOutcome(SendVerdict.PARK, f"{text}: it does not support the SOP class", True)
    if 0xA900 <= status <= 0xA9FF:
        return SendOutcome(
            SendVerdict.PARK, f"{text}: the data set does not match its SOP class", True
        )
    return SendOutcome(SendVerdict.AGAIN, text, True)


def of_error(error: Exception) -> SendOutcome:
    """Return the outcome of an attempt that ended in an error, and not in a response."""
    if isinstance(error, (IndexFailure, StoreFailure)):
        return SendOutcome(SendVerdict.LATER, str(error))
    if isinstance(error, NoRoute):
        return SendOutcome(SendVerdict.NO_ROUTE, str(error))
    if isinstance(error, (NotAccepted, NoContext)):
        return SendOutcome(SendVerdict.PARK, str(error), responded=True)
    if isinstance(error, DatasetError):
        return SendOutcome(SendVerdict.PARK, str(error))
    if isinstance(error, AssociationError) and not isinstance(error, SourceFailed):
        return SendOutcome(SendVerdict.LOST, str(error))
    return SendOutcome(SendVerdict.AGAIN, str(error) or type(error).__name__)
