"""Run a module with a profile of each of its threads: `profiled_child.py OUT -P -m MODULE NAME`.

Times are processor times of the thread, so that what waits costs nothing.
SIGUSR1 forgets what was recorded so far. At the end, OUT has the sum of all threads in the form of
`pstats`.
"""

from __future__ import annotations

import atexit
import cProfile
import os
import pstats
import runpy
import signal
import sys
import threading
import time

_profiles: list[cProfile.Profile] = []


def _profile_this_thread() -> None:
    _profiles.append(cProfile.Profile(time.thread_time))
    _profiles[-1].enable()


def _profile_new_threads() -> None:
    run = threading.Thread.run

    def profiled(thread: threading.Thread) -> None:
        _profile_this_thread()
        run(thread)

    threading.Thread.run = profiled  # type: ignore[method-assign]


def _forget(*_: object) -> None:
    for profile in _profiles:
        profile.clear()


def _write(out: str) -> None:
    total = pstats.Stats()
    for profile in _profiles:
        profile.create_stats()
        if profile.stats:  # type: ignore[attr-defined]
            total.add(profile)
    total.dump_stats(out)


def _write_at_end(out: str) -> None:
    """Also where the program leaves at once, without the interpreter's own end."""
    leave = os._exit

    def write_and_leave(status: int) -> None:
        _write(out)
        leave(status)

    os._exit = write_and_leave  # type: ignore[assignment]
    atexit.register(_write, out)


def main() -> None:
    out, _, _, module, name = sys.argv[1:]
    sys.argv[1:] = [name]
    _write_at_end(out)
    signal.signal(signal.SIGUSR1, _forget)
    _profile_new_threads()
    _profile_this_thread()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
