"""The object that a handler is called with.

What an event has is a matter of two tables: the catalogue says which attributes belong to the
event, and `GETTERS` says how each is made of the payload. A value is made when first asked for,
and kept.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from gateway.errors import GatewayError
from gateway.events import CATALOGUE, InterventionEvent, NotificationEvent
from gateway.sdk import assoc, dataset, watched
from gateway.spool import Claim

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    from gateway.sdk.calling import Caller
    from gateway.sdk.watched import AcsePrimitive, DimseMessage
    from gateway.ul.pdu import PDU

Publish: TypeAlias = Callable[[str, dict[str, Any]], None]
"""Sends a notification: topic and body."""


class RequestContext(NamedTuple):
    """The presentation context of a request."""

    context_id: int
    abstract_syntax: UID
    transfer_syntax: UID


class CommonExtended(NamedTuple):
    """A SOP class common extended negotiation sub-item (PS3.7 D.3.3.6)."""

    sop_class_uid: UID
    service_class_uid: UID
    related_general_sop_class_identification: list[UID]


class RequestParameters:
    """The parameters of a DIMSE request under their names in PS3.7, as attributes.

    A parameter that the request does not have is None.
    """

    def __init__(self, parameters: Mapping[str, Any], encoded: Callable[[], bytes]) -> None:
        self._parameters = parameters
        self._encoded = encoded

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._parameters)
        return f"{type(self).__name__}({given})"

    def __getattr__(self, name: str) -> Any:
        value = self._parameters.get(name) if not name.startswith("_") else None
        if value is not None:
            return dataset.uid(value) if "UID" in name else value
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


class Event:
    """One event, as told to or asked of a worker.

    `payload` and `data` are what the envelope carried (see PROTOCOL.md of the fabric), `blob` the
    association as the acceptor encoded it.
    """

    event: NotificationEvent | InterventionEvent
    """The catalogue entry."""

    def __init__(  # noqa: PLR0913 - what an envelope carries
        self,
        event: NotificationEvent | InterventionEvent,
        payload: Mapping[str, Any],
        *,
        blob: bytes = b"",
        data: bytes | memoryview | None = None,
        attempt: int = 1,
        timestamp: float | None = None,
        publish: Publish | None = None,
        is_watched: Callable[[str], bool] | None = None,
        caller: Caller | None = None,
    ) -> None:
        self.event = event
        self._happened = timestamp or time.time()
        self._payload = payload
        self._data = data
        self._blob = blob
        if event.is_intervention:
            self.attempt = attempt
        self._cancelled = False
        self._publish = publish
        self._is_watched = is_watched
        self._caller = caller
        self._temporary: Path | None = None

    def __repr__(self) -> str:
        return f"<Event {self.event.name}>"

    @cached_property
    def timestamp(self) -> datetime:
        """Local time, naive, as pynetdicom has it."""
        return datetime.fromtimestamp(self._happened)

    @property
    def name(self) -> str:
        return self.event.name

    @property
    def description(self) -> str:
        return self.event.description

    @property
    def cancellation(self) -> threading.Event:
        """Set once the answer is no longer wanted."""
        # most handlers never ask, and two threads that do at once must get the same one
        made: threading.Event = self.__dict__.setdefault("_cancellation", threading.Event())
        if self._cancelled:
            made.set()
        return made

    def cancel(self) -> None:
        """The answer is no longer wanted."""
        self._cancelled = True
        if (made := self.__dict__.get("_cancellation")) is not None:
            made.set()

    @property
    def assoc(self) -> assoc.AssociationProxy:
        """The association; decoded once for all of its events."""
        return assoc.decode(self._blob, self._caller)  # type: ignore[arg-type]

    @property
    def assoc_id(self) -> str:
        """The association's identity for a log line; never raises."""
        try:
            return self.assoc.id
        except GatewayError:
            return "?"

    def publish(
        self, event: NotificationEvent | str, body: Mapping[str, Any] | None = None
    ) -> None:
        """Tell the watchers of `event` about this association; never waits for them.

        Raises ValueError if `event` is not a notification of the catalogue.
        """
        if self.is_watched(event) and self._publish is not None:
            self._publish(str(event), dict(body or {}))

    def is_watched(self, event: NotificationEvent | str) -> bool:
        """Whether anybody watches: the body of what nobody watches need not be made.

        Raises ValueError as `publish` does.
        """
        name = str(event)
        if not isinstance(CATALOGUE.get(name), NotificationEvent):
            raise ValueError(f"{name} is not a notification event of gateway.evt")
        return self._publish is not None and (self._is_watched is None or self._is_watched(name))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in (_KNOWN.get(self.event.name) or _known(self.event)):
            raise AttributeError(
                f"{self.event.name} has no attribute {name!r}; "
                f"it has {', '.join(attributes_of(self.event))}"
            )
        try:
            getter = GETTERS.get(name)
            value = getter(self) if getter is not None else self._payload.get(name)
        except AttributeError as error:
            # or Python would report that the event has no such attribute
            raise RuntimeError(f"{self.event.name}.{name}: {error}") from error
        if name not in _CHANGING:
            self.__dict__[name] = value
        return value

    def close(self) -> None:
        """Remove what was made for the handler's sake only."""
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
            self._temporary = None

    if TYPE_CHECKING:
        request: RequestParameters
        context: RequestContext
        message_id: int
        attempt: int
        is_cancelled: bool
        dataset: Dataset
        file_meta: FileMetaDataset
        dataset_path: Path
        claim: Claim
        claim_data: bytes | None
        identifier: Dataset
        move_destination: str
        action_information: Dataset
        action_type: int | None
        attribute_list: Dataset
        attribute_identifiers: list[int]
        event_information: Dataset
        event_type: int | None
        modification_list: Dataset
        address: tuple[str, int]
        data: bytes
        length: int
        truncated: bool
        pdu: PDU
        primitive: AcsePrimitive
        message: DimseMessage
        current_state: str
        fsm_event: str
        action: str
        next_state: str

        def encoded_dataset(self, include_meta: bool = True) -> bytes:
            """The exact bytes that came in, behind preamble and file meta information or not."""


_BASE = ("assoc", "event", "name", "description", "timestamp", "publish", "is_watched")
_ASKED = ("attempt", "is_cancelled")
_EXTRA = {"EVT_C_STORE": ("claim", "claim_data")}
"""Attributes that have to do with this gateway, not with the event itself."""

_CHANGING = frozenset({"is_cancelled"})
_KNOWN: dict[str, frozenset[str]] = {}
"""Attributes by event, once they were asked for."""


def attributes_of(event: NotificationEvent | InterventionEvent) -> tuple[str, ...]:
    """Every attribute that a handler of `event` finds."""
    asked = _ASKED if event.is_intervention else ()
    own = (*event.attributes, *_EXTRA.get(event.name, ()))
    return (*_BASE, *dict.fromkeys((*own, *asked)))


def _known(event: NotificationEvent | InterventionEvent) -> frozenset[str]:
    """The same, to look one up."""
    return _KNOWN.setdefault(event.name, frozenset(attributes_of(event)))


def _request(event: Event) -> RequestParameters:
    return RequestParameters(event._payload["request"], partial(_encoded_dataset, event, False))


def _context(event: Event) -> RequestContext:
    context_id, abstract_syntax, transfer_syntax = event._payload["context"]
    return RequestContext(context_id, dataset.uid(abstract_syntax), dataset.uid(transfer_syntax))


def _parameter(keyword: str, event: Event) -> Any:
    return getattr(event.request, keyword)


def _decoded(event: Event) -> Dataset:
    """The data set of any request but a C-STORE's: it came in the envelope."""
    return dataset.decode(bytes(event._data or b""), event.context.transfer_syntax)


def _claim(event: Event) -> Claim:
    return Claim.from_map(event._payload["claim"])


def _claim_data(event: Event) -> bytes | None:
    if event.claim.path is not None or event._data is None:
        return None
    return bytes(event._data)


def _stored(event: Event) -> Dataset:
    syntax = event.context.transfer_syntax
    if (whole := event.claim_data) is not None:
        return dataset.decode(memoryview(whole)[event.claim.offset :], syntax)
    with open(_spooled(event), "rb") as file:
        file.seek(event.claim.offset)
        return dataset.decode(file, syntax)


def _file_meta(event: Event) -> FileMetaDataset:
    if (whole := event.claim_data) is not None:
        return dataset.file_meta(whole[: event.claim.offset])
    with open(_spooled(event), "rb") as file:
        return dataset.file_meta(file.read(event.claim.offset))


def _spooled(event: Event) -> str:
    if event.claim.path is None:
        raise dataset.DatasetError("the request came without its data set")
    return event.claim.path


def _encoded_dataset(event: Event, include_meta: bool = True) -> bytes:
    """The bytes as they came in; the data set of any request but a C-STORE's has no file meta."""
    if "claim" not in event._payload:
        return bytes(event._data or b"")
    skip = 0 if include_meta else event.claim.offset
    if (whole := event.claim_data) is not None:
        return whole[skip:]
    with open(_spooled(event), "rb") as file:
        file.seek(skip)
        return file.read()


def _dataset_path(event: Event) -> Path:
    """The spool file; what came in the envelope is written down until the handler is through."""
    if (whole := event.claim_data) is None:
        return Path(_spooled(event))
    handle, path = tempfile.mkstemp(prefix="gateway-", suffix=".dcm")
    event._temporary = Path(path)
    with os.fdopen(handle, "wb") as file:
        file.write(whole)
    return event._temporary


def _is_cancelled(event: Event) -> bool:
    made = event.__dict__.get("_cancellation")
    return event._cancelled or (made is not None and made.is_set())


def _app_info(event: Event) -> dict[UID, bytes]:
    return {dataset.uid(k): value for k, value in event._payload["app_info"].items()}


def _items(event: Event) -> dict[UID, CommonExtended]:
    return {
        dataset.uid(k): CommonExtended(
            dataset.uid(item["sop_class_uid"]),
            dataset.uid(item["service_class_uid"]),
            [dataset.uid(u) for u in item["related_general_sop_class_identification"]],
        )
        for k, item in event._payload["items"].items()
    }


GETTERS: dict[str, Callable[[Event], Any]] = {
    "request": _request,
    "context": _context,
    "is_cancelled": _is_cancelled,
    "dataset": _stored,
    "file_meta": _file_meta,
    "dataset_path": _dataset_path,
    "encoded_dataset": lambda event: partial(_encoded_dataset, event),
    "claim": _claim,
    "claim_data": _claim_data,
    "identifier": _decoded,
    "move_destination": partial(_parameter, "MoveDestination"),
    "action_information": _decoded,
    "action_type": partial(_parameter, "ActionTypeID"),
    "attribute_list": _decoded,
    "attribute_identifiers": partial(_parameter, "AttributeIdentifierList"),
    "event_information": _decoded,
    "event_type": partial(_parameter, "EventTypeID"),
    "modification_list": _decoded,
    "items": _items,
    "app_info": _app_info,
    "address": lambda event: assoc.address(event._payload.get("address")),
    "data": lambda event: bytes(event._payload["data"]),
    "pdu": lambda event: watched.pdu(event._payload),
    "primitive": lambda event: watched.primitive(event._payload),
    "message": lambda event: watched.message(event._payload),
}
"""How an attribute is made of the payload; one that is not here stands in it under its name."""
