"""Presentation contexts to propose and to support (PS3.8 7.1.1.13).

`build_context` makes one. The lists, such as `VerificationPresentationContexts`, have one for each
SOP class of a service class and are built on first use.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from gateway import uid as registry
from gateway.datasets.coding import any_uid
from gateway.dimse.usual_storage import storage_sop_classes, usual_storage_sop_classes
from gateway.facade import item_checks as check
from gateway.facade.negotiation_items import SCP_SCU_RoleSelectionNegotiation
from gateway.facade.pynetdicom_names import names
from gateway.facade.sop_classes import SOPClass, sop_classes_of
from gateway.sdk.assoc import RESULTS

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


class PresentationContextTuple(NamedTuple):
    """An accepted context as event handlers see it."""

    context_id: int
    abstract_syntax: SOPClass
    transfer_syntax: UID


class PresentationContext:
    """A presentation context, proposed or negotiated; equal if all attributes are."""

    def __init__(self) -> None:
        self._context_id: int | None = None
        self._abstract_syntax: SOPClass | None = None
        self._transfer_syntax: list[UID] = []
        self.result: int | None = None
        """None while proposed; then 0, accepted, to 4 (PS3.8 table 9-18)."""
        self._scu_role: bool | None = None
        self._scp_role: bool | None = None
        self.as_scu: bool | None = None
        self.as_scp: bool | None = None
        """In an accepted context: the roles of this side."""

    @property
    def scu_role(self) -> bool | None:
        """In a supported context: whether the requestor may be SCU. None: the default."""
        return self._scu_role

    @scu_role.setter
    def scu_role(self, value: bool | None) -> None:
        self._scu_role = check.optional_boolean(value, "scu_role")

    @property
    def scp_role(self) -> bool | None:
        """In a supported context: whether the requestor may be SCP. None: the default."""
        return self._scp_role

    @scp_role.setter
    def scp_role(self, value: bool | None) -> None:
        self._scp_role = check.optional_boolean(value, "scp_role")

    @property
    def context_id(self) -> int | None:
        """An odd number from 1 to 255; None before the context is proposed."""
        return self._context_id

    @context_id.setter
    def context_id(self, value: int | None) -> None:
        if value is not None and not (1 <= value <= _LAST_ID and value % 2):
            raise ValueError(f"a context ID must be an odd number from 1 to 255, not {value!r}")
        self._context_id = value

    @property
    def abstract_syntax(self) -> SOPClass | None:
        """The UID of the SOP class or meta SOP class."""
        return self._abstract_syntax

    @abstract_syntax.setter
    def abstract_syntax(self, value: str | bytes) -> None:
        self._abstract_syntax = SOPClass(_text(value))

    @property
    def transfer_syntax(self) -> list[UID]:
        """The transfer syntaxes, best first; the one that was chosen in an accepted context."""
        return self._transfer_syntax

    @transfer_syntax.setter
    def transfer_syntax(self, values: Iterable[str | bytes]) -> None:
        if isinstance(values, str | bytes):
            raise TypeError("transfer_syntax must be a list")
        self._transfer_syntax = []
        for value in values:
            self.add_transfer_syntax(value)

    def add_transfer_syntax(self, syntax: str | bytes | None) -> None:
        """Append a transfer syntax that is not there yet."""
        if syntax and (uid := any_uid(_text(syntax))) not in self._transfer_syntax:
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
            roles = [name for name, has in (("SCU", self.as_scu), ("SCP", self.as_scp)) if has]
            lines.append(f"Role: {' and '.join(roles) or '(none)'}")
        return "\n".join(lines)


def _text(uid: str | bytes) -> str:
    text = uid.decode("ascii") if isinstance(uid, bytes) else uid
    if not isinstance(text, str):
        raise TypeError(f"a UID must be a str, not {type(uid).__name__}")
    if not 0 < len(text) <= registry.MAX_LENGTH:
        raise ValueError(f"a UID has 1 to 64 characters, not {len(text)}")
    return text


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
    return SCP_SCU_RoleSelectionNegotiation(any_uid(_text(uid)), scu_role, scp_role)


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

__all__ = [
    "ALL_TRANSFER_SYNTAXES",
    "DEFAULT_TRANSFER_SYNTAXES",
    "PresentationContext",
    "PresentationContextTuple",
    "build_context",
    "build_role",
]
__all__ += _LISTS


def __getattr__(name: str) -> list[PresentationContext]:
    if name.startswith("negotiate_"):
        raise ImportError(
            f"gateway.presentation has no {name}: use negotiate of gateway.ul.negotiation, "
            "or read accepted_contexts of an association"
        )
    if name not in _LISTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    contexts = globals()[name] = _contexts(name)
    return contexts


def __dir__() -> list[str]:
    return sorted({*globals(), *_LISTS})
