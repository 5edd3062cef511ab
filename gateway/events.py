"""The catalogue of events: the attributes of each, and the statuses if no worker answers it.

An intervention event goes to the one worker that is registered for it, whose answer becomes the
DIMSE response or the negotiation result. A notification event goes to every process that watches.
The names are pynetdicom's. To add an event, define it here; workers, watchers and the protocol
between processes take all events from `CATALOGUE`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, NoReturn

from gateway.dimse.status import Category, category
from gateway.failure_statuses import ECHO, FIND, GET, MOVE, N_SERVICE, STORE, TRANSFORM

if TYPE_CHECKING:
    from gateway.failure_statuses import Failures

DEADLINE = 30.0
"""Seconds that a worker has for each answer, unless its registration states another number."""

EXCERPT = 64 * 1024
"""The maximum number of bytes of a PDU or data set in a notification; the rest is cut off."""


class Fate(Enum):
    """The meaning of an answer's status for the request (PS3.7 9.1, 10.1; PS3.4 C.4)."""

    ENDS = auto()
    """It is the final answer."""
    GOES_ON = auto()
    """More answers follow."""
    FORBIDDEN = auto()
    """The service has no such status: pending and cancel are for C-FIND, C-GET and C-MOVE."""


_STREAMED = frozenset({Category.PENDING, Category.CANCEL})
_PENDING = frozenset({Category.PENDING})


@dataclass(frozen=True, slots=True)
class CatalogueEvent:
    """An event of the catalogue."""

    name: str
    description: str
    attributes: tuple[str, ...] = ()

    is_intervention = False
    is_notification = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class NotificationEvent(CatalogueEvent):
    """An event that is published to all watchers; the gateway does not wait for them."""

    is_notification = True


@dataclass(frozen=True, slots=True)
class InterventionEvent(CatalogueEvent):
    """An event that the one registered worker answers."""

    failures: Failures | None = None
    """None for the negotiation events, which have no DIMSE status."""
    more_after: frozenset[Category] = frozenset()
    """The categories of status that are followed by another answer to the same request."""
    fails_closed: bool = False
    """The association is rejected (2,3,1) if the answer is missing, late or invalid."""
    is_held_by_name: bool = False
    """Each worker that binds it holds it, and a request names the worker that it is for."""

    is_intervention = True

    @property
    def streams(self) -> bool:
        """Whether the handler is a generator, which gives many answers to one request."""
        return bool(self.more_after)

    def fate(self, status: int) -> Fate:
        """Return what it means for the request that an answer has this status."""
        kind = category(status)
        if kind in self.more_after:
            return Fate.GOES_ON
        return Fate.FORBIDDEN if not self.streams and kind in _STREAMED else Fate.ENDS


@dataclass(frozen=True, slots=True)
class NegotiationEvent(InterventionEvent):
    """An event of association negotiation; each has its own type of answer."""


@dataclass(frozen=True, slots=True)
class StatusEvent(InterventionEvent):
    """An event whose handler returns a status."""


@dataclass(frozen=True, slots=True)
class TransformEvent(InterventionEvent):
    """An event whose handler returns a data set, or a status: keep it as it is, or refuse it."""


@dataclass(frozen=True, slots=True)
class PairEvent(InterventionEvent):
    """An event whose handler returns a status and a data set or None (most N-services)."""


@dataclass(frozen=True, slots=True)
class QueryEvent(InterventionEvent):
    """An event whose handler yields pairs of status and identifier (C-FIND)."""


@dataclass(frozen=True, slots=True)
class RetrieveEvent(InterventionEvent):
    """An event whose handler yields the destination (C-MOVE only), the number, and then pairs."""


_DIMSE = ("request", "context", "message_id")
_EXCERPT = ("length", "truncated")

EVT_ACCEPTED = NotificationEvent("EVT_ACCEPTED", "Association request accepted")
EVT_ABORTED = NotificationEvent("EVT_ABORTED", "Association aborted", ("source", "reason"))
EVT_ACSE_RECV = NotificationEvent("EVT_ACSE_RECV", "ACSE received a primitive", ("primitive",))
EVT_ACSE_SENT = NotificationEvent("EVT_ACSE_SENT", "ACSE sent a primitive", ("primitive",))
EVT_ASSOCIATION_ENDED = NotificationEvent(
    "EVT_ASSOCIATION_ENDED",
    "Association ended: how, why, and what passed over it",
    (
        *("ended", "why", "calling", "called", "host", "seconds", "contexts"),
        *("messages", "instances", "received", "sent", "statuses"),
    ),
)
EVT_CONN_CLOSE = NotificationEvent("EVT_CONN_CLOSE", "Connection closed", ("address",))
EVT_CONN_OPEN = NotificationEvent("EVT_CONN_OPEN", "Connection opened", ("address",))
EVT_DATA_RECV = NotificationEvent("EVT_DATA_RECV", "PDU data received", ("data", *_EXCERPT))
EVT_DATA_SENT = NotificationEvent("EVT_DATA_SENT", "PDU data sent", ("data", *_EXCERPT))
EVT_DIMSE_RECV = NotificationEvent(
    "EVT_DIMSE_RECV", "DIMSE message received", ("message", *_EXCERPT)
)
EVT_DIMSE_SENT = NotificationEvent("EVT_DIMSE_SENT", "DIMSE message sent", ("message", *_EXCERPT))
EVT_ESTABLISHED = NotificationEvent("EVT_ESTABLISHED", "Association established")
EVT_FSM_TRANSITION = NotificationEvent(
    "EVT_FSM_TRANSITION",
    "State machine made a transition",
    ("current_state", "fsm_event", "action", "next_state"),
)
EVT_PDU_RECV = NotificationEvent("EVT_PDU_RECV", "PDU received", ("pdu", *_EXCERPT))
EVT_PDU_SENT = NotificationEvent("EVT_PDU_SENT", "PDU sent", ("pdu", *_EXCERPT))
EVT_REJECTED = NotificationEvent(
    "EVT_REJECTED", "Association request rejected", ("result", "source", "reason", "why")
)
EVT_RELEASED = NotificationEvent("EVT_RELEASED", "Association released")
EVT_REQUESTED = NotificationEvent("EVT_REQUESTED", "Association requested")

_OPERATION = (
    *("operation", "sop_class_uid", "transfer_syntax_uid", "parameters", "message_id"),
    *("query", *_EXCERPT),
)
EVT_OPERATION_BEGUN = NotificationEvent(
    "EVT_OPERATION_BEGUN", "DIMSE request, other than C-STORE, goes to a worker", _OPERATION
)
EVT_OPERATION_ENDED = NotificationEvent(
    "EVT_OPERATION_ENDED",
    "DIMSE request, other than C-STORE, was answered for the last time",
    (
        *("operation", "sop_class_uid", "parameters", "message_id"),
        *("status", "completed", "failed", "warnings"),
    ),
)
EVT_TLS_FAILED = NotificationEvent(
    "EVT_TLS_FAILED", "TLS handshake of a peer failed", ("host", "why")
)

EVT_INSTANCE_STORED = NotificationEvent(
    "EVT_INSTANCE_STORED",
    "Instance stored by the storage worker",
    ("sop_class_uid", "sop_instance_uid", "transfer_syntax_uid", "size", "digest", "path"),
)
EVT_INSTANCE_CONFLICT = NotificationEvent(
    "EVT_INSTANCE_CONFLICT",
    "Different content for a stored instance was set aside by the storage worker",
    EVT_INSTANCE_STORED.attributes,
)
EVT_INSTANCE_NOT_KEPT = NotificationEvent(
    "EVT_INSTANCE_NOT_KEPT",
    "Instance that is stored arrived again in another transfer syntax, and was not kept",
    (*EVT_INSTANCE_STORED.attributes, "arrived_transfer_syntax_uid"),
)
EVT_INSTANCE_MISSING = NotificationEvent(
    "EVT_INSTANCE_MISSING",
    "Instance to be sent whose file is missing or damaged",
    EVT_INSTANCE_STORED.attributes,
)
EVT_PATIENT_MISMATCH = NotificationEvent(
    "EVT_PATIENT_MISMATCH",
    "Study under several Patient IDs was stored, refused or retrieved",
    ("outcome", "study_instance_uid", "patient_ids"),
)
EVT_STUDY_COMPLETE = NotificationEvent(
    "EVT_STUDY_COMPLETE",
    "Study, or series of it, told complete by the complete worker",
    ("study_instance_uid", "series_instance_uid", "reason"),
)
EVT_PROCEDURE_STEP = NotificationEvent(
    "EVT_PROCEDURE_STEP",
    "Performed procedure step created or changed at the mpps worker",
    ("sop_instance_uid", "state", "study_instance_uids", "series_instance_uids"),
)
_MEMBER = ("worker", "generation", "member", "events", "sop_classes", "sends")
EVT_WORKER_UP = NotificationEvent("EVT_WORKER_UP", "Worker registered", _MEMBER)
EVT_WORKER_LOST = NotificationEvent("EVT_WORKER_LOST", "Worker died", _MEMBER)
EVT_WORKER_SUPERSEDED = NotificationEvent(
    "EVT_WORKER_SUPERSEDED", "Worker replaced by a newer generation", _MEMBER
)
EVT_WORKER_REFUSED = NotificationEvent(
    "EVT_WORKER_REFUSED", "Worker refused: another holds its event", (*_MEMBER, "holder")
)
EVT_METRICS = NotificationEvent(
    "EVT_METRICS",
    "Totals and durations that a process of the gateway has measured",
    ("process", "started", "metrics"),
)
EVT_GAP = NotificationEvent(
    "EVT_GAP",
    "Notifications were lost on the way to this watcher",
    ("stream", "topic", "first", "last"),
)

EVT_ASSOCIATE = NegotiationEvent(
    "EVT_ASSOCIATE", "Association request: admission", fails_closed=True
)
EVT_ASYNC_OPS = NegotiationEvent(
    "EVT_ASYNC_OPS",
    "Asynchronous operations window negotiation",
    ("nr_invoked", "nr_performed", "invoked", "performed"),
)
EVT_SOP_COMMON = NegotiationEvent(
    "EVT_SOP_COMMON", "SOP class common extended negotiation", ("items",)
)
EVT_SOP_EXTENDED = NegotiationEvent(
    "EVT_SOP_EXTENDED", "SOP class extended negotiation", ("app_info",)
)
EVT_USER_ID = NegotiationEvent(
    "EVT_USER_ID",
    "User identity negotiation",
    ("user_id_type", "primary_field", "secondary_field"),
    fails_closed=True,
)
EVT_C_ECHO = StatusEvent("EVT_C_ECHO", "C-ECHO request received", _DIMSE, ECHO)
EVT_C_STORE = StatusEvent(
    "EVT_C_STORE",
    "C-STORE request received",
    (*_DIMSE, "dataset", "dataset_path", "encoded_dataset", "file_meta"),
    STORE,
)
EVT_STORE_TRANSFORM = TransformEvent(
    "EVT_STORE_TRANSFORM",
    "Instance is about to be kept, or sent: what is to be kept or sent in its place",
    (
        *("context", "dataset", "dataset_path", "encoded_dataset", "file_meta"),
        *("calling_ae_title", "called_ae_title"),
    ),
    TRANSFORM,
    is_held_by_name=True,
)
_QUERY = (*_DIMSE, "identifier", "is_cancelled")
EVT_C_FIND = QueryEvent(
    "EVT_C_FIND", "C-FIND request received", _QUERY, FIND, _PENDING | {Category.WARNING}
)
EVT_C_GET = RetrieveEvent("EVT_C_GET", "C-GET request received", _QUERY, GET, _PENDING)
EVT_C_MOVE = RetrieveEvent(
    "EVT_C_MOVE", "C-MOVE request received", (*_QUERY, "move_destination"), MOVE, _PENDING
)
EVT_N_ACTION = PairEvent(
    "EVT_N_ACTION",
    "N-ACTION request received",
    (*_DIMSE, "action_information", "action_type"),
    N_SERVICE,
)
EVT_N_CREATE = PairEvent(
    "EVT_N_CREATE", "N-CREATE request received", (*_DIMSE, "attribute_list"), N_SERVICE
)
EVT_N_DELETE = StatusEvent("EVT_N_DELETE", "N-DELETE request received", _DIMSE, N_SERVICE)
EVT_N_EVENT_REPORT = PairEvent(
    "EVT_N_EVENT_REPORT",
    "N-EVENT-REPORT request received",
    (*_DIMSE, "event_information", "event_type"),
    N_SERVICE,
)
EVT_N_GET = PairEvent(
    "EVT_N_GET", "N-GET request received", (*_DIMSE, "attribute_identifiers"), N_SERVICE
)
EVT_N_SET = PairEvent(
    "EVT_N_SET",
    "N-SET request received",
    (*_DIMSE, "modification_list", "attribute_list"),
    N_SERVICE,
)

CATALOGUE: dict[str, NotificationEvent | InterventionEvent] = {
    name: value
    for name, value in list(globals().items())
    if isinstance(value, NotificationEvent | InterventionEvent)
}
"""Every event by its name."""

NOTIFICATIONS = {n: e for n, e in CATALOGUE.items() if isinstance(e, NotificationEvent)}
INTERVENTIONS = {n: e for n, e in CATALOGUE.items() if isinstance(e, InterventionEvent)}

_IN_EVT = frozenset({"Event", "EventType", "get_default_handler", "trigger"})


def __getattr__(name: str) -> NoReturn:
    if name in _IN_EVT:  # pynetdicom has them in its module of this name
        raise ImportError(f"gateway.events has no {name}: use gateway.evt")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
