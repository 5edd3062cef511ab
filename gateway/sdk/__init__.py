"""The names that authors of workers import; README.md beside this file explains them.

The names are loaded when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.datasets import DatasetError as DatasetError
    from gateway.dimse import status as status
    from gateway.errors import ConfigError as ConfigError
    from gateway.errors import GatewayError as GatewayError
    from gateway.errors import SpoolError as SpoolError
    from gateway.errors import Unavailable as Unavailable
    from gateway.sdk import event_names
    from gateway.sdk.arrived_instance import Arrival as Arrival
    from gateway.sdk.event import Event as Event
    from gateway.sdk.status_comment import status_with_comment as status_with_comment
    from gateway.sdk.transforming import InstanceFile as InstanceFile
    from gateway.sdk.transforming import NotTransformed as NotTransformed
    from gateway.sdk.worker_context import WorkerContext as WorkerContext
    from gateway.sdk.worker_definition import Worker as Worker
    from gateway.spool import Claim as Claim
    from gateway.spool.digest import can_be_equal as can_be_equal
    from gateway.spool.digest import digest_like as digest_like
    from gateway.spool.digest import digest_of as digest_of
    from gateway.spool.digest import matches as matches
    from gateway.spool.digest import running_digest as running_digest

    evt = event_names

_PUBLIC = {
    "Arrival": "gateway.sdk.arrived_instance",
    "Claim": "gateway.spool",
    "ConfigError": "gateway.errors",
    "DatasetError": "gateway.datasets",
    "Event": "gateway.sdk.event",
    "GatewayError": "gateway.errors",
    "InstanceFile": "gateway.sdk.transforming",
    "NotTransformed": "gateway.sdk.transforming",
    "SpoolError": "gateway.errors",
    "Unavailable": "gateway.errors",
    "Worker": "gateway.sdk.worker_definition",
    "WorkerContext": "gateway.sdk.worker_context",
    "can_be_equal": "gateway.spool.digest",
    "digest_like": "gateway.spool.digest",
    "digest_of": "gateway.spool.digest",
    "matches": "gateway.spool.digest",
    "running_digest": "gateway.spool.digest",
    "status_with_comment": "gateway.sdk.status_comment",
}
_MODULES = {"evt": "gateway.sdk.event_names", "status": "gateway.dimse.status"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC, *_MODULES})
