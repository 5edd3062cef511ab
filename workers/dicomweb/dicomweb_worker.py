"""The DICOMweb worker: STOW-RS, QIDO-RS and WADO-RS on the archive (PS3.18).

It is not started until the configuration has a table for it, `[workers.dicomweb]`.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from gateway.requestor import Address
from gateway.sdk import GatewayError, Worker
from gateway.settings import DicomWebSettings, TlsSettings, from_map
from gateway.tls import client_context, load
from workers.archive.attributes import Level
from workers.archive.indexed_worker import IndexedWorker
from workers.dicomweb import media, pixel_frames, viewer
from workers.dicomweb.archive_reader import ArchiveReader
from workers.dicomweb.capabilities import WADL, Resource, wadl
from workers.dicomweb.guard import HttpError, TokenGuard, error_response, warning
from workers.dicomweb.json_model import to_xml
from workers.dicomweb.own_gateway import OwnAssociations, OwnGateway
from workers.dicomweb.parts import multipart, parts_of
from workers.dicomweb.pictures import RENDERING, Pictures
from workers.dicomweb.qido import Search
from workers.dicomweb.stow import FOLDER, Store, store
from workers.dicomweb.wado import ArchiveResources
from workers.http.access import Access, check_exposure, is_loopback, joined, token_in
from workers.http.web_server import WebServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.requests import Request

log = logging.getLogger("workers.dicomweb")

worker = Worker("dicomweb", concurrency=2)

ROOT = "/dicom-web"
"""What the paths of the resources begin with."""
_STUDY, _SERIES = "/studies/{study}", "/studies/{study}/series/{series}"
_INSTANCE = f"{_SERIES}/instances/{{instance}}"
_MODELS = (media.JSON, f'{media.MULTIPART}; type="{media.XML}"')
_FILES = (f'{media.MULTIPART}; type="{media.DICOM}"', media.DICOM)
_SEARCH = ("limit", "offset", "includefield", "fuzzymatching")


class DicomWeb(IndexedWorker):
    """The state of the worker from its start to its stop."""

    _server: WebServer | None = None
    _archive: ArchiveReader | None = None
    _table = DicomWebSettings()

    def open(self) -> None:
        """Open the index and listen; raises ConfigError, or OSError and can be called again."""
        context = worker.context
        self._table = table = from_map(DicomWebSettings, context.options.get("dicomweb", {}))
        check_exposure("dicomweb", table)
        super().start()
        # It logs the values of elements, and tracebacks of what it cannot decode.
        logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
        shutil.rmtree(context.data_dir / FOLDER, ignore_errors=True)
        (context.data_dir / FOLDER).mkdir(mode=0o700)
        self._archive = ArchiveReader(context, self.index, self.settings)
        assert context.run_dir is not None
        is_local, page = is_loopback(table.host), token_in(context.run_dir)
        access = Access(table.token or page, table.names, is_local=is_local)
        tls = load(TlsSettings(table.certificate, table.key)) if table.certificate else None
        self._associations = OwnAssociations(_this_gateway, table.ae_title)
        routes = Starlette(routes=self._routes(), exception_handlers={HTTPException: _no_resource})
        app = TokenGuard(routes, access, Access(page))
        self._server = WebServer(app, table.host, table.port, tls)
        self._server.start()
        scheme = "https" if tls else "http"
        context.facts["dicomweb"] = f"{scheme}://{joined(*self._server.address)}{ROOT}"

    def close(self) -> None:
        """Stop serving, and close the index."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._archive is not None:
            self._archive.close()
            self._archive = None
        super().stop()

    def look(self) -> None:
        """Delete fetched files of long ago."""
        super().look()
        if self._archive is not None:
            self._archive.sweep()

    def _routes(self) -> list[Route]:
        resources = list(self._resources())

        async def capabilities(request: Request, base: str) -> Response:
            media.choose(request, (WADL, "application/xml"))
            return Response(wadl(resources, base), media_type=WADL)

        pages = (("/view/{study}", self._view), ("/viewer.css", _style))
        routes = [(one.path, one.answer, one.method) for one in resources]
        routes += [(path, make, "GET") for path, make in pages]
        described = dict.fromkeys(("", "/", *(one.path for one in resources)))
        routes += [(path, capabilities, "OPTIONS") for path in described]
        routes.sort(key=lambda route: route[0] != _INSTANCE)  # most requests are for one
        return [Route(ROOT + path, _answering(make), methods=[m]) for path, make, m in routes]

    def _resources(self) -> Iterator[Resource]:
        assert self._archive is not None
        found, pictures = ArchiveResources(self._archive), Pictures(self._archive)
        for path, name, level in (
            ("/studies", "Studies", Level.STUDY),
            ("/series", "Series", Level.SERIES),
            ("/instances", "Instances", Level.IMAGE),
            (f"{_STUDY}/series", "StudySeries", Level.SERIES),
            (f"{_STUDY}/instances", "StudyInstances", Level.IMAGE),
            (f"{_SERIES}/instances", "SeriesInstances", Level.IMAGE),
        ):
            search = _at(self._search, level)
            yield Resource(path, "GET", f"SearchFor{name}", search, _MODELS, _SEARCH)
        for path, name in ((_STUDY, "Study"), (_SERIES, "Series"), (_INSTANCE, "Instance")):
            one = f"Retrieve{name}"
            yield Resource(path, "GET", one, found.instances, _FILES)
            yield Resource(f"{path}/metadata", "GET", f"{one}Metadata", found.metadata, _MODELS)
            yield from _pictures(path, name, pictures)
        frames = f"{_INSTANCE}/frames/{{frames}}"
        yield Resource(frames, "GET", "RetrieveFrames", found.frame_list, (media.OCTETS,))
        yield from _pictures(frames, "Frames", pictures)
        bulk, place = found.bulk_data, f"{_INSTANCE}/bulkdata/{{path:path}}"
        yield Resource(place, "GET", "RetrieveBulkdata", bulk, (media.OCTETS,))
        for path, name in (("/studies", "StoreInstances"), (_STUDY, "StoreStudyInstances")):
            models = (media.JSON, media.XML)
            yield Resource(path, "POST", name, self._store, models, takes=_FILES[:1])

    async def _search(self, request: Request, base: str, level: Level) -> Response:
        chosen = media.choose(request, (media.JSON, media.XML, "application/json"))
        search = Search(level, request.path_params, request.query_params.multi_items())
        title = self.settings.holder_of_files or worker.context.options["archive"]["holder"]
        found = await run_in_threadpool(search.run, self.index, base, title)
        headers = warning(found.warnings)
        if not found.matches:
            return Response(None, 204, headers)
        if chosen.name == media.XML:
            response = multipart(
                parts_of([to_xml(one) for one in found.matches], {"Content-Type": media.XML}),
                media.XML,
            )
            response.headers.update(headers)
            return response
        return Response(json.dumps(found.matches), 200, headers, media.JSON)

    async def _view(self, request: Request, base: str) -> Response:
        study = request.path_params["study"]
        text = await run_in_threadpool(viewer.page, self.index, base, ROOT, study)
        return HTMLResponse(text, headers={"Content-Security-Policy": viewer.POLICY})

    async def _store(self, request: Request, base: str) -> Response:
        folder, longest = worker.context.data_dir / FOLDER, self._table.longest
        return await store(
            request, base, lambda study: Store(folder, self._associations, longest, study)
        )


def _pictures(path: str, name: str, pictures: Pictures) -> Iterator[Resource]:
    offers, asked = pixel_frames.RENDERED, RENDERING
    for word, make in (("rendered", pictures.rendered), ("thumbnail", pictures.thumbnail)):
        one = f"Retrieve{name}{word.capitalize()}"
        yield Resource(f"{path}/{word}", "GET", one, make, offers, asked)


def _at(search: Any, level: Level) -> Callable[[Request, str], Awaitable[Response]]:
    return lambda request, base: search(request, base, level)


async def _no_resource(request: Request, error: Exception) -> Response:
    """Answer a path or method that no resource has."""
    assert isinstance(error, HTTPException)
    text = f"there is no resource {request.url.path[:200]!r}; the service is at {ROOT}"
    if error.status_code == 405:
        text = f"{request.method[:20]} is not what this resource takes"
    return error_response(error.status_code, text, dict(error.headers or {}))


async def _style(_request: Request, _base: str) -> Response:
    return Response(viewer.STYLE, media_type="text/css")


def _answering(
    make: Callable[[Request, str], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a resource: its errors become responses."""

    async def answer(request: Request) -> Response:
        try:
            return await make(request, _base_of(request))
        except ClientDisconnect:
            log.info("an upload was cut")
            return error_response(400, "the body was cut")
        except HttpError as error:
            host = request.client.host if request.client else "?"
            log.info("peer=%s %s refused: %d %s", host, request.method, error.status, error)
            return error_response(error.status, str(error), error.headers)
        except GatewayError as error:
            log.error("%s failed: %s", request.method, error)  # noqa: TRY400 - a traceback adds nothing
            return error_response(503, str(error), {"Retry-After": "5"})
        except Exception as error:  # its text may have values of a data set
            kind = type(error).__name__
            log.error("%s failed: %s", request.method, kind)  # noqa: TRY400 - the same
            return error_response(500, f"this cannot be answered: {kind}")

    return answer


def _base_of(request: Request) -> str:
    """Return the address of the service, as the client knows it."""
    host = request.headers.get("host", "")
    server = request.scope.get("server")
    is_proxied = worker.context.options.get("dicomweb", {}).get("behind_proxy", False)
    if not is_proxied and server is not None and not re.search(r":\d+$", host):
        host = f"{host}:{server[1]}"  # some clients leave the port out
    return f"{request.scope['scheme']}://{host}{ROOT}"


def _this_gateway() -> OwnGateway:
    """Return where this gateway listens; raises GatewayError."""
    context = worker.context
    status = context.gateway_status()
    host, port = status["address"]
    if host in ("", "0.0.0.0"):
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    tls = context.tls
    secured = (
        client_context(tls.certificate, tls.key, tls.ca, tls.profile) if tls.certificate else None
    )
    return OwnGateway(Address(str(host), int(port), secured), str(status["ae_title"]))


dicomweb = DicomWeb(worker)
worker.on_start(dicomweb.open)
worker.on_stop(dicomweb.close)
