"""What pynetdicom keeps in `_config`, for who sets it there: attributes of this module.

They are read when a server is started, a handler is bound, or a message is sent; a server that runs
already does not notice. Names and defaults are pynetdicom's but for the last one.
"""

from __future__ import annotations

UNRESTRICTED_STORAGE_SERVICE = False
"""A server accepts every storage SOP class, and unknown and private abstract syntaxes as storage,
in any transfer syntax, whatever its supported contexts are."""

STORE_SEND_CHUNKED_DATASET = False
"""`send_c_store` of a file never converts it: without a context in its own transfer syntax it is a
ValueError. Files are never held in memory as a whole, whatever this says."""

STORE_RECV_CHUNKED_DATASET = False
"""Has nothing to change: a data set is never held in memory by a server, and
`event.dataset_path` is always there."""

ENFORCE_UID_CONFORMANCE = False
"""AE and contexts refuse UIDs that break PS3.5 9.1; otherwise only those that are too long."""

LOG_REQUEST_IDENTIFIERS = False
"""Log the identifiers of C-FIND, C-GET and C-MOVE that are sent. They are patients' data: off here,
on in pynetdicom."""

LOG_RESPONSE_IDENTIFIERS = False
"""Log the identifiers that come back. They are patients' data: off, unlike in pynetdicom."""

LOG_HANDLER_LEVEL = "standard"
"""Has nothing to change: events are logged as `debug_logger` or the logging module says."""

USE_SHORT_DIMSE_AET = True
"""Has nothing to change: AE titles in messages are padded to an even length and no further."""

HANDLER_DEADLINE = 30.0
"""Seconds that a handler has for each answer (not pynetdicom's, which waits for ever)."""
