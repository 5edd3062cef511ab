"""The object that a handler is called with.

There is one event for each request, and most handlers ask for few of its attributes, so whatever is
not asked for must not cost anything.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.errors import GatewayError
from gateway.events import NOTIFICATIONS, InterventionEvent, NotificationEvent
from gateway.log import AssociationName
from gateway.sdk import assoc
from gateway.sdk import event_attributes as make
from gateway.sdk.event_attributes import EventAttribute, attributes_of, has_attribute

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.sdk.command_sender import SendCommand
    from gateway.ul.pdu import PDU

log = logging.getLogger("gateway.sdk")

Publish: TypeAlias = Callable[[str, dict[str, Any]], None]
"""Sends a notification: topic and body."""


class Event:
    """One event, as a notification or request to a worker.

    `payload` and `data` are what the envelope carried (see PROTOCOL.md of the fabric), `blob` the
    association as the acceptor encoded it.
    """

    event: NotificationEvent | InterventionEvent
    """The catalogue entry."""
    attempt: int
    """Interventions: 1, plus the number of members that died with the request in hand."""

    # any DIMSE request
    request = EventAttribute(make.request)
    """The parameters of the request by their names in PS3.7, as `request.MessageID`."""
    context = EventAttribute(make.context)
    """(context_id, abstract_syntax, transfer_syntax)."""
    message_id = EventAttribute[int]()

    # EVT_C_STORE
    dataset = EventAttribute(make.stored)
    """The decoded data set; values are converted when they are asked for."""
    file_meta = EventAttribute(make.file_meta)
    dataset_path = EventAttribute(make.dataset_path)
    """The path of a Part 10 file that exists until the handler has returned."""
    encoded_dataset = EventAttribute(make.encoded_dataset)
    """A function that returns the exact bytes, with file meta unless `include_meta=False`."""
    arrival = EventAttribute(make.arrival)
    """All that a worker needs to keep the instance, in one tuple."""
    claim = EventAttribute(make.claim)
    """The place of the data set in the spool, its size and digest."""
    stored_uids = EventAttribute(make.stored_uids)
    """UIDs of SOP class, SOP instance and transfer syntax, as plain texts."""
    claim_data = EventAttribute(make.claim_data)
    """The Part 10 file's bytes if it is not in the spool (up to 64 KiB); else None."""

    # EVT_STORE_TRANSFORM has these as well
    calling_ae_title = EventAttribute[str]()
    """Of the association that the instance came on; empty: unknown."""
    called_ae_title = EventAttribute[str]()

    # EVT_C_FIND, EVT_C_GET, EVT_C_MOVE
    identifier = EventAttribute(make.identifier)
    """Raises DatasetError if it cannot be decoded, or is out of the bounds of `datasets.bounded`.
    """
    move_destination = EventAttribute[str](make.parameter("MoveDestination"))

    # the DIMSE-N services
    action_information = EventAttribute(make.decoded)
    action_type = EventAttribute["int | None"](make.parameter("ActionTypeID"))
    attribute_list = EventAttribute(make.decoded)
    """Of an N-CREATE; of an N-SET it is the modification list, as in pynetdicom."""
    attribute_identifiers = EventAttribute(make.attribute_identifiers)
    """The tags that an N-GET asks for; empty: all."""
    event_information = EventAttribute(make.decoded)
    event_type = EventAttribute["int | None"](make.parameter("EventTypeID"))
    modification_list = EventAttribute(make.decoded)

    # negotiation
    app_info = EventAttribute(make.app_info)
    items = EventAttribute(make.items)
    nr_invoked = EventAttribute[int]()
    nr_performed = EventAttribute[int]()
    invoked = EventAttribute[int]()
    performed = EventAttribute[int]()
    user_id_type = EventAttribute[int]()
    primary_field = EventAttribute[bytes]()
    secondary_field = EventAttribute[bytes]()

    # notifications of the protocol
    address = EventAttribute(make.address)
    data = EventAttribute(make.data)
    length = EventAttribute[int]()
    """The number of bytes before the excerpt was cut."""
    truncated = EventAttribute[bool]()
    pdu: EventAttribute[PDU] = EventAttribute(make.pdu)
    primitive = EventAttribute(make.primitive)
    message = EventAttribute(make.message)
    current_state = EventAttribute[str]()
    fsm_event = EventAttribute[str]()
    action = EventAttribute[str]()
    next_state = EventAttribute[str]()

    # defaults of the class, because most events never have anything else
    _after: tuple[Callable[[], None], ...] = ()
    """What follows the answer."""
    _cancelled = False
    _temporary: Path | None = None
    _shares_files = True
    """Whether the acceptor can read files of this process: it is on the same host."""

    def __init__(  # noqa: PLR0913, PLR0917 - what an envelope carries
        self,
        event: NotificationEvent | InterventionEvent,
        payload: Mapping[str, Any],
        blob: bytes = b"",
        data: bytes | memoryview | None = None,
        attempt: int = 1,
        timestamp: float | None = None,
        publish: Publish | None = None,
        is_watched: Callable[[str], bool] | None = None,
        send_command: SendCommand | None = None,
    ) -> None:
        self.event = event
        self._happened = timestamp or time.time()
        self._payload = payload
        self._data = data
        self._blob = blob
        if event.is_intervention:
            self.attempt = attempt
        self._publish = publish
        self._is_watched = is_watched
        self._send_command = send_command

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
    def is_cancelled(self) -> bool:
        """Whether the answer is no longer wanted; once True, it stays True."""
        if not self.event.is_intervention:
            raise AttributeError("is_cancelled")  # __getattr__ says more
        made = self.__dict__.get("_cancellation")
        return self._cancelled or (made is not None and made.is_set())

    @property
    def cancellation(self) -> threading.Event:
        """An Event that is set once the answer is no longer wanted."""
        # made on demand, because most handlers never use it; all threads must get the same one
        made: threading.Event = self.__dict__.setdefault("_cancellation", threading.Event())
        if self._cancelled:
            made.set()
        return made

    def cancel(self) -> None:
        """Set `is_cancelled` and `cancellation`: the answer is no longer wanted."""
        self._cancelled = True
        if (made := self.__dict__.get("_cancellation")) is not None:
            made.set()

    @property
    def trace_headers(self) -> object:
        """The W3C Trace Context of the request, if the acceptor records its trace; else None."""
        return self._payload.get("trace")

    @property
    def assoc(self) -> assoc.AssociationProxy:
        """The association, which is decoded once for all of its events."""
        return assoc.decode(self._blob, self._send_command)  # type: ignore[arg-type]

    @property
    def assoc_name(self) -> AssociationName:
        """The association and its peer, for `association=%s` in a log line; never raises."""
        try:
            assoc = self.assoc
            host, port = assoc.remote
            titles = assoc.requestor.ae_title, assoc.acceptor.ae_title
            return AssociationName(assoc.id, f"{host}:{port}", *titles)
        except GatewayError:
            return AssociationName("?", "?", "", "")

    def publish(
        self, event: NotificationEvent | str, body: Mapping[str, Any] | None = None
    ) -> None:
        """Send a notification about this association to the watchers of `event`, without waiting.

        Raises ValueError if `event` is not a notification of the catalogue.
        """
        if self.is_watched(event) and self._publish is not None:
            self._publish(str(event), dict(body or {}))

    def is_watched(self, event: NotificationEvent | str) -> bool:
        """Return whether anybody watches `event`: otherwise its body need not be made.

        Raises ValueError as `publish` does.
        """
        name = event if type(event) is str else event.name  # type: ignore[union-attr]
        if name not in NOTIFICATIONS:
            raise ValueError(f"{name} is not a notification event of gateway.evt")
        return self._publish is not None and (self._is_watched is None or self._is_watched(name))

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the event's kind; raise AttributeError for any other."""
        if (
            name.startswith("_")
            or name in type(self).__dict__
            or not has_attribute(self.event, name)
        ):
            raise AttributeError(
                f"{self.event.name} has no attribute {name!r}; "
                f"it has {', '.join(attributes_of(self.event))}"
            )
        return self._payload.get(name)

    def after_answer(self, call: Callable[[], None]) -> None:
        """Call a function once the handler's answer has been handed over, on the same thread.

        What it sends on the association follows the response. It is called as well if the answer
        was not wanted any more; what it raises is logged.
        """
        self._after = (*self._after, call)

    @property
    def has_followers(self) -> bool:
        """Whether `close` has anything to do."""
        return bool(self._after) or self._temporary is not None

    def close(self) -> None:
        """Call what was to follow the answer, and remove files made only for the handler."""
        if self._after:
            after, self._after = self._after, ()
            for call in after:
                try:
                    call()
                except BaseException:  # the answer has left: the other calls are made all the same
                    log.exception("event=%s after its answer", self.name)
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
            self._temporary = None
