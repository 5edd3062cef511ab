"""The two sides of an association in the requestor role, as programs see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.datasets.coding import any_uid
from gateway.facade.address_information import AddressInformation
from gateway.facade.negotiation_items import (
    AsynchronousOperationsWindowNegotiation,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from gateway.sdk.assoc import HasMode
from gateway.ul.items import UserInformation

if TYPE_CHECKING:
    from pydicom.uid import UID

    from gateway.facade.presentation_contexts import PresentationContext


_UNKNOWN = UserInformation(0)
"""The user information of an acceptor that has not answered yet."""


@dataclass(slots=True)
class ServiceUserView(HasMode):
    """One side by its user information (PS3.7 D.3.3), with pynetdicom's types of items."""

    mode: str
    """requestor or acceptor."""
    ae_title: str
    address: str
    port: int
    said: UserInformation = field(default=_UNKNOWN, repr=False)
    requested_contexts: list[PresentationContext] = field(default_factory=list, repr=False)
    supported_contexts: list[PresentationContext] = field(default_factory=list, repr=False)

    @property
    def address_info(self) -> AddressInformation:
        return AddressInformation(self.address, self.port)

    @property
    def maximum_length(self) -> int | None:
        return None if self.said is _UNKNOWN else self.said.maximum_length

    @property
    def implementation_class_uid(self) -> UID | None:
        uid = self.said.implementation_class_uid
        return any_uid(uid) if uid else None

    @property
    def implementation_version_name(self) -> str | None:
        return self.said.implementation_version_name or None

    @property
    def asynchronous_operations(self) -> tuple[int, int]:
        window = self.said.async_ops
        return (window.invoked, window.performed) if window else (1, 1)

    @property
    def user_identity(self) -> UserIdentityNegotiation | None:
        item = self.said.user_identity
        return UserIdentityNegotiation.of(item) if item else None

    @property
    def role_selection(self) -> dict[UID, SCP_SCU_RoleSelectionNegotiation]:
        return {
            any_uid(role.sop_class_uid): SCP_SCU_RoleSelectionNegotiation(
                any_uid(role.sop_class_uid), role.scu_role, role.scp_role
            )
            for role in self.said.roles
        }

    @property
    def sop_class_extended(self) -> dict[UID, bytes]:
        return {
            any_uid(item.sop_class_uid): item.application_information
            for item in self.said.sop_class_extended
        }

    @property
    def sop_class_common_extended(self) -> dict[UID, SOPClassCommonExtendedNegotiation]:
        return {
            any_uid(item.sop_class_uid): SOPClassCommonExtendedNegotiation(
                item.sop_class_uid, item.service_class_uid, list(item.related_general_sop_classes)
            )
            for item in self.said.sop_class_common_extended
        }

    @property
    def extended_negotiation(self) -> list[Any]:
        """The negotiation items, without maximum length and implementation identification."""
        items: list[Any] = [*self.role_selection.values()]
        if self.said.async_ops:
            items.append(AsynchronousOperationsWindowNegotiation(*self.asynchronous_operations))
        if (identity := self.user_identity) is not None:
            items.append(identity)
        extended = self.sop_class_extended.items()
        items += [SOPClassExtendedNegotiation(uid, info) for uid, info in extended]
        return [*items, *self.sop_class_common_extended.values()]

    @property
    def info(self) -> dict[str, Any]:
        info: dict[str, Any] = {
            "ae_title": self.ae_title,
            "address": self.address,
            "port": self.port,
            "mode": self.mode,
        }
        return info if self.said is _UNKNOWN else {**info, "pdv_size": self.maximum_length}
