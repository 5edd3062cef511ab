"""The types of `event.request`, `event.context` and `event.items`."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pydicom.tag import Tag

from gateway.datasets.coding import any_uid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydicom.tag import BaseTag
    from pydicom.uid import UID


class RequestContext(NamedTuple):
    """The presentation context of a request (PS3.8 9.3.3.2)."""

    context_id: int
    abstract_syntax: UID
    transfer_syntax: UID


@lru_cache(512)
def request_context(context_id: int, abstract: str, transfer: str) -> RequestContext:
    """Return the context of these values; most requests have one of a few."""
    return RequestContext(context_id, any_uid(abstract), any_uid(transfer))


class CommonExtended(NamedTuple):
    """A SOP class common extended negotiation sub-item (PS3.7 D.3.3.6)."""

    sop_class_uid: UID
    service_class_uid: UID
    related_general_sop_class_identification: list[UID]


_UIDS = ("AffectedSOPClassUID", "AffectedSOPInstanceUID", "RequestedSOPClassUID",
         "RequestedSOPInstanceUID")  # fmt: skip
_DATA_SETS = ("DataSet", "Identifier", "ActionInformation", "AttributeList", "EventInformation",
              "ModificationList")  # fmt: skip
_OF_ALL = ("AffectedSOPClassUID", "MessageID", "MessageIDBeingRespondedTo", "Status")
_LOW_PRIORITY = 2


class RequestParameters:
    """The parameters of a DIMSE message under their names in PS3.7, as attributes.

    A parameter that the message does not have is None. `event.request` is such an object. Programs
    can also make one, as `C_STORE()`, and assign its parameters.
    """

    REQUEST_KEYWORDS: ClassVar[tuple[str, ...]] = ()
    """The parameters that a request must have."""
    RESPONSE_KEYWORDS: ClassVar[tuple[str, ...]] = ("MessageIDBeingRespondedTo", "Status")
    """The parameters that a response must have."""
    STATUS_OPTIONAL_KEYWORDS: ClassVar[tuple[str, ...]] = ()
    """The parameters that may explain the status of a response (PS3.7 annex C)."""

    checks: ClassVar[Mapping[str, Callable[[Any, str], Any]]] = {}
    """Parameter -> a function of the assigned value and the type's name that returns the value to
    keep, or raises. `gateway.dimse_primitives`, by which programs know the types, sets it."""
    _names: ClassVar[frozenset[str]] = frozenset(_OF_ALL)

    AffectedSOPClassUID: UID | None
    AffectedSOPInstanceUID: UID | None
    RequestedSOPClassUID: UID | None
    RequestedSOPInstanceUID: UID | None

    def __init__(
        self,
        parameters: Mapping[str, Any] = MappingProxyType({}),
        encoded: Callable[[], bytes] | None = None,
    ) -> None:
        """Take the parameters of a message that has come in, and what returns its data set."""
        # past __setattr__, which checks what programs assign
        self.__dict__["_parameters"] = parameters
        self.__dict__["_encoded"] = encoded

    @property
    def msg_type(self) -> str:
        """The name of the message in PS3.7, as `C-STORE`."""
        return type(self).__name__.replace("_", "-")

    @property
    def is_valid_request(self) -> bool:
        """Whether the parameters that a request must have are there."""
        return all(self._has(name) for name in self.REQUEST_KEYWORDS)

    @property
    def is_valid_response(self) -> bool:
        """Whether the parameters that a response must have are there."""
        return all(self._has(name) for name in self.RESPONSE_KEYWORDS)

    def _has(self, name: str) -> bool:
        # a data set that is in a file is not read for this
        is_encoded = name in _DATA_SETS and name not in self.__dict__ and self._encoded is not None
        return is_encoded or getattr(self, name) is not None

    def __repr__(self) -> str:
        own = (name for name in self.__dict__ if not name.startswith("_"))
        names = dict.fromkeys((*self._parameters, *own))
        given = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__name__}({given})"

    def __setattr__(self, name: str, value: Any) -> None:
        check = self.checks.get(name) if name in self._names else None
        checked = value if check is None else check(value, type(self).__name__)
        super().__setattr__(name, checked)

    def __getattr__(self, name: str) -> Any:
        """Return a parameter of the message that has come in, and keep what is made for it."""
        if name not in self._names:
            raise AttributeError(f"{type(self).__name__} has no parameter {name!r}")
        value = self._parameters.get(name)
        if value is not None and name in _UIDS:
            value = any_uid(value)
        elif name == "AttributeIdentifierList":
            value = _tags(value)
        elif name == "Priority" and value is None:
            value = _LOW_PRIORITY
        elif name in _DATA_SETS and self._encoded is not None:
            value = BytesIO(self._encoded())
        self.__dict__[name] = value
        return value


def _tags(tags: Sequence[int] | None) -> list[BaseTag] | BaseTag | None:
    """Return the tags of an N-GET: a list, or one tag if there is one."""
    if not tags:
        return None
    found = [Tag(tag) for tag in tags]
    return found if len(found) > 1 else found[0]


def _kind(name: str, required: str, others: str, explaining: str) -> type[RequestParameters]:
    """Return a type: its parameters that a request must have, others, and those of a status."""
    given = tuple(tuple(names.split()) for names in (required, others, explaining))
    members = {
        "__module__": __name__,
        "REQUEST_KEYWORDS": given[0],
        "STATUS_OPTIONAL_KEYWORDS": given[2],
        "_names": frozenset((*_OF_ALL, *given[0], *given[1], *given[2])),
    }
    return type(name, (RequestParameters,), members)


_RETRIEVE = """NumberOfRemainingSuboperations NumberOfCompletedSuboperations
               NumberOfFailedSuboperations NumberOfWarningSuboperations"""
_REQUESTED = "MessageID RequestedSOPClassUID RequestedSOPInstanceUID"

_KINDS = [
    _kind("C_ECHO", "MessageID AffectedSOPClassUID", "", "ErrorComment"),
    _kind(
        "C_STORE",
        "MessageID AffectedSOPClassUID AffectedSOPInstanceUID Priority DataSet",
        "MoveOriginatorApplicationEntityTitle MoveOriginatorMessageID",
        "OffendingElement ErrorComment",
    ),
    _kind(
        "C_FIND",
        "MessageID AffectedSOPClassUID Priority Identifier",
        "",
        "OffendingElement ErrorComment",
    ),
    _kind(
        "C_GET",
        "MessageID AffectedSOPClassUID Priority Identifier",
        "",
        f"ErrorComment OffendingElement {_RETRIEVE}",
    ),
    _kind(
        "C_MOVE",
        "MessageID AffectedSOPClassUID Priority Identifier MoveDestination",
        "",
        f"ErrorComment OffendingElement {_RETRIEVE}",
    ),
    _kind(
        "N_EVENT_REPORT",
        "MessageID AffectedSOPClassUID EventTypeID AffectedSOPInstanceUID",
        "EventInformation EventReply",
        "AffectedSOPClassUID AffectedSOPInstanceUID EventTypeID ErrorComment ErrorID",
    ),
    _kind(
        "N_GET",
        _REQUESTED,
        "AffectedSOPInstanceUID AttributeList",
        "AttributeIdentifierList ErrorComment ErrorID",
    ),
    _kind(
        "N_SET",
        f"{_REQUESTED} ModificationList",
        "AffectedSOPInstanceUID AttributeList",
        "ErrorComment ErrorID AttributeIdentifierList",
    ),
    _kind(
        "N_ACTION",
        f"{_REQUESTED} ActionTypeID",
        "AffectedSOPInstanceUID ActionInformation ActionReply",
        "ErrorComment ErrorID AttributeIdentifierList",
    ),
    _kind(
        "N_CREATE",
        "MessageID AffectedSOPClassUID",
        "AffectedSOPInstanceUID AttributeList",
        "ErrorComment ErrorID",
    ),
    _kind("N_DELETE", _REQUESTED, "AffectedSOPInstanceUID", "ErrorComment ErrorID"),
]

REQUESTS: dict[str, type[RequestParameters]] = {f"EVT_{kind.__name__}": kind for kind in _KINDS}
"""The type of `event.request` for each event: C_ECHO, C_STORE and so on, as in pynetdicom."""
