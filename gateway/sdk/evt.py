"""The events as users import them: `from gateway import evt`, then `evt.EVT_C_STORE`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gateway.events import (
    EVT_ABORTED,
    EVT_ACCEPTED,
    EVT_ACSE_RECV,
    EVT_ACSE_SENT,
    EVT_ASSOCIATE,
    EVT_ASYNC_OPS,
    EVT_C_ECHO,
    EVT_C_FIND,
    EVT_C_GET,
    EVT_C_MOVE,
    EVT_C_STORE,
    EVT_CONN_CLOSE,
    EVT_CONN_OPEN,
    EVT_DATA_RECV,
    EVT_DATA_SENT,
    EVT_DIMSE_RECV,
    EVT_DIMSE_SENT,
    EVT_ESTABLISHED,
    EVT_FSM_TRANSITION,
    EVT_GAP,
    EVT_INSTANCE_CONFLICT,
    EVT_INSTANCE_MISSING,
    EVT_INSTANCE_STORED,
    EVT_N_ACTION,
    EVT_N_CREATE,
    EVT_N_DELETE,
    EVT_N_EVENT_REPORT,
    EVT_N_GET,
    EVT_N_SET,
    EVT_PDU_RECV,
    EVT_PDU_SENT,
    EVT_REJECTED,
    EVT_RELEASED,
    EVT_REQUESTED,
    EVT_SOP_COMMON,
    EVT_SOP_EXTENDED,
    EVT_USER_ID,
    EVT_WORKER_LOST,
    EVT_WORKER_REFUSED,
    EVT_WORKER_SUPERSEDED,
    EVT_WORKER_UP,
    InterventionEvent,
    NotificationEvent,
)

if TYPE_CHECKING:
    from gateway.sdk.event import Event

__all__ = [
    "EVT_ABORTED",
    "EVT_ACCEPTED",
    "EVT_ACSE_RECV",
    "EVT_ACSE_SENT",
    "EVT_ASSOCIATE",
    "EVT_ASYNC_OPS",
    "EVT_CONN_CLOSE",
    "EVT_CONN_OPEN",
    "EVT_C_ECHO",
    "EVT_C_FIND",
    "EVT_C_GET",
    "EVT_C_MOVE",
    "EVT_C_STORE",
    "EVT_DATA_RECV",
    "EVT_DATA_SENT",
    "EVT_DIMSE_RECV",
    "EVT_DIMSE_SENT",
    "EVT_ESTABLISHED",
    "EVT_FSM_TRANSITION",
    "EVT_GAP",
    "EVT_INSTANCE_CONFLICT",
    "EVT_INSTANCE_MISSING",
    "EVT_INSTANCE_STORED",
    "EVT_N_ACTION",
    "EVT_N_CREATE",
    "EVT_N_DELETE",
    "EVT_N_EVENT_REPORT",
    "EVT_N_GET",
    "EVT_N_SET",
    "EVT_PDU_RECV",
    "EVT_PDU_SENT",
    "EVT_REJECTED",
    "EVT_RELEASED",
    "EVT_REQUESTED",
    "EVT_SOP_COMMON",
    "EVT_SOP_EXTENDED",
    "EVT_USER_ID",
    "EVT_WORKER_LOST",
    "EVT_WORKER_REFUSED",
    "EVT_WORKER_SUPERSEDED",
    "EVT_WORKER_UP",
    "Event",
    "InterventionEvent",
    "NotificationEvent",
]


def __getattr__(name: str) -> Any:
    if name == "Event":  # brings pydicom along: only for who names it
        return import_module("gateway.sdk.event").Event
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
