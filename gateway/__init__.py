"""A DICOM gateway of processes that share nothing and talk by messages.

The public names are imported on first use: an acceptor imports this package too, and must not load
pydicom.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway import config_flags as config_flags
    from gateway import dimse_primitives as dimse_primitives
    from gateway import dsutils as dsutils
    from gateway import evt as evt
    from gateway import pdu_primitives as pdu_primitives
    from gateway import presentation as presentation
    from gateway import service_class as service_class
    from gateway import sop_class as sop_class
    from gateway import status as status
    from gateway import utils as utils
    from gateway.facade.association import Association as Association
    from gateway.facade.association_server import AssociationServer as AssociationServer
    from gateway.facade.data_set_tools import (
        PYNETDICOM_IMPLEMENTATION_UID as PYNETDICOM_IMPLEMENTATION_UID,
    )
    from gateway.facade.data_set_tools import (
        PYNETDICOM_IMPLEMENTATION_VERSION as PYNETDICOM_IMPLEMENTATION_VERSION,
    )
    from gateway.facade.data_set_tools import PYNETDICOM_UID_PREFIX as PYNETDICOM_UID_PREFIX
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
        "_config",
        "_globals",
        "ae",
        "config_flags",
        "dimse_primitives",
        "dsutils",
        "evt",
        "pdu_primitives",
        "presentation",
        "service_class",
        "service_class_n",
        "sop_class",
        "status",
        "utils",
    }
)
_ABSENT = {
    "_handlers": "the default for an event is a status: see gateway.evt",
    "_validators": "a peer's AE titles and UIDs are not validated by functions",
    "_version": "use gateway.__version__",
    "acse": "use associate, release and abort, and the events EVT_ACSE_RECV and EVT_ACSE_SENT",
    "apps": "use the dicom-gateway command",
    "dimse_messages": "use gateway.dimse.message",
    "dul": "the acceptor process has it; use EVT_PDU_RECV, EVT_PDU_SENT and EVT_FSM_TRANSITION",
    "fsm": "use gateway.ul.fsm, or EVT_FSM_TRANSITION",
    "pdu": "use gateway.ul.pdu",
    "pdu_items": "use gateway.ul.items",
    "tests": "the tests stand beside this package, in the folder tests",
    "timer": "use the timeouts of AE",
    "transport": "use AE.make_server and gateway.AssociationServer",
}
"""pynetdicom's modules that are not here, and what to use."""
_PUBLIC = {
    "AE": "gateway.facade.entity",
    "ALL_TRANSFER_SYNTAXES": "gateway.facade.presentation_contexts",
    "Association": "gateway.facade.association",
    "AssociationServer": "gateway.facade.association_server",
    "DEFAULT_TRANSFER_SYNTAXES": "gateway.facade.presentation_contexts",
    "Event": "gateway.sdk.event",
    "PYNETDICOM_IMPLEMENTATION_UID": "gateway.facade.data_set_tools",
    "PYNETDICOM_IMPLEMENTATION_VERSION": "gateway.facade.data_set_tools",
    "PYNETDICOM_UID_PREFIX": "gateway.facade.data_set_tools",
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


def _absent(name: str) -> ImportError:
    return ImportError(f"{__name__} has no module {name}: {_ABSENT[name]}")


class _AbsentModules:
    """The finder of the modules in `_ABSENT`: it finds none, and says what to use instead."""

    @staticmethod
    def find_spec(fullname: str, _path: object = None, _target: object = None) -> None:
        package, _, name = fullname.partition(".")
        if package == __name__ and name in _ABSENT:
            raise _absent(name)


sys.meta_path.append(_AbsentModules())


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value: Any = import_module(f"{__name__}.{name}")
    elif name in _ABSENT:
        raise _absent(name)
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
