"""Run a worker from a script of its own: `worker.run(run_dir)`."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.sdk.session import Session
from gateway.sdk.session_ending import SessionEndReason
from gateway.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from gateway.sdk.session import DefinedWorker


def run(
    worker: DefinedWorker,
    run_dir: str | PathLike[str],
    *,
    data_dir: str | PathLike[str],
    options: dict[str, Any] | None,
    durable: bool,
) -> int:
    """Work until SIGTERM or SIGINT; return the exit status."""
    settings = WorkerSettings(
        name="",
        target="",
        member=0,
        generation=0,
        run_dir=str(Path(run_dir)),
        data_dir=str(Path(data_dir)),
        durable=durable,
        options=options or {},
    )
    session = Session(worker, settings)
    with _signals(session):
        session.start()
        ending = session.wait()
        session.close(ending)
    return ending.status


@contextmanager
def _signals(session: Session) -> Iterator[None]:
    """End the session on SIGTERM and SIGINT, which Python delivers to the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(n, lambda *_: session.end(SessionEndReason.ASKED)) for n in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
