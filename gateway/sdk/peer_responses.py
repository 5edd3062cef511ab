"""The responses of a peer as programs get them: a status and perhaps a data set.

What a status has, and which responses have a data set, is as in pynetdicom. Only the status of an
N-CREATE has one element more if the peer assigns the UID of the instance.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom.dataset import Dataset

from gateway.datasets import DatasetError
from gateway.datasets.coding import decode
from gateway.datasets.encoded import whole
from gateway.dimse import message as dimse
from gateway.dimse.status import PROCESSING_FAILURE, Category, category

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.dimse.message import Request

    Answers = tuple[Dataset, Dataset | None]
    """The status, and the data set or None."""

log = logging.getLogger("gateway.sdk")

_COMMENTED = ("ErrorComment", "OffendingElement")
_RETRIEVED = (
    *_COMMENTED,
    "NumberOfRemainingSuboperations",
    "NumberOfCompletedSuboperations",
    "NumberOfFailedSuboperations",
    "NumberOfWarningSuboperations",
)
_NORMALIZED = ("ErrorComment", "ErrorID")
_LISTED = (*_NORMALIZED, "AttributeIdentifierList")

_ELEMENTS: dict[type[Request], tuple[str, ...]] = {
    dimse.CEchoRQ: _COMMENTED,
    dimse.CStoreRQ: _COMMENTED,
    dimse.CFindRQ: _COMMENTED,
    dimse.CGetRQ: _RETRIEVED,
    dimse.CMoveRQ: _RETRIEVED,
    dimse.NEventReportRQ: (
        *("AffectedSOPClassUID", "AffectedSOPInstanceUID", "EventTypeID"),
        *_NORMALIZED,
    ),
    dimse.NGetRQ: _LISTED,
    dimse.NSetRQ: _LISTED,
    dimse.NActionRQ: _LISTED,
    dimse.NCreateRQ: _NORMALIZED,
    dimse.NDeleteRQ: _NORMALIZED,
}
"""The elements of a response, beside Status, that a status data set has."""


QUERIES = (dimse.CFindRQ, dimse.CGetRQ, dimse.CMoveRQ)
"""Requests with an identifier, and with several responses."""


class PeerResponse(NamedTuple):
    """A response that was received."""

    status: int
    elements: Mapping[str, Any]
    """The elements of the command set by keyword."""
    data_set: bytes | None
    """Encoded in the transfer syntax of the request's context."""


def answer_of(request: Request, response: PeerResponse, transfer_syntax: str) -> Answers:
    """Return the status of a response, and its data set if it may have one.

    A response that may have a data set and has none gets an empty one. None stands for one that
    cannot be decoded; with a DIMSE-N service the status then becomes 0x0110.
    """
    status = Dataset()
    status.Status = response.status
    for keyword in _elements(request):
        if keyword in response.elements:
            setattr(status, keyword, response.elements[keyword])
    if not _has_data_set(request, category(response.status)):
        return status, None
    if not response.data_set:
        return status, Dataset()
    try:
        return status, decode(whole(response.data_set, transfer_syntax), transfer_syntax)
    except DatasetError as error:
        log.warning("the data set of a response: %s", error)
    if not isinstance(request, QUERIES):
        status.Status = PROCESSING_FAILURE
    return status, None


def _elements(request: Request) -> tuple[str, ...]:
    names = _ELEMENTS[type(request)]
    if isinstance(request, dimse.NCreateRQ) and request.affected_sop_instance_uid is None:
        return (*names, "AffectedSOPInstanceUID")
    return names


def _has_data_set(request: Request, status: Category) -> bool:
    """Tell whether a response may have a data set (PS3.4 C.4, PS3.7 10.1)."""
    match request:
        case dimse.CFindRQ():
            return status is Category.PENDING
        case dimse.CGetRQ() | dimse.CMoveRQ():
            return status in (Category.CANCEL, Category.FAILURE, Category.WARNING)
        case _:
            return status in (Category.SUCCESS, Category.WARNING)
