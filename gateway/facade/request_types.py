"""`C_STORE` and the like: the types of `event.request`, which programs also make (PS3.7 9.1, 10.1).

What a program assigns to a parameter is checked at once: TypeError and ValueError, as pynetdicom
raises them.
"""

from __future__ import annotations

from typing import TypeAlias

from gateway.facade.parameter_checks import CHECKS
from gateway.facade.pynetdicom_names import no_name
from gateway.sdk.request_parameters import REQUESTS, RequestParameters

DIMSEPrimitive = RequestParameters
"""The base of all of them."""
DimsePrimitiveType: TypeAlias = DIMSEPrimitive
DimseServiceType: TypeAlias = DIMSEPrimitive

RequestParameters.checks = CHECKS


class C_CANCEL(RequestParameters):  # noqa: N801 - pynetdicom's
    """The parameters of a C-CANCEL (PS3.7 9.3.2.3)."""

    REQUEST_KEYWORDS = ("MessageIDBeingRespondedTo",)
    _names = frozenset(REQUEST_KEYWORDS)


_TYPES = {kind.__name__: kind for kind in REQUESTS.values()}
globals().update(_TYPES)

__all__ = [
    "C_CANCEL", "DIMSEPrimitive", "DimsePrimitiveType", "DimseServiceType", *sorted(_TYPES)
]  # fmt: skip


def __getattr__(name: str) -> type[RequestParameters]:
    no_name(__name__, "dimse_primitives", name)
