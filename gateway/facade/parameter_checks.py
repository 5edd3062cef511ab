"""Checks of what is assigned to the parameters of a DIMSE message, by `gateway.dimse_primitives`.

Types and texts of the exceptions are pynetdicom's, because programs show or match them.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pydicom.tag import Tag

from gateway.facade.uid_and_byte_tools import decode_bytes, set_ae, set_uid

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydicom.tag import BaseTag
    from pydicom.uid import UID

log = logging.getLogger("gateway.facade")

_LONGEST_NUMBER = 0xFFFF
_PRIORITIES = (0, 1, 2)


def _uid(label: str, value: Any, _: str) -> UID | None:
    return set_uid(value, label) or None


def _number(label: str, value: Any, _: str) -> int | None:
    """Return a message ID: 0 to 65535, or None."""
    if value is not None and not isinstance(value, int):
        raise TypeError(f"{label} must be an int")
    if value is not None and not 0 <= value <= _LONGEST_NUMBER:
        raise ValueError(f"{label} must be between 0 and {_LONGEST_NUMBER}, inclusive")
    return value


def _count(label: str, value: Any, _: str) -> int | None:
    """Return a number of sub-operations, or None."""
    if value is not None and not isinstance(value, int):
        raise TypeError(f"{label} must be an int")
    if value is not None and value < 0:
        raise ValueError(f"{label} must be greater than or equal to 0")
    return value


def _type_id(keyword: str, value: Any, kind: str) -> int | None:
    if value is not None and not isinstance(value, int):
        raise TypeError(f"'{kind}.{keyword}' must be an int.")
    return value


def _status(value: Any, _: str) -> int | None:
    if value is not None and not isinstance(value, int):
        raise TypeError("DIMSE primitive's 'Status' must be an int")
    return value


def _priority(value: int, _: str) -> int:
    if value not in _PRIORITIES:
        log.warning("Attempted to set Priority parameter to an invalid value")
        raise ValueError("Priority must be 0, 1, or 2")
    return value


def _data_set(keyword: str, value: Any, _: str) -> BytesIO | None:
    if value is not None and not isinstance(value, BytesIO):
        raise TypeError(f"'{keyword}' parameter must be a BytesIO object")
    return value


def _tags(value: Any, kind: str) -> BaseTag | list[BaseTag] | None:
    """Return a list of tags, or one tag if there is one; those of a status are not checked."""
    if value is None or kind != "N_GET":
        return value  # type: ignore[no-any-return]
    try:
        if not isinstance(value, Sequence):
            return Tag(value)
        found = [Tag(tag) for tag in value]
    except (TypeError, ValueError):
        raise ValueError(
            "Attribute Identifier List must be convertible to a pydicom BaseTag or list of BaseTag"
        ) from None
    return found[0] if len(found) == 1 else found


def _text(value: Any, label: str) -> Any:
    """Return a title that may have been given as bytes."""
    if not isinstance(value, bytes):
        return value
    text = f"The use of bytes with '{label}' is deprecated, use an ASCII str instead"
    warnings.warn(text, DeprecationWarning, stacklevel=4)
    return decode_bytes(value).strip()


def _destination(value: Any, _: str) -> str | None:
    label = "Move Destination"
    return set_ae(_text(value, label), label, allow_empty=False)


def _originator(value: Any, _: str) -> str | None:
    """Return the title; an invalid one is logged and dropped, as it must not stop a C-MOVE."""
    label = "Move Originator AE Title"
    try:
        return set_ae(_text(value, label), label)
    except ValueError:
        log.error("Invalid '%s' in C-STORE request", label)  # noqa: TRY400 - set_ae has logged it
        return None


CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "AffectedSOPClassUID": partial(_uid, "Affected SOP Class UID"),
    "AffectedSOPInstanceUID": partial(_uid, "Affected SOP Instance UID"),
    "RequestedSOPClassUID": partial(_uid, "Requested SOP Class UID"),
    "RequestedSOPInstanceUID": partial(_uid, "Requested SOP Instance UID"),
    "MessageID": partial(_number, "Message ID"),
    "MessageIDBeingRespondedTo": partial(_number, "Message ID Being Responded To"),
    "MoveOriginatorMessageID": partial(_number, "Move Originator Message ID To"),
    "MoveOriginatorApplicationEntityTitle": _originator,
    "MoveDestination": _destination,
    "Priority": _priority,
    "Status": _status,
    "AttributeIdentifierList": _tags,
    **{f"{name}TypeID": partial(_type_id, f"{name}TypeID") for name in ("Action", "Event")},
    **{
        f"NumberOf{name}Suboperations": partial(_count, f"Number of {name} Suboperations")
        for name in ("Completed", "Failed", "Remaining", "Warning")
    },
    **{
        name: partial(_data_set, name)
        for name in (
            "ActionInformation", "ActionReply", "AttributeList", "DataSet", "EventInformation",
            "EventReply", "Identifier", "ModificationList",
        )
    },
}  # fmt: skip
"""Parameter -> a function of the assigned value and the type's name."""
