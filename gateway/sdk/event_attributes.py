"""The attributes of an event, which are made from the content of its envelope.

The catalogue says which attributes belong to which event. An attribute is made when a handler first
asks for it, and kept in the event's `__dict__`, where Python finds it before it looks here again.
"""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from gateway.datasets import DatasetError
from gateway.datasets.bounded import DATA_SET, IDENTIFIER, decode_bounded
from gateway.datasets.coding import any_uid, decode, decode_file_meta
from gateway.datasets.encoded import whole, whole_file
from gateway.events import EVT_STORE_TRANSFORM
from gateway.sdk import assoc, watched
from gateway.sdk.arrived_instance import Arrival
from gateway.sdk.request_parameters import (
    REQUESTS,
    CommonExtended,
    RequestContext,
    RequestParameters,
    request_context,
)
from gateway.spool import Claim

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.tag import BaseTag
    from pydicom.uid import UID

    from gateway.events import InterventionEvent, NotificationEvent
    from gateway.sdk.acse_primitives import AcsePrimitive
    from gateway.sdk.event import Event

T = TypeVar("T")

_BASE = ("assoc", "event", "name", "description", "timestamp", "publish", "is_watched")
_INTERVENTION = ("attempt", "is_cancelled")
_CLAIMED = ("arrival", "claim", "claim_data", "stored_uids")
_EXTRA = {"EVT_C_STORE": _CLAIMED, "EVT_STORE_TRANSFORM": _CLAIMED}
"""Attributes that belong to this gateway, not to the event itself."""
_KNOWN: dict[str, frozenset[str]] = {}
"""Names of attributes by event, once one of them was asked for."""


def attributes_of(event: NotificationEvent | InterventionEvent) -> tuple[str, ...]:
    """Return the names of every attribute that a handler of `event` finds."""
    asked = _INTERVENTION if event.is_intervention else ()
    own = (*event.attributes, *_EXTRA.get(event.name, ()))
    return (*_BASE, *dict.fromkeys((*own, *asked)))


def has_attribute(event: NotificationEvent | InterventionEvent, name: str) -> bool:
    """Return whether the attribute belongs to this event."""
    return name in (_KNOWN.get(event.name) or _known(event))


def _known(event: NotificationEvent | InterventionEvent) -> frozenset[str]:
    """Return the names of the attributes of an event, and remember them."""
    known = _KNOWN[event.name] = frozenset(attributes_of(event))
    return known


class EventAttribute(Generic[T]):
    """An attribute of those events whose catalogue entry has it.

    `make` returns its value; without it, the value stands in the payload under the same name.
    """

    def __init__(self, make: Callable[[Event], T] | None = None) -> None:
        self._make = make

    def __set_name__(self, owner: type[Event], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, event: None, owner: type[Event]) -> EventAttribute[T]: ...
    @overload
    def __get__(self, event: Event, owner: type[Event]) -> T: ...
    def __get__(self, event: Event | None, owner: type[Event]) -> T | EventAttribute[T]:
        if event is None:
            return self
        name, make, values = self._name, self._make, event.__dict__
        kind = values["event"]
        if name not in (_KNOWN.get(kind.name) or _known(kind)):
            raise AttributeError(name)  # Event.__getattr__ says more
        try:
            value: Any = event._payload.get(name) if make is None else make(event)
        except AttributeError as error:
            # or Python would report that the event has no such attribute
            raise RuntimeError(f"{kind.name}.{name}: {error}") from error
        values[name] = value
        return value  # type: ignore[no-any-return]


# Every DIMSE request


def request(event: Event) -> RequestParameters:
    encoded = partial(encoded_bytes, event._payload, event._data, include_meta=False)
    return REQUESTS[event.name](event._payload["request"], encoded)


def context(event: Event) -> RequestContext:
    return request_context(*event._payload["context"])


def parameter(keyword: str) -> Callable[[Event], Any]:
    """Return a function that returns a parameter of the request."""
    return lambda event: getattr(event.request, keyword)


def attribute_identifiers(event: Event) -> list[BaseTag]:
    tags = event.request.AttributeIdentifierList
    return tags if isinstance(tags, list) else [] if tags is None else [tags]


def identifier(event: Event) -> Dataset:
    """Return the identifier of a C-FIND, C-GET or C-MOVE: it came in the envelope."""
    return decode_bounded(bytes(event._data or b""), event.context.transfer_syntax, IDENTIFIER)


def decoded(event: Event) -> Dataset:
    """Return the data set of an N-service: it came in the envelope."""
    return decode_bounded(bytes(event._data or b""), event.context.transfer_syntax, DATA_SET)


# C-STORE


def arrival(event: Event) -> Arrival:
    values = event.__dict__  # faster than attributes of a class that has `__getattr__`
    payload, data = values["_payload"], values["_data"]
    claim, asked, context = Claim.from_map(payload["claim"]), payload["request"], payload["context"]
    return Arrival(
        claim,
        None if data is None or claim.path is not None else bytes(data),
        values["attempt"],
        str(asked["AffectedSOPClassUID"]),
        str(asked["AffectedSOPInstanceUID"]),
        str(context[2]),
    )


def claim(event: Event) -> Claim:
    return Claim.from_map(event._payload["claim"])


def claim_data(event: Event) -> bytes | None:
    return event.arrival.data


def stored_uids(event: Event) -> tuple[str, str, str]:
    return event.arrival[-3:]


def stored(event: Event) -> Dataset:
    """Return the data set of an instance; raise DatasetError if it cannot be read to its end.

    For a transform it has `file_meta` and the UIDs of the request, because the answer needs them.
    """
    syntax, offset = event.context.transfer_syntax, event.claim.offset
    if (data := event.claim_data) is not None:
        decoded = decode(whole(memoryview(data)[offset:], syntax), syntax)
    else:
        with whole_file(_spooled(event.claim), offset, syntax) as file:
            decoded = decode(file, syntax)
    if event.event is EVT_STORE_TRANSFORM:
        decoded.file_meta = event.file_meta
        for keyword, uid in zip(("SOPClassUID", "SOPInstanceUID"), event.stored_uids, strict=False):
            if not decoded.get(keyword):
                setattr(decoded, keyword, uid)
    return decoded


def file_meta(event: Event) -> FileMetaDataset:
    if (data := event.claim_data) is not None:
        return decode_file_meta(data[: event.claim.offset])
    with open(_spooled(event.claim), "rb") as file:
        return decode_file_meta(file.read(event.claim.offset))


def dataset_path(event: Event) -> Path:
    """The spool file; what came in the envelope is written down until the handler has returned."""
    if (data := event.claim_data) is None:
        return Path(_spooled(event.claim))
    handle, path = tempfile.mkstemp(prefix="gateway-", suffix=".dcm")
    event._temporary = Path(path)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    return event._temporary


def encoded_dataset(event: Event) -> Callable[..., bytes]:
    return partial(encoded_bytes, event._payload, event._data)


def encoded_bytes(
    payload: Mapping[str, Any], data: bytes | memoryview | None, include_meta: bool = True
) -> bytes:
    """Return the exact bytes that came in, behind preamble and file meta information or not.

    The data set of any request but a C-STORE's has no file meta information.
    """
    if "claim" not in payload:
        return bytes(data or b"")
    claimed = Claim.from_map(payload["claim"])
    skip = 0 if include_meta else claimed.offset
    if claimed.path is None and data is not None:
        return bytes(data[skip:])
    with open(_spooled(claimed), "rb") as file:
        file.seek(skip)
        return file.read()


def _spooled(claimed: Claim) -> str:
    if claimed.path is None:
        raise DatasetError("the request came without its data set")
    return claimed.path


# Negotiation


def app_info(event: Event) -> dict[UID, bytes]:
    return {any_uid(k): value for k, value in event._payload["app_info"].items()}


def items(event: Event) -> dict[UID, CommonExtended]:
    return {
        any_uid(k): CommonExtended(
            any_uid(item["sop_class_uid"]),
            any_uid(item["service_class_uid"]),
            [any_uid(u) for u in item["related_general_sop_class_identification"]],
        )
        for k, item in event._payload["items"].items()
    }


# Notifications


def address(event: Event) -> tuple[str, int]:
    return assoc.address(event._payload.get("address"))


def data(event: Event) -> bytes:
    return bytes(event._payload["data"])


def pdu(event: Event) -> Any:
    return watched.pdu(event._payload)


def primitive(event: Event) -> AcsePrimitive:
    return watched.primitive(event._payload)


def message(event: Event) -> watched.DimseMessage:
    return watched.message(event._payload)
