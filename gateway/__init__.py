"""A DICOM gateway of processes that share nothing and talk by messages.

The public names are looked up when first asked for: an acceptor imports this package too, and must
stay free of pydicom.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway import evt as evt
    from gateway import sop_class as sop_class
    from gateway.presentation import PresentationContext as PresentationContext
    from gateway.presentation import build_context as build_context
    from gateway.presentation import build_role as build_role
    from gateway.sdk.event import Event as Event
    from gateway.sdk.worker import Worker as Worker
    from gateway.status import Status as Status

__version__ = "0.1.0"

_PUBLIC = {
    "Event": "gateway.sdk.event",
    "PresentationContext": "gateway.presentation",
    "Status": "gateway.status",
    "Worker": "gateway.sdk.worker",
    "build_context": "gateway.presentation",
    "build_role": "gateway.presentation",
    "evt": "",
    "sop_class": "",
}
"""Public name -> the module that has it; nothing: the name is itself a module of this package."""


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _PUBLIC[name]
    value = getattr(import_module(home), name) if home else import_module(f"{__name__}.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
