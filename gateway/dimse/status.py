"""Status codes and their classes (PS3.7 annex C)."""

from __future__ import annotations

from enum import StrEnum


class Category(StrEnum):
    """The classes of status codes (PS3.7 C.1 to C.5), and UNKNOWN for all other codes."""

    SUCCESS = "Success"
    WARNING = "Warning"
    FAILURE = "Failure"
    CANCEL = "Cancel"
    PENDING = "Pending"
    UNKNOWN = "Unknown"


SUCCESS = 0x0000
WARNING = 0x0001
NO_SUCH_ATTRIBUTE = 0x0105
INVALID_ATTRIBUTE_VALUE = 0x0106
ATTRIBUTE_LIST_ERROR = 0x0107
PROCESSING_FAILURE = 0x0110
DUPLICATE_SOP_INSTANCE = 0x0111
NO_SUCH_SOP_INSTANCE = 0x0112
NO_SUCH_EVENT_TYPE = 0x0113
NO_SUCH_ARGUMENT = 0x0114
INVALID_ARGUMENT_VALUE = 0x0115
ATTRIBUTE_VALUE_OUT_OF_RANGE = 0x0116
INVALID_SOP_INSTANCE = 0x0117
NO_SUCH_SOP_CLASS = 0x0118
CLASS_INSTANCE_CONFLICT = 0x0119
MISSING_ATTRIBUTE = 0x0120
MISSING_ATTRIBUTE_VALUE = 0x0121
SOP_CLASS_NOT_SUPPORTED = 0x0122
NO_SUCH_ACTION_TYPE = 0x0123
NOT_AUTHORIZED = 0x0124
DUPLICATE_INVOCATION = 0x0210
UNRECOGNIZED_OPERATION = 0x0211
MISTYPED_ARGUMENT = 0x0212
RESOURCE_LIMITATION = 0x0213
OUT_OF_RESOURCES = 0xA700
UNABLE_TO_COUNT_MATCHES = 0xA701
UNABLE_TO_PERFORM_SUBOPERATIONS = 0xA702
MOVE_DESTINATION_UNKNOWN = 0xA801
DATA_SET_DOES_NOT_MATCH = 0xA900
COERCION_OF_DATA_ELEMENTS = 0xB000
SUBOPERATIONS_FAILED = 0xB000
RESPONSE_LIMIT = 0xB001
CANNOT_UNDERSTAND = 0xC000
CANCEL = 0xFE00
PENDING = 0xFF00
PENDING_WARNING = 0xFF01

_WARNINGS = frozenset({WARNING, ATTRIBUTE_LIST_ERROR, ATTRIBUTE_VALUE_OUT_OF_RANGE})
_SINGLE = {
    SUCCESS: Category.SUCCESS,
    CANCEL: Category.CANCEL,
    PENDING: Category.PENDING,
    PENDING_WARNING: Category.PENDING,
}


def category(status: int) -> Category:
    """Return the class of a status code, for any service (PS3.7 annex C).

    A code without a class is UNKNOWN: it is final, and never a success.
    """
    if (single := _SINGLE.get(status)) is not None:
        return single
    if status in _WARNINGS or 0xB000 <= status <= 0xBFFF:
        return Category.WARNING
    if 0xA000 <= status <= 0xAFFF or 0xC000 <= status <= 0xCFFF or 0x0100 <= status <= 0x02FF:
        return Category.FAILURE
    return Category.UNKNOWN


def has_data_set(status: int) -> bool:
    """Tell whether a DIMSE-N response with this status may have a data set (PS3.7 10.1)."""
    return category(status) in (Category.SUCCESS, Category.WARNING)


def is_pending(status: int) -> bool:
    """Return whether more responses to the same request follow."""
    return status in (PENDING, PENDING_WARNING)
