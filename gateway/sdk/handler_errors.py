"""The log line for a handler that raised."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.errors import ConfigError, GatewayError, LocalProtocolError

if TYPE_CHECKING:
    from gateway.log import AssociationName

log = logging.getLogger("gateway.sdk")

_BUGS = (ConfigError, LocalProtocolError)
"""Errors of this package whose cause is the handler's own code."""


def log_raised(
    error: BaseException,
    event: str,
    handler: str,
    detail: str = "",
    *,
    association: AssociationName | None = None,
    log: logging.Logger = log,
) -> None:
    """Log that a handler raised, with the traceback if the cause may be in the handler's code.

    A data set that cannot be decoded, an association that has ended and the like raise an error of
    this package, whose text says it all. A peer could fill a log with tracebacks otherwise.
    """
    is_bug = not isinstance(error, GatewayError) or isinstance(error, _BUGS)
    text = detail if is_bug else f"{detail}: {error}"
    trace = error if is_bug else None
    if association is None:
        log.error("event=%s handler=%s raised%s", event, handler, text, exc_info=trace)
    else:
        what = association, event, handler, text
        log.error("association=%s event=%s handler=%s raised%s", *what, exc_info=trace)
