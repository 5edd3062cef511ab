"""The titles, timeouts and limits of an application entity."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gateway.datasets.coding import any_uid
from gateway.facade import argument_checks as checks
from gateway.uid import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

if TYPE_CHECKING:
    from pydicom.uid import UID

    from gateway.facade.association import Association

log = logging.getLogger("gateway.facade")

DEFAULT_MAX_LENGTH = 16382
"""pynetdicom's maximum length of a P-DATA-TF; the gateway itself receives longer ones."""


class _Timeout:
    """A timeout of an AE in seconds, None for no limit.

    A change also holds for the associations that `associate` returned. What is not a number is
    replaced by the default, with a warning.
    """

    def __init__(self, default: float | None) -> None:
        self._default = default

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, entity: Any, _: type | None = None) -> float | None:
        value: float | None = entity._timeouts.get(self._name, self._default)
        return value

    def __set__(self, entity: Any, value: float | None) -> None:
        value = checks.timeout(value, self._name, self._default)
        if self._default is None:
            value = value or None
        entity._timeouts[self._name] = value
        for assoc in entity._requested_associations():
            setattr(assoc, self._name, value)


class EntitySettings:
    """The part of an AE that is set before it does something."""

    acse_timeout = _Timeout(30.0)
    """To the answer to an A-ASSOCIATE or A-RELEASE."""
    connection_timeout = _Timeout(None)
    """To a TCP or TLS connection; 0 means no limit too."""
    dimse_timeout = _Timeout(30.0)
    """To each response."""
    network_timeout = _Timeout(60.0)
    """Without anything received or sent, until the association is aborted."""

    def __init__(self, ae_title: str) -> None:
        self._timeouts: dict[str, float | None] = {}
        self._ae_title = checks.ae_title(ae_title)
        self._implementation_class_uid = any_uid(IMPLEMENTATION_CLASS_UID)
        self._implementation_version_name: str | None = IMPLEMENTATION_VERSION_NAME
        self._maximum_associations = 10
        self._maximum_pdu_size = DEFAULT_MAX_LENGTH
        self._require_calling_aet: list[str] = []
        self.require_called_aet = False
        """Servers reject an association whose called AE title is not theirs."""

    def _requested_associations(self) -> list[Association]:
        """Return the established associations in the requestor role."""
        return []

    @property
    def ae_title(self) -> str:
        """The AE title of this side: 1 to 16 characters (PS3.5 6.2)."""
        return self._ae_title

    @ae_title.setter
    def ae_title(self, value: str) -> None:
        self._ae_title = checks.ae_title(value)

    @property
    def implementation_class_uid(self) -> UID:
        """The implementation class UID of this side (PS3.7 D.3.3.2)."""
        return self._implementation_class_uid

    @implementation_class_uid.setter
    def implementation_class_uid(self, value: str) -> None:
        uid = checks.uid(value, "implementation_class_uid")
        if not uid.is_valid:
            raise ValueError(f"Invalid 'implementation_class_uid' value '{value}'")
        self._implementation_class_uid = uid

    @property
    def implementation_version_name(self) -> str | None:
        """The implementation version name of this side, 1 to 16 characters; None: none."""
        return self._implementation_version_name

    @implementation_version_name.setter
    def implementation_version_name(self, value: str | None) -> None:
        if value is not None:
            checks.ae_title(value, "implementation_version_name")
        self._implementation_version_name = value

    @property
    def require_calling_aet(self) -> list[str]:
        """The calling AE titles that servers accept; empty: any."""
        return self._require_calling_aet

    @require_calling_aet.setter
    def require_calling_aet(self, ae_titles: list[str]) -> None:
        if isinstance(ae_titles, str):
            raise TypeError("'require_calling_aet' must be a list of str")
        titles = [checks.ae_title(title, "require_calling_aet") for title in ae_titles]
        self._require_calling_aet = [title.strip() for title in titles]

    @property
    def maximum_associations(self) -> int:
        """The number of associations that a server has at once; further ones are rejected."""
        return self._maximum_associations

    @maximum_associations.setter
    def maximum_associations(self, value: int) -> None:
        if isinstance(value, int) and value >= 1:
            self._maximum_associations = value
        else:
            log.warning("maximum_associations set to 1")
            self._maximum_associations = 1

    @property
    def maximum_pdu_size(self) -> int:
        """The longest P-DATA-TF that a server receives, in bytes; 0: any (PS3.8 D.1)."""
        return self._maximum_pdu_size

    @maximum_pdu_size.setter
    def maximum_pdu_size(self, value: int) -> None:
        if value >= 0:
            self._maximum_pdu_size = value
        else:
            log.warning("maximum_pdu_size set to %d", DEFAULT_MAX_LENGTH)
            self._maximum_pdu_size = DEFAULT_MAX_LENGTH
