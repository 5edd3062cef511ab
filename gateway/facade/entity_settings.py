"""What an application entity is called, and how long and how much it bears."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.datasets.coding import any_uid
from gateway.facade import argument_checks as checks
from gateway.uid import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

if TYPE_CHECKING:
    from pydicom.uid import UID

    from gateway.facade.association import Association

log = logging.getLogger("gateway.facade")

DEFAULT_MAX_LENGTH = 16382
_TIMEOUT = 30.0
_IDLE = 60.0


class EntitySettings:
    """The part of an AE that is set before it does something."""

    def __init__(self, ae_title: str) -> None:
        self._ae_title = checks.ae_title(ae_title)
        self._implementation_class_uid = any_uid(IMPLEMENTATION_CLASS_UID)
        self._implementation_version_name: str | None = IMPLEMENTATION_VERSION_NAME
        self._maximum_associations = 10
        self._maximum_pdu_size = DEFAULT_MAX_LENGTH
        self._acse_timeout: float | None = _TIMEOUT
        self._connection_timeout: float | None = None
        self._dimse_timeout: float | None = _TIMEOUT
        self._network_timeout: float | None = _IDLE
        self._require_calling_aet: list[str] = []
        self.require_called_aet = False
        """Servers reject what calls another AE title than theirs."""

    def _requested_associations(self) -> list[Association]:
        return []

    # who it is

    @property
    def ae_title(self) -> str:
        return self._ae_title

    @ae_title.setter
    def ae_title(self, value: str) -> None:
        self._ae_title = checks.ae_title(value)

    @property
    def implementation_class_uid(self) -> UID:
        return self._implementation_class_uid

    @implementation_class_uid.setter
    def implementation_class_uid(self, value: str) -> None:
        uid = checks.uid(value, "implementation_class_uid")
        if not uid.is_valid:
            raise ValueError(f"Invalid 'implementation_class_uid' value '{value}'")
        self._implementation_class_uid = uid

    @property
    def implementation_version_name(self) -> str | None:
        return self._implementation_version_name

    @implementation_version_name.setter
    def implementation_version_name(self, value: str | None) -> None:
        if value is not None:
            checks.ae_title(value, "implementation_version_name")
        self._implementation_version_name = value

    @property
    def require_calling_aet(self) -> list[str]:
        """Calling AE titles that servers admit; empty: any."""
        return self._require_calling_aet

    @require_calling_aet.setter
    def require_calling_aet(self, ae_titles: list[str]) -> None:
        if isinstance(ae_titles, str):
            raise TypeError("'require_calling_aet' must be a list of str")
        titles = [checks.ae_title(title, "require_calling_aet") for title in ae_titles]
        self._require_calling_aet = [title.strip() for title in titles]

    # limits

    @property
    def maximum_associations(self) -> int:
        """Associations that a server has at once; one more is rejected."""
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
        """Largest P-DATA-TF that a server takes; 0: any."""
        return self._maximum_pdu_size

    @maximum_pdu_size.setter
    def maximum_pdu_size(self, value: int) -> None:
        if value >= 0:
            self._maximum_pdu_size = value
        else:
            log.warning("maximum_pdu_size set to %d", DEFAULT_MAX_LENGTH)
            self._maximum_pdu_size = DEFAULT_MAX_LENGTH

    @property
    def acse_timeout(self) -> float | None:
        return self._acse_timeout

    @acse_timeout.setter
    def acse_timeout(self, value: float | None) -> None:
        self._acse_timeout = checks.timeout(value, "acse_timeout", _TIMEOUT)
        for assoc in self._requested_associations():
            assoc.acse_timeout = self._acse_timeout

    @property
    def connection_timeout(self) -> float | None:
        return self._connection_timeout

    @connection_timeout.setter
    def connection_timeout(self, value: float | None) -> None:
        self._connection_timeout = checks.timeout(value, "connection_timeout", None) or None

    @property
    def dimse_timeout(self) -> float | None:
        return self._dimse_timeout

    @dimse_timeout.setter
    def dimse_timeout(self, value: float | None) -> None:
        self._dimse_timeout = checks.timeout(value, "dimse_timeout", _TIMEOUT)
        for assoc in self._requested_associations():
            assoc.dimse_timeout = self._dimse_timeout

    @property
    def network_timeout(self) -> float | None:
        return self._network_timeout

    @network_timeout.setter
    def network_timeout(self, value: float | None) -> None:
        self._network_timeout = checks.timeout(value, "network_timeout", _IDLE)
        for assoc in self._requested_associations():
            assoc.network_timeout = self._network_timeout
