"""The types of `event.request`: `C_STORE` and the like, to compare with (PS3.7 9.1, 10.1)."""

from __future__ import annotations

from gateway.facade.pynetdicom_names import no_name
from gateway.sdk.request_parameters import REQUESTS, RequestParameters

DIMSEPrimitive = RequestParameters
"""The base of all of them."""

_TYPES = {kind.__name__: kind for kind in REQUESTS.values()}
globals().update(_TYPES)

__all__ = ["DIMSEPrimitive", *sorted(_TYPES)]


def __getattr__(name: str) -> type[RequestParameters]:
    no_name(__name__, "dimse_primitives", name)
