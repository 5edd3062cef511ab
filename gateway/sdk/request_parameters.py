"""The types of `event.request`, `event.context` and `event.items`."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom.tag import Tag

from gateway.datasets.coding import any_uid
from gateway.events import INTERVENTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


def _uid_parameter(name: str) -> Any:
    """Return a property for a parameter that is a UID."""

    def get(self: RequestParameters) -> UID | None:
        value = self._parameters.get(name)
        return None if value is None else any_uid(value)

    return property(get)


class RequestParameters:
    """The parameters of a DIMSE request under their names in PS3.7, as attributes.

    A parameter that the request does not have is None. `encoded` returns the bytes of its data set.
    """

    AffectedSOPClassUID = _uid_parameter("AffectedSOPClassUID")
    AffectedSOPInstanceUID = _uid_parameter("AffectedSOPInstanceUID")
    RequestedSOPClassUID = _uid_parameter("RequestedSOPClassUID")
    RequestedSOPInstanceUID = _uid_parameter("RequestedSOPInstanceUID")

    @property
    def AttributeIdentifierList(self) -> list[BaseTag] | BaseTag | None:  # noqa: N802 - PS3.7's
        """The tags of an N-GET: a list, or one tag if there is one."""
        tags = self._parameters.get("AttributeIdentifierList")
        if not tags:
            return None
        found = [Tag(tag) for tag in tags]
        return found if len(found) > 1 else found[0]

    @property
    def msg_type(self) -> str:
        """The name of the message in PS3.7, as `C-STORE`."""
        return type(self).__name__.replace("_", "-")

    is_valid_request = True
    """Always: the acceptor refuses a request that lacks a parameter."""

    def __init__(self, parameters: Mapping[str, Any], encoded: Callable[[], bytes]) -> None:
        self._parameters = parameters
        self._encoded = encoded

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._parameters)
        return f"{type(self).__name__}({given})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if (value := self._parameters.get(name)) is not None:
            return value
        if name in _DATA_SET_PARAMETERS:
            return BytesIO(self._encoded())
        if name[:1].isupper():
            return None
        raise AttributeError(f"a DIMSE request has no parameter {name!r}")


_DATA_SET_PARAMETERS = frozenset(
    {
        "DataSet",
        "Identifier",
        "ActionInformation",
        "AttributeList",
        "EventInformation",
        "ModificationList",
    }
)


REQUESTS: dict[str, type[RequestParameters]] = {
    name: type(name.removeprefix("EVT_"), (RequestParameters,), {"__module__": __name__})
    for name, event in INTERVENTIONS.items()
    if event.failures is not None
}
"""The type of `event.request` for each event: C_ECHO, C_STORE and so on, as in pynetdicom."""
