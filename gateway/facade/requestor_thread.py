"""The one thread that the associations of this process live in, as requestors."""

from __future__ import annotations

import atexit
import os
import threading

from gateway.requestor.sync import Requestor

_lock = threading.Lock()
_shared: Requestor | None = None


def shared() -> Requestor:
    """Made when it is first needed, and anew in a process that was forked."""
    global _shared
    with _lock:
        if _shared is None:
            _shared = Requestor()
        return _shared


def _forget() -> None:
    """The thread did not come along into a forked process."""
    global _shared, _lock
    _shared, _lock = None, threading.Lock()


@atexit.register
def _close() -> None:
    if _shared is not None:
        _shared.close()


os.register_at_fork(after_in_child=_forget)
