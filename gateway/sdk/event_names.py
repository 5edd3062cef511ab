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
    __all__ = ["Event", "InterventionEvent", "NotificationEvent", *CATALOGUE]


def __getattr__(name: str) -> Any:
    if name == "Event":  # loads pydicom, which a process that only names events does not need
        return import_module("gateway.sdk.event").Event
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
