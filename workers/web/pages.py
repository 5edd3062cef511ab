"""The pages for operators: files, streams of what they show, and what they may change.

Each page is the same document with another name; a script for each fills it. A stream sends one
message a second while it is open, and nothing is asked of the gateway for pages that nobody has
open.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.sdk import GatewayError
from workers.web.destinations import QueueView
from workers.web.operator_actions import Actions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.requests import Request

    from workers.web.views import Views

STATIC = Path(__file__).with_name("static")
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PERIOD = 1.0
"""Seconds between two messages of a stream."""
MOST_STREAMS = 64
_NO_STORE = {"Cache-Control": "no-store"}
_EVENTS = {**_NO_STORE, "X-Accel-Buffering": "no"}


class Pages:
    """The handlers of the pages' routes."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._streams = 0
        self._files = {path.name: path for path in STATIC.iterdir() if path.suffix in TYPES}

    def routes(self) -> list[Route]:
        """Return all routes of the pages."""
        return [
            Route("/", self.document),
            *(Route(f"/{name}", self.document) for name in self._views.by_name if name != "now"),
            Route("/static/{name}", self.file),
            Route("/live/{name}", self.live),
            Route("/rates/{span}", self.rates),
            Route("/trace/{acceptor}/{association}", self.trace),
            Route("/search/{what}", self.search),
            Route("/recordings/{name}", self.recording),
            *Actions(self._views.sources).routes(),
        ]

    async def document(self, _: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers=_NO_STORE)

    async def file(self, request: Request) -> Response:
        path = self._files.get(request.path_params["name"])
        if path is None:
            return _not_found()
        return FileResponse(
            path, media_type=TYPES[path.suffix], headers={"Cache-Control": "no-cache"}
        )

    async def live(self, request: Request) -> Response:
        """Stream what a page shows, as server-sent events."""
        name, wanted = request.path_params["name"], dict(request.query_params)
        if name not in self._views.by_name:
            return _not_found()

        async def messages() -> AsyncIterator[dict[str, Any]]:
            while True:
                yield await run_in_threadpool(self._views.look, name, wanted)
                await asyncio.sleep(PERIOD)

        return self._stream(messages())

    async def rates(self, request: Request) -> Response:
        points = self._views.sources.rates.points(request.path_params["span"])
        return JSONResponse(points, headers=_NO_STORE)

    async def trace(self, request: Request) -> Response:
        """Stream what passes over one association."""
        associations = self._views.sources.context.associations
        if associations is None:
            return _not_found()
        path = request.path_params
        return self._stream(_in_threads(associations.trace(path["acceptor"], path["association"])))

    async def search(self, request: Request) -> Response:
        """Search the archive: its studies, the series of one, the instances of one, conflicts."""
        archive, wanted = self._views.sources.archive, dict(request.query_params)
        skip = wanted.pop("skip", "0")
        number = int(skip) if skip.isascii() and skip.isdecimal() and len(skip) < 16 else 0
        uid = wanted.get("uid", "")
        ways: dict[str, Callable[[], dict[str, Any]]] = {
            "studies": lambda: archive.studies(wanted, number),
            "series": lambda: {**archive.series(uid, number), "viewer": self._viewer()},
            "instances": lambda: archive.instances(uid, number),
            "conflicts": archive.conflicts,
            "queue": lambda: QueueView(archive).rows(
                wanted.get("destination", ""), wanted.get("state", ""), number
            ),
            "differences": lambda: archive.differences(uid),
        }
        way = ways.get(request.path_params["what"])
        if way is None:
            return _not_found()
        return JSONResponse(await run_in_threadpool(way), headers=_NO_STORE)

    async def recording(self, request: Request) -> Response:
        """Send the file of a recording."""
        path = self._views.sources.recordings.path(request.path_params["name"])
        if path is None:
            return _not_found()
        kind = "application/octet-stream"
        return FileResponse(path, media_type=kind, filename=path.name, headers=_NO_STORE)

    def _viewer(self) -> str:
        """Return the address of the worker `dicomweb`, which shows thumbnails; empty: none runs."""
        workers = self._views.sources.health.status.get("workers", [])
        processes = (one for worker in workers for one in worker["processes"])
        return next((one["dicomweb"] for one in processes if one.get("dicomweb")), "")

    def _stream(self, messages: AsyncIterator[dict[str, Any]]) -> Response:
        if self._streams >= MOST_STREAMS:
            return JSONResponse({"error": "too many pages are open"}, 503)

        async def encoded() -> AsyncIterator[str]:
            self._streams += 1
            try:
                async for message in messages:
                    yield f"data: {json.dumps(message)}\n\n"
            finally:
                self._streams -= 1

        return StreamingResponse(encoded(), media_type="text/event-stream", headers=_EVENTS)


async def _in_threads(results: Iterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    """Yield what a generator yields that blocks; close it once nobody wants more."""
    step: asyncio.Future[dict[str, Any] | None] | None = None
    try:
        while True:
            step = asyncio.ensure_future(asyncio.to_thread(next, results, None))
            try:
                told = await asyncio.shield(step)
            except GatewayError as error:
                yield {"error": str(error)}
                return
            if told is None:
                yield {"over": True}
                return
            yield told
    finally:
        if step is None or step.done():
            _close(results)
        else:  # it cannot be closed while a thread waits in it
            step.add_done_callback(lambda _: _close(results))


def _close(results: Any) -> None:
    results.close()


def _not_found() -> Response:
    return Response("there is no such page\n", 404)
