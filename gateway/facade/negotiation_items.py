"""Negotiation items for `ext_neg`, by pynetdicom's names (PS3.7 D.3.3).

An item may be created empty and filled in. What is assigned is checked at once; `AE.associate`
checks that the item is complete, and raises ValueError.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from gateway.facade import item_checks as check
from gateway.facade.item_checks import CheckedItem
from gateway.facade.pynetdicom_names import no_name
from gateway.sdk.acse_primitives import (
    AbortPrimitive,
    AssociatePrimitive,
    ProviderAbortPrimitive,
    ReleasePrimitive,
)
from gateway.ul import items as ul

if TYPE_CHECKING:
    from collections.abc import Iterable


_TYPES = range(1, 6)
_WITH_PASSCODE = 2


@dataclass
class AsynchronousOperationsWindowNegotiation(CheckedItem):
    """Operations that may be in progress at once (PS3.7 D.3.3.3); 0: any number."""

    checks: ClassVar = {
        "maximum_number_operations_invoked": check.number,
        "maximum_number_operations_performed": check.number,
    }
    maximum_number_operations_invoked: int = 1
    maximum_number_operations_performed: int = 1

    def __str__(self) -> str:
        return (
            "Asynchronous Operations Window\n"
            f"  Maximum number operations invoked: {self.maximum_number_operations_invoked}\n"
            f"  Maximum number operations performed: {self.maximum_number_operations_performed}\n"
        )

    def item(self) -> ul.AsyncOperationsWindow:
        """Return the sub-item as it is sent; raise ValueError."""
        numbers = (self.maximum_number_operations_invoked, self.maximum_number_operations_performed)
        for number in numbers:
            if not isinstance(number, int) or not 0 <= number <= 0xFFFF:
                raise ValueError(f"a number of operations must be 0 to 65535, not {number!r}")
        return ul.AsyncOperationsWindow(*numbers)


@dataclass
class SCP_SCU_RoleSelectionNegotiation(CheckedItem):  # noqa: N801 - pynetdicom's
    """Roles of the requestor for a SOP class (PS3.7 D.3.3.4); `build_role` is shorter."""

    checks: ClassVar = {
        "sop_class_uid": check.optional_uid,
        "scu_role": check.optional_boolean,
        "scp_role": check.optional_boolean,
    }
    sop_class_uid: str | None = None
    scu_role: bool | None = None
    scp_role: bool | None = None

    def item(self) -> ul.RoleSelection:
        """Return the sub-item as it is sent; raise ValueError."""
        if not self.scu_role and not self.scp_role:
            raise ValueError("role selection needs scu_role or scp_role to be True")
        uid = _uid(self.sop_class_uid, "sop_class_uid")
        return ul.RoleSelection(uid, bool(self.scu_role), bool(self.scp_role))


@dataclass
class SOPClassExtendedNegotiation(CheckedItem):
    """Service class application information (PS3.7 D.3.3.5)."""

    checks: ClassVar = {
        "sop_class_uid": check.optional_uid,
        "service_class_application_information": check.optional_bytes,
    }
    sop_class_uid: str | None = None
    service_class_application_information: bytes | None = None

    def item(self) -> ul.SopClassExtended:
        """Return the sub-item as it is sent; raise ValueError."""
        information = self.service_class_application_information
        if not isinstance(information, bytes):
            raise ValueError("service_class_application_information must be bytes")
        return ul.SopClassExtended(_uid(self.sop_class_uid, "sop_class_uid"), information)


@dataclass
class SOPClassCommonExtendedNegotiation(CheckedItem):
    """The service class and general SOP classes of a SOP class (PS3.7 D.3.3.6)."""

    checks: ClassVar = {
        "sop_class_uid": check.optional_uid,
        "service_class_uid": check.optional_uid,
        "related_general_sop_class_identification": check.uid_list,
    }
    sop_class_uid: str | None = None
    service_class_uid: str | None = None
    related_general_sop_class_identification: list[str] = field(default_factory=list)

    def item(self) -> ul.SopClassCommonExtended:
        """Return the sub-item as it is sent; raise ValueError."""
        return ul.SopClassCommonExtended(
            _uid(self.sop_class_uid, "sop_class_uid"),
            _uid(self.service_class_uid, "service_class_uid"),
            tuple(str(uid) for uid in self.related_general_sop_class_identification),
        )


@dataclass
class UserIdentityNegotiation(CheckedItem):
    """The user of the requestor (PS3.7 D.3.3.7); `repr` leaves its secrets out."""

    checks: ClassVar = {
        "user_identity_type": check.identity_type,
        "positive_response_requested": check.boolean,
        "primary_field": check.optional_bytes,
        "secondary_field": check.optional_bytes,
        "server_response": check.optional_bytes,
    }
    user_identity_type: int | None = None
    """1 user name, 2 user name and passcode, 3 Kerberos, 4 SAML, 5 JWT."""
    positive_response_requested: bool = False
    primary_field: bytes | None = field(default=None, repr=False)
    secondary_field: bytes | None = field(default=None, repr=False)
    server_response: bytes | None = field(default=None, repr=False)
    """The acceptor's answer."""

    def __str__(self) -> str:
        lines = ["User Identity Parameters"]
        if self.user_identity_type is not None:
            lines.append(f"  User identity type: {self.user_identity_type}")
            lines.append(f"  Positive response requested: {self.positive_response_requested}")
        secrets = {
            "Primary field": self.primary_field,
            "Secondary field": self.secondary_field,
            "Server response": self.server_response,
        }
        lines += [f"  {name}: {len(secret)} bytes" for name, secret in secrets.items() if secret]
        return "\n".join([*lines, ""])

    def item(self) -> ul.UserIdentityRQ:
        """Return the sub-item as it is sent; raise ValueError."""
        if self.user_identity_type is None or self.user_identity_type not in _TYPES:
            raise ValueError(f"user_identity_type must be 1 to 5, not {self.user_identity_type!r}")
        if self.primary_field is None:
            raise ValueError("user identity needs a primary_field")
        if self.user_identity_type == _WITH_PASSCODE and not self.secondary_field:
            raise ValueError("user_identity_type 2 needs a secondary_field, the passcode")
        passcode = self.secondary_field if self.user_identity_type == _WITH_PASSCODE else None
        return ul.UserIdentityRQ(
            self.user_identity_type,
            self.positive_response_requested,
            self.primary_field,
            passcode or b"",
        )

    @classmethod
    def of(cls, item: ul.UserIdentityRQ | ul.UserIdentityAC) -> UserIdentityNegotiation:
        """Return the item for the sub-item of either side."""
        if isinstance(item, ul.UserIdentityRQ):
            asked = item.positive_response_requested
            made = cls(None, asked, item.primary_field, item.secondary_field)
            object.__setattr__(made, "user_identity_type", item.type)  # perhaps a reserved one
            return made
        return cls(server_response=item.server_response)


@dataclass
class MaximumLengthNotification(CheckedItem):
    """The longest P-DATA-TF that this side receives, in bytes; 0: any (PS3.8 D.1)."""

    checks: ClassVar = {"maximum_length_received": check.number}
    maximum_length_received: int = 16382

    def __str__(self) -> str:
        length = self.maximum_length_received
        return f"Maximum Length Negotiation\n  Maximum length received: {length} bytes\n"

    def option(self) -> dict[str, Any]:
        """Return the argument of a `Proposal`."""
        return {"max_pdu": self.maximum_length_received}


@dataclass
class ImplementationClassUIDNotification(CheckedItem):
    """The implementation class UID of this side (PS3.7 D.3.3.2.1)."""

    checks: ClassVar = {"implementation_class_uid": check.optional_uid}
    implementation_class_uid: str | None = None

    def __str__(self) -> str:
        uid = self.implementation_class_uid
        return f"Implementation Class UID\n  Implementation class UID: {uid}\n"

    def option(self) -> dict[str, Any]:
        """Return the argument of a `Proposal`; raise ValueError."""
        uid = _uid(self.implementation_class_uid, "implementation_class_uid")
        return {"implementation_class_uid": uid}


@dataclass
class ImplementationVersionNameNotification(CheckedItem):
    """The implementation version name of this side (PS3.7 D.3.3.2.3)."""

    checks: ClassVar = {"implementation_version_name": check.optional_title}
    implementation_version_name: str | None = None

    def __str__(self) -> str:
        name = self.implementation_version_name
        return f"Implementation Version Name\n  Implementation version name: {name}\n"

    def option(self) -> dict[str, Any]:
        """Return the argument of a `Proposal`."""
        return {"implementation_version_name": self.implementation_version_name or ""}


Notification: TypeAlias = (
    MaximumLengthNotification
    | ImplementationClassUIDNotification
    | ImplementationVersionNameNotification
)
SubItem: TypeAlias = (
    AsynchronousOperationsWindowNegotiation
    | SCP_SCU_RoleSelectionNegotiation
    | SOPClassExtendedNegotiation
    | SOPClassCommonExtendedNegotiation
    | UserIdentityNegotiation
)
Item: TypeAlias = SubItem | Notification


def proposal_options(items: Iterable[Item]) -> dict[str, Any]:
    """Return the items of `ext_neg` as arguments of a `Proposal`; raise TypeError, ValueError."""
    roles: dict[str, tuple[bool, bool]] = {}
    extended: dict[str, bytes] = {}
    common: list[ul.SopClassCommonExtended] = []
    found: dict[str, Any] = {"roles": roles, "extended": extended}
    for item in items:
        if isinstance(item, Notification):
            found |= item.option()
            continue
        match _sub_item(item):
            case ul.RoleSelection(sop_class_uid=uid, scu_role=scu, scp_role=scp):
                roles[str(uid)] = (bool(scu), bool(scp))
            case ul.SopClassExtended(sop_class_uid=uid, application_information=information):
                extended[uid] = information
            case ul.SopClassCommonExtended() as one:
                common.append(one)
            case ul.AsyncOperationsWindow(invoked=invoked, performed=performed):
                found["async_ops"] = (invoked, performed)
            case ul.UserIdentityRQ() as identity:
                found["identity"] = identity
    return {**found, "common_extended": tuple(common)}


def _sub_item(item: Any) -> Any:
    if not isinstance(item, SubItem):
        raise TypeError(
            f"ext_neg has items of gateway.pdu_primitives, or of build_role, not {item!r:.80}"
        )
    return item.item()


def _uid(value: str | None, name: str) -> str:
    if not value:
        raise ValueError(f"{name} is not set")
    return str(value)


A_ASSOCIATE = AssociatePrimitive
A_RELEASE = ReleasePrimitive
A_ABORT = AbortPrimitive
A_P_ABORT = ProviderAbortPrimitive


class P_DATA:  # noqa: N801 - pynetdicom's
    """P-DATA (PS3.8 7.6), as a type only: the gateway has `event.pdu` in place of the primitive."""


def __getattr__(name: str) -> Any:
    no_name(__name__, "pdu_primitives", name)
