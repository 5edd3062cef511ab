"""`debug_logger`, which shows associations and messages without further configuration."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from gateway.events import EVT_ACSE_RECV, EVT_ACSE_SENT, EVT_DIMSE_RECV, EVT_DIMSE_SENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.facade.handlers import Handlers
    from gateway.sdk.event import Event

LOGGERS = ("gateway", "pynetdicom")
"""This library's log, and that of programs that were written for pynetdicom."""

log = logging.getLogger("gateway.facade.debugging")
_block = threading.Lock()
"""Held for the lines of one event, so that those of others do not come between them."""


def debug_logger() -> None:
    """Log everything to standard error, from associations and servers that begin afterwards.

    That is the parameters of each association and each message, in both roles, and what the
    program itself logs under "gateway" or "pynetdicom". Calling it again changes nothing.
    """
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.DEBUG)
        if not logger.handlers:
            handler = logging.StreamHandler()
            handler.setFormatter(logging.Formatter("%(levelname).1s: %(message)s"))
            logger.addHandler(handler)


def show(handlers: Handlers) -> None:
    """Log what happens to the associations with these handlers, if debugging lines are wanted."""
    if not log.isEnabledFor(logging.DEBUG):
        return
    from gateway.facade import debug_lines

    def acse(event: Event) -> None:
        verb = "Sending" if event.event is EVT_ACSE_SENT else "Received"
        _log(event, debug_lines.of_primitive(event.primitive, verb))

    def dimse(event: Event) -> None:
        verb = "Sending" if event.event is EVT_DIMSE_SENT else "Received"
        _log(event, debug_lines.of_message(event, verb))

    for one in (EVT_ACSE_SENT, EVT_ACSE_RECV):
        handlers.watch(one, acse)
    for one in (EVT_DIMSE_SENT, EVT_DIMSE_RECV):
        handlers.watch(one, dimse)


def _log(event: Event, lines: Iterable[str]) -> None:
    first, *rest = lines
    with _block:
        log.info("association=%s %s", event.assoc_name, first)
        for line in rest:
            log.debug("%s", line)
