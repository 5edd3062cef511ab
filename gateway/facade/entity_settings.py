"""The titles, timeouts and limits of an application entity."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gateway.datasets.coding import any_uid
from gateway.facade import argument_checks as checks
from gateway.facade.uid_and_byte_tools import set_ae
from gateway.uid import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydicom.uid import UID

log = logging.getLogger("gateway.facade")

DEFAULT_MAX_LENGTH = 16382
"""pynetdicom's maximum length of a P-DATA-TF; the gateway itself receives longer ones."""

Value = TypeVar("Value")


class _Setting(Generic[Value]):
    """An attribute of an AE; `check` returns the value to keep, from a value and the name."""

    def __init__(self, check: Callable[[Any, str], Value], default: Value) -> None:
        self._check = check
        self._default = default

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, entity: Any, _: type | None = None) -> Value:
        if entity is None:
            return self  # type: ignore[return-value]
        value: Value = entity._settings.get(self._name, self._default)
        return value

    def __set__(self, entity: Any, value: Any) -> None:
        before = self.__get__(entity)
        entity._settings[self._name] = after = self._check(value, self._name)
        if after != before:
            entity._tell_servers()


class _EntityTimeout(_Setting[float | None]):
    """A timeout in seconds, None for no limit; what is not a number becomes the default.

    A change also holds for the associations that `associate` returned.
    """

    def __init__(self, default: float | None) -> None:
        super().__init__(self._check_timeout, default)

    def _check_timeout(self, value: Any, name: str) -> float | None:
        checked = checks.timeout(value, name, self._default)
        return checked if self._default is not None else checked or None

    def __set__(self, entity: Any, value: Any) -> None:
        super().__set__(entity, value)
        for assoc in entity._requested_associations():
            setattr(assoc, self._name, entity._settings[self._name])


def _class_uid(value: Any, name: str) -> UID:
    uid = checks.uid(value, name)
    if not uid.is_valid:
        raise ValueError(f"Invalid '{name}' value '{value}'")
    return uid


def _version_name(value: Any, name: str) -> str | None:
    return set_ae(value, name, allow_empty=value != "")  # spaces only are a name


def _number_or(default: int, least: int) -> Callable[[Any, str], int]:
    def check(value: Any, name: str) -> int:
        if isinstance(value, int) and value >= least:
            return value
        log.warning("%s set to %d", name, default)
        return default

    return check


class EntitySettings:
    """The part of an AE that is set before it does something.

    TypeError and ValueError say what is allowed; a number that is not valid is replaced by the
    default, with a warning.
    """

    ae_title = _Setting(checks.ae_title, "")
    """The AE title of this side: 1 to 16 characters (PS3.5 6.2)."""
    implementation_class_uid = _Setting(_class_uid, any_uid(IMPLEMENTATION_CLASS_UID))
    """The implementation class UID of this side (PS3.7 D.3.3.2)."""
    implementation_version_name: _Setting[str | None] = _Setting(
        _version_name, IMPLEMENTATION_VERSION_NAME
    )
    """The implementation version name of this side, 1 to 16 characters; None: none."""
    require_calling_aet: _Setting[list[str]] = _Setting(checks.ae_titles, [])
    """The calling AE titles that servers accept; empty: any."""
    require_called_aet: _Setting[bool] = _Setting(lambda value, _name: bool(value), False)
    """Servers reject an association whose called AE title is not theirs."""
    maximum_associations = _Setting(_number_or(1, least=1), 10)
    """The number of associations that a server has at once; further ones are rejected."""
    maximum_pdu_size = _Setting(_number_or(DEFAULT_MAX_LENGTH, least=0), DEFAULT_MAX_LENGTH)
    """The longest P-DATA-TF that a server receives, in bytes; 0: any (PS3.8 D.1)."""
    acse_timeout = _EntityTimeout(30)
    """To the answer to an A-ASSOCIATE or A-RELEASE."""
    connection_timeout = _EntityTimeout(None)
    """To a TCP or TLS connection; 0 means no limit too."""
    dimse_timeout = _EntityTimeout(30)
    """To each response."""
    network_timeout = _EntityTimeout(60)
    """Without anything received or sent, until the association is aborted."""

    def __init__(self, ae_title: str) -> None:
        self._settings: dict[str, Any] = {}
        self.ae_title = ae_title
        self.require_calling_aet = []

    def _tell_servers(self) -> None:
        """Have servers that run use another value of a setting."""

    def _requested_associations(self) -> Sequence[object]:
        return ()


def seconds(timeout: float | None) -> float:
    """Return a timeout in which infinity, and not None, means no limit."""
    return math.inf if timeout is None else float(timeout)
