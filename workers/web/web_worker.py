"""The web worker: it watches what the processes measure, and serves it."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.applications import Starlette

from gateway.collector import Collector
from gateway.sdk import GatewayError, Worker, evt
from gateway.settings import TlsSettings, WebSettings, from_map
from gateway.tls import end_of, load, measure_certificate
from workers.archive.layout import FOLDER as ARCHIVE
from workers.archive.opening import archive_settings, open_index
from workers.archive.stored_files import StoredFiles
from workers.http.access import Access, check_exposure, is_loopback, joined, token_in
from workers.http.web_server import WebServer
from workers.web import probes
from workers.web.application import Guarded
from workers.web.archive_view import ArchiveView
from workers.web.health import Health
from workers.web.history import COLUMNS, History
from workers.web.pages import Pages
from workers.web.rates import Rates
from workers.web.recordings import Recordings
from workers.web.senders import Senders
from workers.web.views import WORKER, Sources, Views

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp

    from gateway.sdk import Event, WorkerContext
    from workers.archive.index import Index

log = logging.getLogger("workers.web")

worker = Worker(WORKER, concurrency=2)

FOLDER = "web"
"""The worker's directory below the data directory."""
PERIOD = 1.0
"""Seconds between two points of the rates."""
WRITE_EVERY = 60.0
"""Seconds between two writings of the rates to disk."""
RETRY = 5.0
"""Seconds between two attempts to listen at an address that is taken."""


class Listener(NamedTuple):
    """An address at which an application is served."""

    name: str
    app: ASGIApp
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    path: str = "/"
    """The first page to open."""


class Web:
    """The state of the worker from its start to its stop."""

    def __init__(self) -> None:
        self.collector = Collector()
        self._sources: Sources | None = None
        self._health: Health | None = None
        self._servers: list[WebServer] = []
        self._leave = threading.Event()
        self._settings = WebSettings()
        self._serving = threading.Event()
        """Set when what is served at present is no longer to be."""

    def start(self) -> None:
        """Listen and serve; an address that is taken is told in the status, and tried again."""
        context = worker.context
        settings = from_map(WebSettings, context.options.get("web", {}))
        tls = _checked(settings)
        self._health = health = Health(context.gateway_status)
        health.start()
        self._sources = sources = self._open(health)
        threading.Thread(target=self._watch, args=(sources,), name="rates", daemon=True).start()
        self._serve(settings, tls)

    def reload(self, options: Mapping[str, Any]) -> Callable[[], None]:
        """Return a function that serves with other settings; raises ConfigError."""
        settings = from_map(WebSettings, options.get("web", {}))
        tls = _checked(settings)

        def apply() -> None:
            if settings != self._settings or tls is not None:
                self._stop_serving()
                self._serve(settings, tls)

        return apply

    def _serve(self, settings: WebSettings, tls: ssl.SSLContext | None) -> None:
        """Serve the pages, and the probes if they have an address of their own."""
        context, sources, health = worker.context, self._sources, self._health
        assert context.run_dir is not None
        assert sources is not None
        assert health is not None
        self._settings, self._serving = settings, threading.Event()
        if settings.certificate:
            name, end = f"{worker.name}-{context.member}", end_of(settings.certificate)
            measure_certificate(context.metrics, name, end)
        local = is_loopback(settings.host)
        asked = probes.routes(self.collector, health)
        shown = [*asked, *Pages(Views(sources)).routes()]
        token = token_in(context.run_dir)
        access = Access(token, settings.names, is_local=local)
        page = Guarded(Starlette(routes=shown), access, is_local=local)
        self._begin(Listener("page", page, settings.host, settings.port, tls, f"/?token={token}"))
        if settings.probes:
            host, _, port = settings.probes.rpartition(":")
            self._begin(Listener("probes", Starlette(routes=asked), host.strip("[]"), int(port)))

    def _stop_serving(self) -> None:
        self._serving.set()
        for server in self._servers:
            server.stop()
        self._servers.clear()
        for name in ("page", "probes"):
            worker.context.facts.pop(name, None)
            worker.context.troubles.pop(name, None)

    def _open(self, health: Health) -> Sources:
        """Return what the pages are made of, with what an earlier process of this worker kept."""
        context, folder = worker.context, worker.context.data_dir / FOLDER
        settings = archive_settings(context.options)
        archive = ArchiveView(
            partial(open_archive, context),
            StoredFiles.of(context.data_dir, settings),
            settings.holder_of_files,
        )
        rates, senders = Rates(folder / "rates.json"), Senders(folder / "senders.json")
        rates.read()
        senders.read()
        history = History(folder / "history.sqlite")
        recordings = Recordings(folder / "recordings", context.data_dir.absolute())
        return Sources(
            context, self.collector, health, rates, history, senders, archive, recordings
        )

    def _watch(self, sources: Sources) -> None:
        """Take note of rates, senders and ends once a second; write them down."""
        written = time.monotonic()
        while not self._leave.wait(PERIOD):
            metrics, now = self.collector.metrics(), time.time()
            sources.rates.look(metrics, now)
            sources.senders.look(metrics, now)
            sources.history.write()
            if time.monotonic() - written > WRITE_EVERY:
                written = time.monotonic()
                _write(sources)

    def _begin(self, listener: Listener) -> None:
        """Serve at an address, at once or, if it is taken, as soon as it is free."""
        if not self._listen(listener):
            again = partial(self._wait_for, listener, self._serving)
            threading.Thread(target=again, name=listener.name, daemon=True).start()

    def _wait_for(self, listener: Listener, over: threading.Event) -> None:
        while not over.wait(RETRY):
            if self._listen(listener):
                return

    def _listen(self, listener: Listener) -> bool:
        context, name = worker.context, listener.name
        try:
            server = WebServer(listener.app, listener.host, listener.port, listener.tls)
        except OSError as error:
            text = f"cannot listen at {joined(listener.host, listener.port)}: {error.strerror}"
            if context.troubles.get(name) != text:
                context.troubles[name] = text
                log.error("%s: %s", name, text)  # noqa: TRY400 - a traceback adds nothing
            return False
        server.start()
        self._servers.append(server)
        context.troubles.pop(name, None)
        scheme = "https" if listener.tls else "http"
        context.facts[name] = f"{scheme}://{joined(*server.address)}{listener.path}"
        return True

    def stop(self) -> None:
        """Stop serving."""
        self._leave.set()
        self._stop_serving()
        if self._health is not None:
            self._health.stop()
        if self._sources is not None:
            self._sources.history.write()
            _write(self._sources)
            self._sources.archive.close()
            self._sources.recordings.close()

    def measured(self, event: Event) -> None:
        """Take what a process has measured."""
        told: Any = event
        self.collector.take(str(told.process), float(told.started), list(told.metrics or ()))

    def ended(self, event: Event) -> None:
        """Take note of an association that has ended."""
        if self._sources is not None:
            told = {name: getattr(event, name) for name in COLUMNS[1:]}
            self._sources.history.take(event.timestamp.timestamp(), told)
            self._sources.senders.ended(str(told["calling"]), str(told["host"]))


def _write(sources: Sources) -> None:
    try:
        sources.rates.write()
        sources.senders.write()
    except OSError as error:
        log.warning("the rates and senders cannot be written: %s", error)


def open_archive(context: WorkerContext, *, durable: bool = False) -> Index:
    """Return the index of the archive; raises GatewayError if there is none.

    `durable`: something will be written.
    """
    if not (context.data_dir / ARCHIVE).exists() and not archive_settings(context.options).dsn:
        raise GatewayError("there is no archive yet")
    return open_index(context.data_dir, archive_settings(context.options), durable=durable)


def _checked(settings: WebSettings) -> ssl.SSLContext | None:
    """Return the TLS context of the page, if it has one; raises ConfigError."""
    check_exposure("web", settings)
    return load(TlsSettings(settings.certificate, settings.key)) if settings.certificate else None


web = Web()
worker.on_start(web.start)
worker.on_stop(web.stop)
worker.on_reload(web.reload)
worker.bind(evt.EVT_METRICS, web.measured)
worker.bind(evt.EVT_ASSOCIATION_ENDED, web.ended)
