"""The thread, one in a process, that runs the event loop of all associations as requestor."""

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING, Any

from gateway.requestor.sync import Requestor

if TYPE_CHECKING:
    from collections.abc import Callable

_lock = threading.Lock()
_shared: Requestor | None = None


def shared_requestor() -> Requestor:
    """Return the thread; start it first if it does not run in this process."""
    global _shared
    with _lock:
        if _shared is None:
            _shared = Requestor()
        return _shared


def call_in(requestor: Requestor, function: Callable[..., object], *args: Any) -> None:
    """Call a function in the thread, and return afterwards."""

    async def call() -> None:
        function(*args)

    requestor.run(call())


def _forget() -> None:
    """A forked process does not have its parent's threads."""
    global _shared, _lock
    _shared, _lock = None, threading.Lock()


@atexit.register
def _close() -> None:
    if _shared is not None:
        _shared.close()


os.register_at_fork(after_in_child=_forget)
