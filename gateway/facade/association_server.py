"""A server of an AE: an acceptor of its own, and a session that runs the handlers here.

The acceptor is a process wherever that can be, so that a handler that computes does not slow the
protocol down, and registers this process as the worker "handlers" of all its events.
"""

from __future__ import annotations

import atexit
import logging
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

from gateway.events import EVT_ABORTED, EVT_ESTABLISHED, EVT_RELEASED
from gateway.fabric.wire.frames import MAX_DATA
from gateway.facade import argument_checks as checks
from gateway.facade import debugging, flags, registered
from gateway.facade.address_information import AddressInformation
from gateway.facade.entity_settings import seconds
from gateway.facade.handlers import BindsHandlers, ServerHandlers, events_of
from gateway.facade.server_process import AcceptorProcess, AcceptorThread
from gateway.policy_settings import PolicySettings
from gateway.sdk.session import Session
from gateway.sdk.session_ending import SessionEnding, SessionEndReason
from gateway.settings import (
    AcceptorSettings,
    AssociationSettings,
    ContextSettings,
    LimitsSettings,
    LogSettings,
    SpoolSettings,
    TlsSettings,
    WorkerSettings,
)
from gateway.tls import TlsContext

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Sequence

    from gateway.facade.argument_checks import SocketAddress
    from gateway.facade.entity_settings import EntitySettings
    from gateway.facade.handlers import EventHandler
    from gateway.facade.presentation_contexts import PresentationContext
    from gateway.facade.server_process import RunningAcceptor
    from gateway.sdk.assoc import AssociationProxy
    from gateway.sdk.bound_handler import AnyEvent, AnyHandler
    from gateway.sdk.event import Event

log = logging.getLogger("gateway.facade")

TICK = 0.5
"""Seconds between two checks for handlers that hang and for an acceptor that died."""
MAX_HUNG = 64
"""Threads that hanging handlers may hold. Beyond that they are not replaced, and requests wait for
the threads that are left."""
MIN_FREE = 64 * 1024 * 1024
INLINE_MAX = 1024 * 1024
"""Bytes of a data set that is sent with the request itself: nothing has to be durable here, and
a file costs more than the copies."""
GATHERED = 8 * MAX_DATA
"""Bytes of identifiers and data sets of N-services, as the films of a print server, at a time."""
CONCURRENCY = range(8, 65)
"""Handlers that run at once: one for each association, within these limits."""

_running: WeakSet[AssociationServer] = WeakSet()


class AssociationServer(BindsHandlers):
    """Accepts associations; `AE.start_server` and `AE.make_server` return one.

    It listens from the beginning, and accepts from `start` or `serve_forever` on. A `with`
    statement shuts it down at its end.
    """

    drain_timeout = 5.0
    """Seconds that `shutdown` waits for requests that have been begun."""

    def __init__(
        self,
        ae: EntitySettings,
        address: SocketAddress,
        ae_title: str,
        contexts: Sequence[PresentationContext],
        ssl_context: ssl.SSLContext | None = None,
        evt_handlers: Iterable[EventHandler] | None = None,
    ) -> None:
        self.ae: Any = ae
        self.ae_title = ae_title
        self.contexts = list(contexts)
        self.ssl_context = ssl_context
        self._handlers: ServerHandlers = ServerHandlers(
            evt_handlers, _concurrency(ae.maximum_associations)
        )
        debugging.show(self._handlers)
        self._living: dict[str, AssociationProxy] = {}
        self._handlers.watch(EVT_ESTABLISHED, self._established)
        self._handlers.watch(EVT_RELEASED, self._over)
        self._handlers.watch(EVT_ABORTED, self._over)
        where = checks.address(address, "address")
        self.socket = checks.listener(where)
        self.server_address: Any = self.socket.getsockname()
        self.address_info = AddressInformation(
            self.server_address[0], self.server_address[1], *where[2:]
        )
        self._folder: Path | None = None
        self._acceptor: RunningAcceptor | None = None
        self._session: Session | None = None
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._gone = threading.Event()

    def __repr__(self) -> str:
        return f"<AssociationServer {self.ae_title} at {self.server_address}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def start(self) -> None:
        """Return when associations are accepted; raise RuntimeError if the acceptor fails."""
        with self._lock:
            if self._closed.is_set() or self._acceptor is not None:
                raise RuntimeError("a server is started once")
            try:
                self._start()
            except BaseException:
                self.shutdown()
                raise
        _running.add(self)
        threading.Thread(target=self._watch, name="server", daemon=True).start()

    def _start(self) -> None:
        folder = self._folder = Path(tempfile.mkdtemp(prefix="gateway-ae-"))
        settings = self._settings(folder)
        tls = self.ssl_context
        if tls is None or isinstance(tls, TlsContext):
            self._acceptor = AcceptorProcess(settings, self.socket)
        else:
            self._acceptor = AcceptorThread(settings, self.socket, tls)
        self._acceptor.start()
        worker = WorkerSettings(
            name=settings.expect[0],
            target="",
            member=0,
            generation=1,
            run_dir=settings.run_dir,
            data_dir=str(folder),
            durable=False,
            drain_timeout=self.drain_timeout,
            association=settings.association,
        )
        self._session = Session(self._handlers, worker)
        self._session.serve_as(self.ae, self)
        self._session.start()

    def serve_forever(self, poll_interval: float = 0.5) -> None:  # noqa: ARG002 - socketserver's
        """Start, and return once `shutdown` was called; Ctrl-C raises KeyboardInterrupt."""
        self.start()
        self._gone.wait()

    def shutdown(self) -> None:
        """Finish requests that were begun, close, and return when processes and files are gone."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            if self._acceptor is not None:
                self._acceptor.stop()
            if self._session is not None:
                self._session.close(SessionEnding(SessionEndReason.ASKED))
            self.socket.close()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._living.clear()
            _running.discard(self)
        self._gone.set()

    server_close = shutdown

    def _watch(self) -> None:
        hung = 0
        while not self._closed.wait(TICK):
            session, acceptor = self._session, self._acceptor
            if session is not None and session.is_hung() and hung < MAX_HUNG:
                hung += session.give_up_hung()
                if hung >= MAX_HUNG:
                    log.error("%d handlers hang: their threads are no longer replaced", hung)
            if acceptor is not None:
                acceptor.restart_if_dead()

    @property
    def is_shut_down(self) -> bool:
        """True once `shutdown` was called."""
        return self._closed.is_set()

    @property
    def active_associations(self) -> list[AssociationProxy]:
        """The associations that are established now, as the acceptor says when it is asked."""
        session = self._session
        if session is None or self._closed.is_set():
            return []
        return [assoc for assoc in session.associations.established() if assoc.is_established]

    def _established(self, event: Event) -> None:
        self._living[event.assoc.id] = event.assoc

    def _over(self, event: Event) -> None:
        known = self._living.pop(event.assoc.id, None)
        if known is not None:
            known.over(event.assoc.state)
        self._handlers.ended(event.assoc.id)

    def adopt_settings(self) -> None:
        """Use what is set in the AE now, for associations that begin later."""
        acceptor, folder = self._acceptor, self._folder
        if acceptor is not None and folder is not None and not self._closed.is_set():
            acceptor.adopt(self._settings(folder))

    # Handlers, of all associations and of one

    def bind(self, event: AnyEvent, handler: AnyHandler, args: list[Any] | None = None) -> None:
        """Call `handler(event, *args)` on all associations, also on those that are open.

        An intervention event's handler replaces the last one. Raises TypeError for a handler that
        can never be called like that.
        """
        for handlers in self._handlers.everywhere():
            handlers.set(event, handler, args)
        self._handlers.rebind()

    def unbind(self, event: AnyEvent, handler: AnyHandler) -> None:
        """Stop calling `handler` for `event` on all associations."""
        for handlers in self._handlers.everywhere():
            handlers.unbind(event, handler)
        self._handlers.rebind()

    def bind_on(
        self, association: str, event: AnyEvent, handler: AnyHandler, args: list[Any] | None
    ) -> None:
        self._handlers.own(association).set(event, handler, args)
        self._handlers.rebind()

    def unbind_on(self, association: str, event: AnyEvent, handler: AnyHandler) -> None:
        self._handlers.own(association).unbind(event, handler)
        self._handlers.rebind()

    def get_handlers_on(self, association: str, event: AnyEvent) -> Any:
        return self._handlers.shown_on(association).of(event)

    def get_events_on(self, association: str) -> list[AnyEvent]:
        return events_of(self._handlers.shown_on(association))

    def _settings(self, folder: Path) -> AcceptorSettings:
        ae, tls = self.ae, self.ssl_context
        return AcceptorSettings(
            index=0,
            ae_title=self.ae_title,
            run_dir=str(folder / "run"),
            spool_dir=str(folder / "spool"),
            expect=("handlers",),
            drain_timeout=self.drain_timeout,
            drain_idle=0.0,
            durable=False,
            contexts=tuple(_context(context) for context in self.contexts),
            services=dict(registered.SERVED_LIKE),
            checks_data_sets=False,
            implementation_class_uid=str(ae.implementation_class_uid),
            implementation_version_name=ae.implementation_version_name,
            tls=tls.settings if isinstance(tls, TlsContext) else TlsSettings(),
            scratch=str(folder),
            association=AssociationSettings(
                max_pdu=ae.maximum_pdu_size,
                artim_timeout=seconds(ae.acse_timeout),
                acse_timeout=seconds(ae.acse_timeout),
                dimse_timeout=seconds(ae.dimse_timeout),
                network_timeout=seconds(ae.network_timeout),
                max_associations=ae.maximum_associations,
            ),
            limits=LimitsSettings(
                identifier=MAX_DATA, data_set=MAX_DATA, gathered=GATHERED, data_rate=0
            ),
            policy=PolicySettings(
                require_called_ae_title=ae.require_called_aet,
                calling_ae_titles=tuple(ae.require_calling_aet),
                unrestricted=flags.UNRESTRICTED_STORAGE_SERVICE,
            ),
            spool=SpoolSettings(inline_max=INLINE_MAX, min_free=MIN_FREE, refuse_below=0),
            log=LogSettings(level=_level()),
        )


ThreadedAssociationServer = AssociationServer


def _context(context: PresentationContext) -> ContextSettings:
    return ContextSettings(
        str(context.abstract_syntax),
        tuple(str(syntax) for syntax in context.transfer_syntax),
        context.scu_role,
        context.scp_role,
    )


def _concurrency(associations: int) -> int:
    return max(CONCURRENCY[0], min(CONCURRENCY[-1], associations))


def _level() -> str:
    """Return the acceptor's log level: the one of this process."""
    level = logging.getLogger("gateway").getEffectiveLevel()
    names = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning"}
    return next((name for number, name in names.items() if level <= number), "error")


@atexit.register
def _shut_down() -> None:
    for server in tuple(_running):
        server.shutdown()
