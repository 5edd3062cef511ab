"""A worker process: `python -m gateway.sdk.runner NAME`, started by a supervisor or command.

It loads the worker that its settings name, registers it, reports *ready*, and exits on SIGTERM,
or when it is superseded, refused or hung, or its parent is gone.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from gateway import log as logs
from gateway import process, spans
from gateway.datasets.validation import disable_validation
from gateway.errors import AlreadyRegistered, ConfigError, GatewayError
from gateway.orders import ReloadOrders
from gateway.sdk.hooks import describe
from gateway.sdk.loading import load
from gateway.sdk.session import Session
from gateway.sdk.session_ending import SessionEndReason
from gateway.settings import WorkerSettings, from_map
from gateway.tls import destination_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.process import Inherited
    from gateway.sdk.worker_definition import Worker

log = logging.getLogger("gateway.sdk")

FIRST_DELAY = 0.25
"""Seconds between the first two attempts to start while something is missing; then it doubles."""
LONGEST_DELAY = 2.0

_LAST_RESORT = 1.0
"""Seconds for threads that the worker's author left running at the end."""


def main() -> NoReturn:
    inherited = process.inherit()
    settings = from_map(WorkerSettings, inherited.settings)
    logs.setup(settings.log, inherited.name)
    disable_validation()
    sys.path[:0] = settings.path
    try:
        worker = load(settings.target)
        spans.start(inherited.name)
        session = Session(worker, settings)
        orders = ReloadOrders(
            settings.revision, inherited.report, partial(_prepare, session, worker)
        )
        _listen(session, inherited, orders)
        _tell_dead_threads(session)

        def facts() -> dict[str, Any]:
            return {"revision": orders.revision, **session.facts()}

        session.on_beat = lambda _: inherited.beat(beat=facts())
        has_begun = session.start(wait=_Waiting(session, inherited))
        _spare_the_collector()
    except (Exception, SystemExit) as error:
        # the worker's own code may raise anything: one line says what
        _leave(_start_failed(inherited, error))
    if not has_begun:
        _leave(session.wait().status)
    inherited.beat(beat=facts())
    inherited.report(
        ready=True, worker=session.name, generation=session.generation, member=settings.member
    )
    _leave(_work(session, inherited))


class _Waiting:
    """Waits between two attempts to start, and tells the parent what is missing."""

    def __init__(self, session: Session, inherited: Inherited) -> None:
        self._session = session
        self._inherited = inherited
        self._delay = FIRST_DELAY
        self._told = ""

    def __call__(self, error: Exception) -> bool:
        """Return whether to try again; False if the worker is to end."""
        text = describe(error)
        if text != self._told:
            self._told = text
            log.warning("cannot start yet, it will be tried again: %s", text)
            self._inherited.report(waiting=text)
        ended = self._session.pause(self._delay)
        self._delay = min(2 * self._delay, LONGEST_DELAY)
        return not ended


def _spare_the_collector() -> None:
    """Exempt all loaded objects from garbage collection: they are never freed."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _prepare(session: Session, worker: Worker, values: dict[str, Any]) -> Callable[[], None]:
    """Return a function that puts a new configuration in force."""
    settings = from_map(WorkerSettings, values)
    for destination in settings.destinations.values():
        destination_context(destination, settings.tls)  # raises ConfigError
    changes = [hook(settings.options) for hook in worker.reload_hooks]

    def apply() -> None:
        session.adopt(settings)
        for change in changes:
            change()
        logs.set_level(settings.log)

    return apply


def _tell_dead_threads(session: Session) -> None:
    """Have `status` show a thread that an unexpected error has stopped, which is logged too."""
    log_it = threading.excepthook

    def tell(args: threading.ExceptHookArgs) -> None:
        log_it(args)
        if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
            session.note_dead_thread(args.thread.name if args.thread else "?")

    threading.excepthook = tell


def _listen(session: Session, inherited: Inherited, orders: ReloadOrders) -> None:
    """Let signals and the end of the lifeline end the session, and obey the parent's orders."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: session.end(SessionEndReason.ASKED))
    threading.Thread(
        target=_watch_lifeline, args=(inherited, session, orders), name="parent", daemon=True
    ).start()


def _watch_lifeline(inherited: Inherited, session: Session, orders: ReloadOrders) -> None:
    while (arrived := inherited.read_orders()) is not None:
        for order in arrived:
            orders.take(order)
    session.end(SessionEndReason.ORPHANED)


def _start_failed(inherited: Inherited, error: BaseException) -> int:
    more, hint = {}, ""
    match error:
        case ConfigError():
            status = process.EXIT_CONFIG
        case AlreadyRegistered():
            status = process.EXIT_REFUSED
            more["holder"] = error.holder
            hint = f": end that one, or set enabled = false in [workers.{error.holder}] and reload"
        case GatewayError():
            status = process.EXIT_FAILED
            log.error("the worker cannot start: %s", error)
        case _:
            status = process.EXIT_FAILED
            log.error("the worker cannot start", exc_info=error)
    inherited.report(error=f"{describe(error)}{hint}", **more)
    return status


def _work(session: Session, inherited: Inherited) -> int:
    ending = session.wait()
    log.info("leaving why=%s text=%r", ending.why.value, ending.text)
    if ending.text:
        inherited.report(error=ending.text)
    if not session.close(ending):
        _leave_hard(ending.status or process.EXIT_FAILED)
    return ending.status


def _leave(status: int) -> NoReturn:
    """Exit normally, but do not wait for threads that the worker's author left running."""

    def insist() -> None:
        time.sleep(_LAST_RESORT)
        _leave_hard(status)

    threading.Thread(target=insist, daemon=True).start()
    sys.exit(status)


def _leave_hard(status: int) -> NoReturn:
    """Exit while handlers are still running: a thread cannot be stopped."""
    logging.shutdown()
    os._exit(status)


if __name__ == "__main__":
    main()
