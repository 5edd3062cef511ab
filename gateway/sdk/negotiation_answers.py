"""Check what negotiation handlers return, and convert it to plain values (PS3.7 D.3.3).

Each converter raises TypeError or ValueError with a description of a valid answer.
"""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_US = 0xFFFF
_COMMON = ("sop_class_uid", "service_class_uid", "related_general_sop_class_identification")


def _admission(answer: Any) -> bool | list[int]:
    if isinstance(answer, bool):
        return answer
    words = "True, False or (result, source, reason)"
    result, source, reason = _numbers(answer, 3, words)
    if result not in (1, 2) or source not in (1, 2, 3) or reason > 0xFF:
        raise ValueError(f"{words} of PS3.8 9.3.4")
    return [result, source, reason]


def _window(answer: Any) -> list[int]:
    words = "pair of the numbers of operations invoked and performed"
    numbers = _numbers(answer, 2, words)
    if max(numbers) > _US:
        raise ValueError(words)
    return numbers


def _identity(answer: Any) -> list[Any]:
    match answer:
        case [bool(verified), None | bytes() as response]:
            return [verified, response]
        case _:
            raise TypeError("pair of True or False and a response of bytes or None")


def _extended(answer: Any) -> dict[str, bytes]:
    match answer:
        case dict() if all(isinstance(value, bytes) for value in answer.values()):
            return {str(uid): bytes(value) for uid, value in answer.items()}
        case _:
            raise TypeError("dictionary of SOP class UIDs and bytes")


def _common(answer: Any) -> dict[str, dict[str, Any]]:
    words = "dictionary of SOP class UIDs and items of the request"
    if not isinstance(answer, dict):
        raise TypeError(words)
    if not all(hasattr(item, name) for item in answer.values() for name in _COMMON):
        raise TypeError(words)
    return {
        str(uid): {
            "sop_class_uid": str(item.sop_class_uid),
            "service_class_uid": str(item.service_class_uid),
            _COMMON[2]: [str(u) for u in item.related_general_sop_class_identification],
        }
        for uid, item in answer.items()
    }


def _numbers(answer: Any, length: int, words: str) -> list[int]:
    try:
        numbers = [index(number) for number in answer]
    except TypeError:
        raise TypeError(words) from None
    if len(numbers) != length or min(numbers) < 0:
        raise ValueError(words)
    return numbers


CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    "EVT_ASSOCIATE": _admission,
    "EVT_ASYNC_OPS": _window,
    "EVT_SOP_COMMON": _common,
    "EVT_SOP_EXTENDED": _extended,
    "EVT_USER_ID": _identity,
}
"""The converter of each negotiation event."""
