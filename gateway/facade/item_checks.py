"""Checks of what is assigned to the attributes of negotiation items and contexts.

The exceptions are pynetdicom's: TypeError for a wrong type, ValueError for a wrong value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydicom.uid import UID

from gateway.datasets.coding import any_uid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LONGEST_UID = 64


class CheckedItem:
    """A dataclass whose attributes are checked when they are assigned."""

    checks: ClassVar[Mapping[str, Callable[[Any, str], Any]]] = {}
    """Attribute -> a function of value and name that returns the value to keep, or raises."""

    def __setattr__(self, name: str, value: Any) -> None:
        check = self.checks.get(name)
        super().__setattr__(name, value if check is None else check(value, name))


def optional_uid(value: Any, name: str) -> UID | None:
    """Return a UID of at most 64 characters as pydicom's type, or None."""
    if value is None or isinstance(value, UID):
        return value
    text = value.decode("ascii") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise TypeError(f"'{name}' must be str, bytes or UID, not '{type(value).__name__}'")
    if len(text) > _LONGEST_UID:
        raise ValueError(f"Invalid '{name}' value - a UID has at most 64 characters")
    return any_uid(text)


def uid_list(value: Any, name: str) -> list[UID]:
    """Return a list of UIDs."""
    if not isinstance(value, list):
        raise TypeError(f"'{name}' must be a list of UIDs")
    found = [optional_uid(one, name) for one in value]
    return [one for one in found if one is not None]


def boolean(value: Any, name: str) -> bool:
    """Return a bool."""
    if not isinstance(value, bool):
        raise TypeError(f"'{name}' must be bool, not '{type(value).__name__}'")
    return value


def optional_boolean(value: Any, name: str) -> bool | None:
    """Return a bool or None."""
    return None if value is None else boolean(value, name)


def optional_bytes(value: Any, name: str) -> bytes | None:
    """Return bytes or None."""
    if value is not None and not isinstance(value, bytes):
        raise TypeError(f"'{name}' must be bytes, not '{type(value).__name__}'")
    return value


def number(value: Any, name: str) -> int:
    """Return an int that is not negative."""
    if not isinstance(value, int):
        raise TypeError(f"'{name}' must be int, not '{type(value).__name__}'")
    if value < 0:
        raise ValueError(f"'{name}' must not be negative")
    return value


def identity_type(value: Any, name: str) -> int | None:
    """Return a user identity type, 1 to 5, or None (PS3.7 D.3.3.7)."""
    if value is None:
        return None
    if number(value, name) not in range(1, 6):
        raise ValueError(f"'{name}' must be 1 to 5, not {value!r}")
    return int(value)
