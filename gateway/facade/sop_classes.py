"""SOP classes and well-known SOP instances by their keywords: `sop_class.CTImageStorage`.

Each is a `str` that has what the registry says about it as attributes.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from gateway import uid as registry
from gateway.dimse.services import SERVICES
from gateway.facade.pynetdicom_names import names, no_name
from gateway.facade.service_classes import ServiceClass, service_class_of
from gateway.uid import UIDS, UidType


class UID(str):
    """A UID with its entry in the registry (PS3.6 annex A)."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The registered name; the UID itself if it is not registered."""
        return registry.name_of(self)

    @property
    def keyword(self) -> str:
        """The registered keyword; "" if the UID is not registered."""
        return UIDS[self].keyword if self in UIDS else ""

    @property
    def is_retired(self) -> bool:
        """True if the registry says that it is retired."""
        return self in UIDS and UIDS[self].retired

    @property
    def is_valid(self) -> bool:
        """True if it follows PS3.5 9.1."""
        return registry.is_valid(self)

    @property
    def is_private(self) -> bool:
        """True if it is not below the DICOM root, 1.2.840.10008."""
        return not self.startswith("1.2.840.10008.")


class SOPClass(UID):
    """A SOP class, or meta SOP class, and its service."""

    __slots__ = ()

    @property
    def service_class(self) -> type[ServiceClass]:
        """The class of `gateway.service_class`; `ServiceClass` for a SOP class not known."""
        return service_class_of(self)


def uid_to_sop_class(uid: str) -> SOPClass:
    """Return a UID, registered or private, as a SOP class."""
    found = _NAMES.get(UIDS[uid].keyword) if uid in UIDS else None
    return found if isinstance(found, SOPClass) else SOPClass(uid)


def uid_to_service_class(uid: str) -> type[ServiceClass]:
    """Return the class of `gateway.service_class`; `ServiceClass` for a UID that is not known."""
    return service_class_of(uid)


_KINDS = {UidType.SOP_CLASS: SOPClass, UidType.META_SOP_CLASS: SOPClass, UidType.SOP_INSTANCE: UID}


_NAMES: dict[str, UID] = {
    row.keyword: _KINDS[row.kind](uid) for uid, row in UIDS.items() if row.kind in _KINDS
}
_NAMES |= {other: _NAMES[keyword] for other, keyword in names("keyword").items()}

__all__ = ["UID", "SOPClass", "sop_classes_of", "uid_to_service_class", "uid_to_sop_class"]
__all__ += sorted(_NAMES)


def sop_classes_of(service: str, *, retired: bool = False) -> list[SOPClass]:
    """Return the registered SOP classes and meta SOP classes of a service, sorted by UID."""
    return sorted(
        SOPClass(uid)
        for uid in UIDS.keys() & SERVICES  # not those of register_uid
        if SERVICES[uid].name == service and (retired or not UIDS[uid].retired)
    )


def add(keyword: str, uid: str) -> None:
    """Give a UID that is not registered a keyword."""
    _NAMES[keyword] = SOPClass(uid)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return _NAMES[name]
    if name == "register_uid":  # its module imports this one
        return import_module("gateway.facade.registered").register_uid
    if name.startswith("_") and name.endswith("_CLASSES"):
        raise ImportError(
            f"gateway.sop_class has no {name}: use a list of contexts of gateway.presentation, as "
            "AllStoragePresentationContexts, or sop_classes_of"
        )
    return no_name(__name__, "sop_class", name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})
