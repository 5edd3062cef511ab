"""Data sets on their way out, and responses as the data sets that users get."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from gateway.datasets import DatasetError, NotDicom, identify
from gateway.datasets.coding import any_uid, decode
from gateway.datasets.conversion import fit, syntax_of
from gateway.dimse import message as dimse
from gateway.dimse.status import Category, category
from gateway.facade import config_flags

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from gateway.datasets import Instance
    from gateway.dimse.message import Request
    from gateway.requestor import Answered
    from gateway.ul.negotiation import AcceptedContext

    Answers = tuple[Dataset, Dataset | None]

log = logging.getLogger("gateway.facade")

_UNDECODABLE = 0x0110
_COMMENTED = ("ErrorComment", "OffendingElement")
_COUNTERS = tuple(
    f"NumberOf{which}Suboperations" for which in ("Remaining", "Completed", "Failed", "Warning")
)
_NORMALIZED = ("ErrorComment", "ErrorID")
_LISTED = (*_NORMALIZED, "AttributeIdentifierList")

_TOLD: dict[type[Request], tuple[str, ...]] = {
    dimse.CEchoRQ: ("ErrorComment",),
    dimse.CStoreRQ: _COMMENTED,
    dimse.CFindRQ: _COMMENTED,
    dimse.CGetRQ: (*_COMMENTED, *_COUNTERS),
    dimse.CMoveRQ: (*_COMMENTED, *_COUNTERS),
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


def identify_file(path: Path) -> Instance:
    path.stat()  # FileNotFoundError, where there is nothing
    try:
        return identify(path)
    except NotDicom as error:
        raise InvalidDicomError(f"{path}: {error}") from None


def _check_uids(data_set: Dataset) -> None:
    missing = [name for name in ("SOPClassUID", "SOPInstanceUID") if name not in data_set]
    if missing:
        raise AttributeError(
            "Unable to send the dataset as one or more required element are missing: "
            + ", ".join(missing)
        )


def _named_syntax(data_set: Dataset) -> str:
    meta = getattr(data_set, "file_meta", None)
    named = getattr(meta, "TransferSyntaxUID", None)
    if not named:
        raise AttributeError(
            "Unable to determine the presentation context to use with `dataset` as it contains no "
            "'(0002,0010) Transfer Syntax UID' file meta information element"
        )
    return _agreed(str(named), data_set)


def _agreed(named: str, data_set: Dataset) -> str:
    """The named transfer syntax, or the one that the values are really in where that is known."""
    implicit, little = data_set.original_encoding
    syntax = any_uid(named)
    if implicit is None or little is None or not syntax.is_transfer_syntax:
        return named
    if (syntax.is_implicit_VR, syntax.is_little_endian) == (implicit, little):
        return named
    real = any_uid(syntax_of(_without_meta(data_set)))
    if (implicit, little) == (False, True):
        raise AttributeError(
            f"'dataset' is encoded as {real.name} but its file meta information says "
            f"{syntax.name} - please set an appropriate Transfer Syntax"
        )
    log.warning("the data set is encoded as %s, not %s as it says", real.name, syntax.name)
    return str(real)


def _without_meta(data_set: Dataset) -> Dataset:
    bare = Dataset()
    bare.set_original_encoding(*data_set.original_encoding)
    return bare


def fitted(
    data_set: Dataset, contexts: Collection[AcceptedContext]
) -> tuple[AcceptedContext, Instance]:
    """Return the context to send a data set on, and the data set encoded for it."""
    _check_uids(data_set)
    return fit(data_set, contexts, _named_syntax(data_set))


def status_of(request: Request, answered: Answered) -> Dataset:
    status = Dataset()
    status.Status = answered.status
    parameters = answered.response.parameters()
    for keyword in _TOLD[type(request)]:
        if keyword in parameters:
            setattr(status, keyword, parameters[keyword])
    return status


def with_data_set(status: Dataset, answered: Answered, context: AcceptedContext) -> Answers:
    """The data set of an N-service's response: empty if it could have one and has none."""
    if answered.category not in (Category.SUCCESS, Category.WARNING):
        return status, None
    if not answered.data_set:
        return status, Dataset()
    decoded = _decode(answered.data_set, context)
    if decoded is None:
        status.Status = _UNDECODABLE
    return status, decoded


def identifier_of(request: Request, answered: Answered, context: AcceptedContext) -> Dataset | None:
    """Of a match in C-FIND; of what failed, at the end of C-GET and C-MOVE."""
    wanted = category(answered.status) is Category.PENDING
    if not isinstance(request, dimse.CFindRQ):
        wanted = not wanted and answered.category is not Category.SUCCESS
    if not wanted or not answered.data_set:
        return None
    decoded = _decode(answered.data_set, context)
    if config_flags.LOG_RESPONSE_IDENTIFIERS and decoded is not None:
        log.info("response identifier:\n%s", decoded)
    return decoded


def _decode(data: bytes, context: AcceptedContext) -> Dataset | None:
    try:
        return decode(data, context.transfer_syntax)
    except DatasetError:
        log.exception("the data set of a response cannot be decoded")
        return None
