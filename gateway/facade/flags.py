"""The options that pynetdicom has in `_config`: attributes of this module, to be assigned.

They are read when a server is started, a handler is bound or a message is sent, so a server that is
running already is not affected. Names and defaults are pynetdicom's, but for HANDLER_DEADLINE.
"""

from __future__ import annotations

from typing import NoReturn

from gateway.facade.pynetdicom_names import no_name

UNRESTRICTED_STORAGE_SERVICE = False
"""True: a server accepts every storage SOP class, and unknown and private abstract syntaxes as
storage, in any transfer syntax, beside its supported contexts."""

STORE_SEND_CHUNKED_DATASET = False
"""True: `send_c_store` never converts a file; ValueError if no context has its transfer syntax. A
file is never read into memory as a whole unless it is converted."""

STORE_RECV_CHUNKED_DATASET = False
"""No effect: a server never holds a large data set in memory, and `event.dataset_path` is always
there."""

ENFORCE_UID_CONFORMANCE = False
"""True: AEs and contexts refuse UIDs that do not follow PS3.5 9.1. False: only their length counts.
"""

LOG_REQUEST_IDENTIFIERS = False
"""True: log the identifiers of C-FIND, C-GET and C-MOVE requests that are sent. They are patients'
data, and so they are not logged by default, unlike in pynetdicom."""

LOG_RESPONSE_IDENTIFIERS = False
"""True: log the identifiers of the responses; the same holds for these."""

LOG_HANDLER_LEVEL = "standard"
"""No effect: events are logged as the logging module is configured."""

USE_SHORT_DIMSE_AET = True
"""No effect: AE titles in messages are padded to an even length and no further."""

HANDLER_DEADLINE = 30.0
"""Seconds that a handler has for each answer. pynetdicom has no limit."""

CODECS: tuple[str, ...] = ("ascii",)
"""No effect: AE titles that are not ASCII are refused (PS3.5 6.2)."""

PASS_CONTEXTVARS = False
"""No effect: handlers run in threads that outlive the call that started the server."""

VALIDATORS: dict[str, object] = {}
"""No effect: a peer's AE titles and UIDs are checked where they are used, and not refused."""

WINDOWS_TIMER_RESOLUTION: float | None = None
"""No effect: nothing here polls."""


def __getattr__(name: str) -> NoReturn:
    no_name(__name__, "config_flags", name)
