"""The events as users import them: `from gateway import evt`, then `evt.EVT_C_STORE`.

All events of the catalogue, gateway.events, and `Event`, what a handler is called with.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gateway.events import *  # noqa: F403
from gateway.events import CATALOGUE, InterventionEvent, NotificationEvent

if TYPE_CHECKING:
    from gateway.sdk.event import Event as Event
else:
    __all__ = ["Event", "EventType", "InterventionEvent", "NotificationEvent", *CATALOGUE]


EventType = NotificationEvent | InterventionEvent
"""Any event."""

_ABSENT = {
    "trigger": "events are raised by associations only: use gateway.sdk.testing to call a handler",
    "get_default_handler": "the default for an event is a status, not a function: see gateway.evt",
}


def __getattr__(name: str) -> Any:
    if name in _ABSENT:
        raise ImportError(f"gateway.evt has no {name}: {_ABSENT[name]}")
    if name == "Event":  # loads pydicom, which a process that only names events does not need
        return import_module("gateway.sdk.event").Event
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
