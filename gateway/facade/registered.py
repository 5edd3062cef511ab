"""SOP classes that programs register, with UIDs that the registry does not have."""

from __future__ import annotations

import keyword as keywords
from typing import Any

from gateway.dimse.services import SERVICES, serve_like
from gateway.facade import argument_checks as checks
from gateway.facade import service_classes as known
from gateway.facade import sop_classes
from gateway.facade.service_classes import ServiceClass

SERVED_LIKE: dict[str, str] = {}
"""UID -> a registered SOP class that is served in the same way. Acceptors get it when started."""


def register_uid(
    uid: str, keyword: str, service_class: type[Any], dimse_msg_type: str = ""
) -> None:
    """Make `sop_class.KEYWORD` mean `uid`, and serve it as the service class says (PS3.4).

    Servers that are running already are not affected.

    Args:
        uid: the SOP class UID.
        keyword: a Python identifier.
        service_class: a class of `gateway.service_class`.
        dimse_msg_type: C-FIND, C-GET or C-MOVE, for QueryRetrieveServiceClass only.

    Raises:
        TypeError, ValueError: an argument is not valid.
    """
    if not keyword.isidentifier() or keywords.iskeyword(keyword):
        raise ValueError(
            f"The keyword '{keyword}' is not a valid Python identifier or is a Python keyword"
        )
    if not isinstance(service_class, type):
        raise TypeError("'service_class' must be a class object not a class instance")
    if not issubclass(service_class, ServiceClass):
        raise TypeError(
            "'service_class' must be a ServiceClass subclass object such as 'StorageServiceClass'"
        )
    like = service_class.like
    if service_class is known.QueryRetrieveServiceClass:
        if dimse_msg_type not in known.RETRIEVE_LIKE:
            raise ValueError(
                "'dimse_msg_type' must be 'C-FIND', 'C-GET' or 'C-MOVE' when registering a UID "
                "with QueryRetrieveServiceClass"
            )
        like = known.RETRIEVE_LIKE[dimse_msg_type]
    if not like:
        raise TypeError(f"{service_class.__name__} is abstract: use one of its subclasses")
    text = str(checks.uid(uid, "uid"))
    if text not in SERVICES or text in SERVED_LIKE:
        SERVED_LIKE[text] = like
        serve_like(text, like)
    sop_classes.add(keyword, text)
