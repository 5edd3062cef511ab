"""The service classes by pynetdicom's names, as arguments of `register_uid`."""

from __future__ import annotations

from typing import ClassVar

from gateway.facade.pynetdicom_names import names
from gateway.uid import KEYWORDS


class ServiceClass:
    """A service class of PS3.4; there are no instances."""

    like: ClassVar[str] = ""
    """The UID of a SOP class of the service class."""


RETRIEVE_LIKE = {
    f"C-{operation.upper()}": KEYWORDS[f"StudyRootQueryRetrieveInformationModel{operation}"]
    for operation in ("Find", "Get", "Move")
}
"""DIMSE message type -> the UID of a query/retrieve SOP class that has it."""

_CLASSES: dict[str, type[ServiceClass]] = {
    name: type(name, (ServiceClass,), {"like": KEYWORDS[keyword], "__module__": __name__})
    for name, keyword in names("class").items()
}
globals().update(_CLASSES)


def __getattr__(name: str) -> type[ServiceClass]:
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["RETRIEVE_LIKE", "ServiceClass"]
__all__ += sorted(_CLASSES)
