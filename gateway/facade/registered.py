"""SOP classes that users register, for UIDs that the registry does not have."""

from __future__ import annotations

import keyword as keywords
from typing import Any

from gateway.dimse.services import SERVICES, serve_like
from gateway.facade import argument_checks as checks
from gateway.facade import service_class as known
from gateway.facade import sop_class
from gateway.facade.service_class import ServiceClass

SERVED_LIKE: dict[str, str] = {}
"""UID -> a SOP class of the registry that is served in the same way; acceptors are told."""


def register_uid(
    uid: str, keyword: str, service_class: type[Any], dimse_msg_type: str = ""
) -> None:
    """Make `sop_class.KEYWORD` mean `uid`, and have it served as `service_class` is.

    `service_class`: one of `gateway.service_class`. `dimse_msg_type`: C-FIND, C-GET or C-MOVE, for
    QueryRetrieveServiceClass. Servers that run already do not notice. Raises ValueError, TypeError.
    """
    text = str(checks.uid(uid, "uid"))
    if not keyword.isidentifier() or keywords.iskeyword(keyword):
        raise ValueError(f"the keyword {keyword!r} is not a name that Python allows")
    if not (isinstance(service_class, type) and issubclass(service_class, ServiceClass)):
        raise TypeError(f"service_class is a class of gateway.service_class, not {service_class!r}")
    like = service_class.like
    if service_class is known.QueryRetrieveServiceClass:
        if dimse_msg_type not in known.RETRIEVE_LIKE:
            raise ValueError("dimse_msg_type must be 'C-FIND', 'C-GET' or 'C-MOVE'")
        like = known.RETRIEVE_LIKE[dimse_msg_type]
    if not like:
        raise TypeError(f"{service_class.__name__} serves nothing by itself")
    if text not in SERVICES:
        SERVED_LIKE[text] = like
        serve_like(text, like)
    sop_class.add(keyword, text)
