"""What operators do from the pages; each is a line in the log, with the session that asked for it.

A session is a browser that has opened the address with the token. All sessions have the same token,
so the name of one says from where something was done, and is no proof of who did it.
"""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.sdk import GatewayError
from workers.http.access import session_of
from workers.web.destinations import QueueView

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from workers.web.views import Sources

log = logging.getLogger("workers.web")

_MOST_BODY = 4096
"""Bytes of a request's body."""


class Actions:
    """The handlers of `/do/...`: nothing from elsewhere or without the token gets here."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def routes(self) -> list[Route]:
        """Return a route for each thing that can be done."""
        ways = {
            "abort": self.abort,
            "drain": self.drain,
            "resume": self.drain,
            "restart": self.restart,
            "swap": self.restart,
            "accept": self.settle,
            "drop": self.settle,
            "suspend-destination": self.destination,
            "resume-destination": self.destination,
            "retry-queued": self.destination,
            "drop-queued": self.destination,
            "record": self.record,
            "stop-recording": self.end_recording,
            "delete-recording": self.end_recording,
        }
        return [Route(f"/do/{name}", way, methods=["POST"]) for name, way in ways.items()]

    async def abort(self, request: Request) -> Response:
        """Abort an association that is named in the body."""
        told = await _body(request)
        acceptor, name = str(told.get("acceptor", "")), str(told.get("id", ""))
        associations = self._sources.context.associations
        if associations is None or not (acceptor and name):
            return _wrong("name an association")
        _note(request, f"abort association {name!r}")
        return await _done(lambda: associations.abort(acceptor, name))

    async def drain(self, request: Request) -> Response:
        """Reject new associations, or accept them again."""
        is_drained = _what(request) == "drain"
        _note(request, "drain" if is_drained else "resume")
        return await _done(lambda: self._sources.context.drain_gateway(is_drained))

    async def restart(self, request: Request) -> Response:
        """Restart or swap a worker or process that is named in the body, and wait for it.

        This worker cannot wait for its own end: its page comes back by itself.
        """
        context, what = self._sources.context, _what(request)
        name = str((await _body(request)).get("name", ""))
        if not name:
            return _wrong("name a worker or a process")
        _note(request, f"{what} {name!r}")

        def work() -> None:
            context.restart(name, swap=what == "swap")

        if what == "restart" and name in self._sources.own_names:
            threading.Thread(target=_quietly, args=(work,), name="restart", daemon=True).start()
            return JSONResponse({})
        return await _done(work)

    async def settle(self, request: Request) -> Response:
        """Accept or drop a file that was set aside, whose path is in the body."""
        archive, what = self._sources.archive, _what(request)
        path = str((await _body(request)).get("path", ""))
        if not path:
            return _wrong("name a file that was set aside")
        _note(request, f"{what} {path!r}, which was set aside")
        return await _done(lambda: archive.settle(path, is_accepted=what == "accept"))

    async def destination(self, request: Request) -> Response:
        """Suspend or resume a destination, or send or drop what is queued for it."""
        what, told = _what(request), await _body(request)
        name, number = told.get("destination"), told.get("number", 0)
        if not (isinstance(name, str) and name and type(number) is int and number >= 0):
            return _wrong("name a destination")
        _note(request, f"{what} {name!r}" + (f" number {number}" if number else ""))
        queues = QueueView(self._sources.archive)
        ways: dict[str, Callable[[], None]] = {
            "suspend-destination": lambda: queues.suspend(name, True),
            "resume-destination": lambda: queues.suspend(name, False),
            "retry-queued": lambda: queues.retry(name, number),
            "drop-queued": lambda: queues.drop(name, number),
        }
        return await _done(ways[what])

    async def record(self, request: Request) -> Response:
        """Begin to record the associations that the body describes."""
        told = await _body(request)
        _note(request, f"record {told!r}")
        return await _done(lambda: self._sources.recordings.start(told))

    async def end_recording(self, request: Request) -> Response:
        """Stop a recording that is named in the body, or delete it."""
        what, name = _what(request), str((await _body(request)).get("name", ""))
        recordings = self._sources.recordings
        _note(request, f"{what} {name!r}")
        act = recordings.stop if what == "stop-recording" else recordings.delete
        return await _done(lambda: act(name))


def _what(request: Request) -> str:
    return request.url.path.rpartition("/")[2]


def _note(request: Request, what: str) -> None:
    host = request.client.host if request.client is not None else "?"
    log.warning("session=%s host=%s asks for: %s", session_of(request.cookies), host, what)


def _wrong(text: str) -> Response:
    return JSONResponse({"error": text}, 400)


def _quietly(work: Callable[[], None]) -> None:
    try:
        work()
    except GatewayError as error:
        log.warning("what was asked for was not done: %s", error)


async def _body(request: Request) -> dict[str, Any]:
    """Return the object in a request's body; empty for anything else."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BODY:
            return {}
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


async def _done(work: Callable[[], object]) -> Response:
    try:
        await run_in_threadpool(work)
    except GatewayError as error:
        log.warning("what was asked for was not done: %s", error)
        return JSONResponse({"error": str(error)}, 503)
    return JSONResponse({})
