"""The types of `event.request`, `event.context` and `event.items`."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.datasets.coding import any_uid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
