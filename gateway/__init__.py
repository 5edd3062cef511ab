"""A DICOM gateway of processes that share nothing and talk by messages.

The public names are imported on first use: an acceptor imports this package too, and must not load
pydicom.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway import config_flags as config_flags
    from gateway import evt as evt
    from gateway import pdu_primitives as pdu_primitives
    from gateway import presentation as presentation
    from gateway import service_class as service_class
    from gateway import sop_class as sop_class
    from gateway import status as status
    from gateway.facade.association import Association as Association
    from gateway.facade.association_server import AssociationServer as AssociationServer
    from gateway.facade.debugging import debug_logger as debug_logger
    from gateway.facade.entity import AE as AE
    from gateway.facade.presentation_contexts import ALL_TRANSFER_SYNTAXES as ALL_TRANSFER_SYNTAXES
    from gateway.facade.presentation_contexts import (
        DEFAULT_TRANSFER_SYNTAXES as DEFAULT_TRANSFER_SYNTAXES,
    )
    from gateway.facade.presentation_contexts import PresentationContext as PresentationContext
    from gateway.facade.presentation_contexts import build_context as build_context
    from gateway.facade.presentation_contexts import build_role as build_role
    from gateway.facade.registered import register_uid as register_uid
    from gateway.facade.status_codes import Status as Status
    from gateway.sdk.event import Event as Event
    from gateway.sdk.worker_definition import Worker as Worker
    from gateway.tls import tls_context as tls_context

__version__ = "0.1.0"

_MODULES = frozenset(
    {
        "config_flags",
        "evt",
        "pdu_primitives",
        "presentation",
        "service_class",
        "sop_class",
        "status",
    }
)
_PUBLIC = {
    "AE": "gateway.facade.entity",
    "ALL_TRANSFER_SYNTAXES": "gateway.facade.presentation_contexts",
    "Association": "gateway.facade.association",
    "AssociationServer": "gateway.facade.association_server",
    "DEFAULT_TRANSFER_SYNTAXES": "gateway.facade.presentation_contexts",
    "Event": "gateway.sdk.event",
    "PresentationContext": "gateway.facade.presentation_contexts",
    "Status": "gateway.facade.status_codes",
    "Worker": "gateway.sdk.worker_definition",
    "build_context": "gateway.facade.presentation_contexts",
    "build_role": "gateway.facade.presentation_contexts",
    "debug_logger": "gateway.facade.debugging",
    "register_uid": "gateway.facade.registered",
    "tls_context": "gateway.tls",
}
"""Public name -> the module that has it."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value: Any = import_module(f"{__name__}.{name}")
    elif name in _PUBLIC:
        value = getattr(import_module(_PUBLIC[name]), name)
    elif name.endswith("PresentationContexts"):
        value = getattr(import_module("gateway.facade.presentation_contexts"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    lists = import_module("gateway.facade.presentation_contexts").__dir__()
    contexts = {name for name in lists if name.endswith("PresentationContexts")}
    return sorted({*globals(), *_PUBLIC, *_MODULES, *contexts})
