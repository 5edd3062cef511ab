"""The service classes by pynetdicom's names, which `register_uid` and `SOPClass` have."""

from __future__ import annotations

from typing import ClassVar

from gateway.dimse.services import SERVICES, service_of
from gateway.facade.pynetdicom_names import names, no_name
from gateway.uid import KEYWORDS

STORAGE_SERVICE_CLASS = "1.2.840.10008.4.2"


class ServiceClass:
    """A service class of PS3.4; there are no instances."""

    like: ClassVar[str] = ""
    """The UID of a SOP class of the service class."""
    name: ClassVar[str] = ""
    """The name of the service."""


RETRIEVE_LIKE = {
    f"C-{operation.upper()}": KEYWORDS[f"StudyRootQueryRetrieveInformationModel{operation}"]
    for operation in ("Find", "Get", "Move")
}
"""DIMSE message type -> the UID of a query/retrieve SOP class that has it."""

_QUERY_RETRIEVE = "QueryRetrieveServiceClass"


def _made(name: str, keyword: str, base: type[ServiceClass]) -> type[ServiceClass]:
    uid = KEYWORDS[keyword]
    members = {"like": uid, "name": service_of(uid).name, "__module__": __name__}
    return type(name, (base,), members)


def _all() -> dict[str, type[ServiceClass]]:
    """Return the classes by name; those of queries are query/retrieve, as in pynetdicom."""
    rows = names("class")
    parent = _made(_QUERY_RETRIEVE, rows.pop(_QUERY_RETRIEVE), ServiceClass)
    made = {
        name: _made(name, key, parent if name.endswith(_QUERY_RETRIEVE) else ServiceClass)
        for name, key in rows.items()
    }
    return {_QUERY_RETRIEVE: parent, **made}


_CLASSES = _all()
globals().update(_CLASSES)

_BY_SERVICE = {found.name: found for found in _CLASSES.values()}
_BY_SERVICE |= dict.fromkeys(
    (
        "Composite Instance Retrieve Without Bulk Data",
        "Composite Instance Root Retrieve",
        "Repository Query",
    ),
    _CLASSES[_QUERY_RETRIEVE],
)


def service_class_of(uid: str) -> type[ServiceClass]:
    """Return the service class of a SOP class; `ServiceClass` for one that is not known.

    The UID of a service class itself, which PS3.7 D.3.3.6 uses, is known too.
    """
    if uid == STORAGE_SERVICE_CLASS:
        return _CLASSES["StorageServiceClass"]
    if uid not in SERVICES:
        return ServiceClass
    return _BY_SERVICE.get(service_of(uid).name, ServiceClass)


def __getattr__(name: str) -> type[ServiceClass]:
    no_name(__name__, "service_class", name)


__all__ = ["RETRIEVE_LIKE", "ServiceClass", "service_class_of"]
__all__ += sorted(_CLASSES)
