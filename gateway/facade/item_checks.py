"""Checks of what is assigned to the attributes of negotiation items and contexts.

The exceptions are pynetdicom's: TypeError for a wrong type, ValueError for a wrong value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gateway.facade.uid_and_byte_tools import set_ae, set_uid, validate_uid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydicom.uid import UID

_ACRONYMS = {"sop": "SOP", "uid": "UID", "scu": "SCU", "scp": "SCP"}


class CheckedItem:
    """A dataclass whose attributes are checked when they are assigned."""

    checks: ClassVar[Mapping[str, Callable[[Any, str], Any]]] = {}
    """Attribute -> a function of value and name that returns the value to keep, or raises."""

    def __setattr__(self, name: str, value: Any) -> None:
        check = self.checks.get(name)
        super().__setattr__(name, value if check is None else check(value, _label(name)))


def _label(name: str) -> str:
    """Return what PS3.7 calls the attribute."""
    words = (_ACRONYMS.get(word, word.capitalize()) for word in name.split("_"))
    return " ".join(words)


def optional_uid(value: Any, name: str) -> UID | None:
    """Return a UID of at most 64 characters as pydicom's type, or None."""
    return set_uid(value, name)


def uid_list(value: Any, name: str) -> list[UID]:
    """Return a list of UIDs."""
    if not isinstance(value, list) or not all(isinstance(one, str | bytes) for one in value):
        raise TypeError(f"{name} must be a list of pydicom.uid.UID, str or bytes")
    found = [set_uid(one, name, validate=False) for one in value]
    if not all(one is not None and validate_uid(one) for one in found):
        raise ValueError(f"{name} contains an invalid UID")
    return [one for one in found if one is not None]


def boolean(value: Any, name: str) -> bool:
    """Return a bool."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be boolean")
    return value


def optional_boolean(value: Any, name: str) -> bool | None:
    """Return a bool or None."""
    return None if value is None else boolean(value, name)


def optional_bytes(value: Any, name: str) -> bytes | None:
    """Return bytes or None."""
    if value is not None and not isinstance(value, bytes):
        raise TypeError(f"{name} must be bytes or None, not '{type(value).__name__}'")
    return value


def optional_title(value: Any, name: str) -> str | None:
    """Return an ASCII str of at most 16 characters, or None."""
    return set_ae(value, name)


def number(value: Any, name: str) -> int:
    """Return an int that is not negative."""
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an int")
    if value < 0:
        raise ValueError(f"{name} must not be less than 0")
    return value


def identity_type(value: Any, name: str) -> int | None:
    """Return a user identity type, 1 to 5, or None (PS3.7 D.3.3.7)."""
    if value is None:
        return None
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an int or None")
    if value not in range(1, 6):
        raise ValueError(
            f"{name} must be 1, 2, 3, 4 or 5 if requesting Association, None otherwise"
        )
    return int(value)
