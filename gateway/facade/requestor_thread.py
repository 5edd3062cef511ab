"""The thread, one in a process, that runs the event loop of all associations as requestor."""

from __future__ import annotations

import atexit
import os
import threading

from gateway.loop_thread import LoopThread

_lock = threading.Lock()
_shared: LoopThread | None = None


def shared_loop() -> LoopThread:
    """Return the thread; start it first if it does not run in this process."""
    global _shared
    with _lock:
        if _shared is None:
            _shared = LoopThread("requestor")
        return _shared


def _forget() -> None:
    """A forked process does not have its parent's threads."""
    global _shared, _lock
    _shared, _lock = None, threading.Lock()


@atexit.register
def _stop() -> None:
    if _shared is not None:
        _shared.stop()
        _shared.join()


os.register_at_fork(after_in_child=_forget)
