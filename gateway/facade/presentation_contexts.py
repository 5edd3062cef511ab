"""Presentation contexts to propose and to support (PS3.8 7.1.1.13).

`build_context` makes one. The lists, such as `VerificationPresentationContexts`, have one for each
SOP class of a service class and are built on first use.
"""

from __future__ import annotations

import logging
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway import uid as registry
from gateway.datasets.coding import any_uid
from gateway.dimse.usual_storage import storage_sop_classes, usual_storage_sop_classes
from gateway.facade.negotiation_items import SCP_SCU_RoleSelectionNegotiation
from gateway.facade.pynetdicom_names import names, no_name
from gateway.facade.sop_classes import sop_classes_of
from gateway.facade.uid_and_byte_tools import decode_bytes, set_uid, validate_uid
from gateway.sdk.assoc import RESULTS
from gateway.uid import UidType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydicom.uid import UID

DEFAULT_TRANSFER_SYNTAXES: list[str] = [
    registry.IMPLICIT_VR_LITTLE_ENDIAN,
    registry.EXPLICIT_VR_LITTLE_ENDIAN,
    registry.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    registry.EXPLICIT_VR_BIG_ENDIAN,
]
"""The default of `build_context`."""

ALL_TRANSFER_SYNTAXES: list[str] = list(registry.NETWORK_TRANSFER_SYNTAXES)

_LAST_ID = 255
_ROLES = {
    (True, True): "SCU and SCP",
    (True, False): "SCU only",
    (False, True): "SCP only",
    (False, False): "(none)",
}

log = logging.getLogger("gateway.facade")


class PresentationContextTuple(NamedTuple):
    """An accepted context as event handlers see it."""

    context_id: int
    abstract_syntax: UID
    transfer_syntax: UID


class PresentationContext:
    """A presentation context, proposed or negotiated; equal if all attributes are."""

    def __init__(self) -> None:
        self._context_id: int | None = None
        self._abstract_syntax: UID | None = None
        self._transfer_syntax: list[UID] = []
        self.result: int | None = None
        """None while proposed; then 0, accepted, to 4 (PS3.8 table 9-18)."""
        self._scu_role: bool | None = None
        self._scp_role: bool | None = None
        self._as_scu: bool | None = None
        self._as_scp: bool | None = None

    @property
    def as_scu(self) -> bool | None:
        """In an accepted context: whether this side is SCU. None before it is negotiated."""
        return self._as_scu

    @property
    def as_scp(self) -> bool | None:
        """In an accepted context: whether this side is SCP. None before it is negotiated."""
        return self._as_scp

    @property
    def scu_role(self) -> bool | None:
        """In a supported context: whether the requestor may be SCU. None: the default."""
        return self._scu_role

    @scu_role.setter
    def scu_role(self, value: bool | None) -> None:
        self._scu_role = _role(value, "scu_role")

    @property
    def scp_role(self) -> bool | None:
        """In a supported context: whether the requestor may be SCP. None: the default."""
        return self._scp_role

    @scp_role.setter
    def scp_role(self, value: bool | None) -> None:
        self._scp_role = _role(value, "scp_role")

    @property
    def context_id(self) -> int | None:
        """An odd number from 1 to 255; None before the context is proposed."""
        return self._context_id

    @context_id.setter
    def context_id(self, value: int | None) -> None:
        if value is not None and not (1 <= value <= _LAST_ID and value % 2):
            raise ValueError("'context_id' must be an odd integer between 1 and 255, inclusive")
        self._context_id = value

    @property
    def abstract_syntax(self) -> UID | None:
        """The UID of the SOP class or meta SOP class."""
        return self._abstract_syntax

    @abstract_syntax.setter
    def abstract_syntax(self, value: str | bytes) -> None:
        self._abstract_syntax = set_uid(
            value, "abstract_syntax", allow_empty=False, allow_none=False
        )

    @property
    def transfer_syntax(self) -> list[UID]:
        """The transfer syntaxes, best first; the one that was chosen in an accepted context."""
        return self._transfer_syntax

    @transfer_syntax.setter
    def transfer_syntax(self, values: Iterable[str | bytes]) -> None:
        if not isinstance(values, list):
            raise TypeError("'transfer_syntax' must be a list")
        self._transfer_syntax = []
        for value in values:
            self.add_transfer_syntax(value)

    def add_transfer_syntax(self, syntax: str | bytes | None) -> None:
        """Append a transfer syntax that is not there yet.

        What is neither str nor bytes is left out, with a warning; raises ValueError for what cannot
        be a UID.
        """
        if not isinstance(syntax, str | bytes):
            log.warning("'transfer_syntax' takes UIDs, not %r", syntax)
            return
        uid = any_uid(decode_bytes(syntax) if isinstance(syntax, bytes) else syntax)
        if not validate_uid(uid):
            log.error("'transfer_syntax' contains an invalid UID")
            raise ValueError("'transfer_syntax' contains an invalid UID")
        _warn_of_syntax(uid)
        if uid not in self._transfer_syntax:
            self._transfer_syntax.append(uid)

    @property
    def as_tuple(self) -> PresentationContextTuple:
        """Return ID, abstract and transfer syntax if negotiated; raise ValueError if not."""
        if self._context_id is None or self._abstract_syntax is None or not self._transfer_syntax:
            raise ValueError("the context was not negotiated")
        return PresentationContextTuple(
            self._context_id, self._abstract_syntax, self._transfer_syntax[0]
        )

    @property
    def status(self) -> str:
        """The result in words."""
        return RESULTS.get(self.result, "Unknown")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PresentationContext):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((self._context_id, self._abstract_syntax, *self._transfer_syntax))

    def __repr__(self) -> str:
        return self._abstract_syntax.name if self._abstract_syntax else "no abstract syntax"

    def __str__(self) -> str:
        lines = [] if self._context_id is None else [f"ID: {self._context_id}"]
        lines += [f"Abstract Syntax: {self!r}", "Transfer Syntax(es):"]
        lines += [f"    ={uid.name}" for uid in self._transfer_syntax] or ["    (none)"]
        if self.result is not None:
            lines.append(f"Result: {self.status}")
        if self.as_scu is not None and self.as_scp is not None:
            lines.append(f"Role: {_ROLES[self.as_scu, self.as_scp]}")
        return "\n".join(lines)


def _role(value: bool | None, name: str) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"'{name}' must be a bool or None")
    return value


def _warn_of_syntax(uid: UID) -> None:
    if not uid.is_valid:
        log.warning("A non-conformant UID has been added to 'transfer_syntax'")
    elif uid in registry.UIDS and registry.UIDS[uid].kind is not UidType.TRANSFER_SYNTAX:
        log.warning("A UID has been added to 'transfer_syntax' that is not a transfer syntax")


def build_context(
    abstract_syntax: str, transfer_syntax: str | Iterable[str] | None = None
) -> PresentationContext:
    """Return a context of an abstract syntax and one or more transfer syntaxes.

    The default is implicit, explicit and deflated explicit VR little endian, and explicit VR big
    endian. Raises TypeError or ValueError for what cannot be a UID.
    """
    if transfer_syntax is None:
        transfer_syntax = DEFAULT_TRANSFER_SYNTAXES
    context = PresentationContext()
    context.abstract_syntax = abstract_syntax
    context.transfer_syntax = (
        [transfer_syntax] if isinstance(transfer_syntax, str) else transfer_syntax
    )
    return context


def build_role(
    uid: str, scu_role: bool = False, scp_role: bool = False
) -> SCP_SCU_RoleSelectionNegotiation:
    """Return an item for `ext_neg`: roles of the requestor for a SOP class (PS3.7 D.3.3.4)."""
    checked = set_uid(uid, "uid", allow_none=False)
    return SCP_SCU_RoleSelectionNegotiation(checked, scu_role, scp_role)


_SERVICES = names("contexts")
"""The names of the lists, and the services whose SOP classes they have, separated by ;"""


def _contexts(name: str) -> list[PresentationContext]:
    match name:
        case "AllStoragePresentationContexts":
            uids = storage_sop_classes()
        case "StoragePresentationContexts":
            uids = usual_storage_sop_classes()
        case "MediaStoragePresentationContexts":
            uids = [registry.KEYWORDS["MediaStorageDirectoryStorage"]]
        case _:
            retired = name == "QueryRetrievePresentationContexts"  # has Patient/Study Only
            classes = (
                sop_classes_of(service, retired=retired) for service in _SERVICES[name].split(";")
            )
            uids = sorted(chain.from_iterable(classes))
    return [build_context(uid) for uid in uids]


_LISTS = (
    *("AllStoragePresentationContexts", "StoragePresentationContexts"),
    *("MediaStoragePresentationContexts", *_SERVICES),
)

_NEGOTIATION = (
    *("negotiate_as_acceptor", "negotiate_as_requestor", "negotiate_unrestricted"),
    *("BOTH_SCU_SCP_ROLE", "CONTEXT_REJECTED", "DEFAULT_ROLE", "INVERTED_ROLE"),
)

__all__ = [
    "ALL_TRANSFER_SYNTAXES",
    "DEFAULT_TRANSFER_SYNTAXES",
    "PresentationContext",
    "PresentationContextTuple",
    "build_context",
    "build_role",
]
__all__ += [*_LISTS, *_NEGOTIATION]


def __getattr__(name: str) -> Any:
    if name in _NEGOTIATION:  # which imports this module
        return getattr(import_module("gateway.facade.context_negotiation"), name)
    if name not in _LISTS:
        no_name(__name__, "presentation", name)
    contexts = globals()[name] = _contexts(name)
    return contexts


def __dir__() -> list[str]:
    return sorted({*globals(), *_LISTS, *_NEGOTIATION})
