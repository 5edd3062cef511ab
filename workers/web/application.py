"""The application with its guard: nothing is answered that `Access` refuses."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse

from workers.http.access import COOKIE, SESSION, new_session, session_of
from workers.web.probes import PATHS

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from workers.http.access import Access

_log = logging.getLogger("workers.web")

_SAFE = frozenset({"GET", "HEAD"})
HEADERS = (
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Sent with every response: nothing foreign is loaded, and nobody else shows this page."""


class Guarded:
    """Lets requests through that `access` admits; the probes need no token on loopback."""

    def __init__(self, app: ASGIApp, access: Access, *, is_local: bool = True) -> None:
        self._app = app
        self._access = access
        self._is_local = is_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        answer = self._decide(Request(scope))
        await (answer or self._app)(scope, receive, send_safely)

    def _decide(self, request: Request) -> Response | None:
        """Return a refusal, or the redirection of a request with the token; None: go on."""
        changes = request.method not in _SAFE
        if refusal := self._access.refusal(request.headers, changes=changes):
            return PlainTextResponse(f"{refusal}\n", HTTPStatus.FORBIDDEN)
        if self._is_local and request.url.path in PATHS:
            return None
        if self._access.has_token(request.query_params.get("token")):
            return self._welcome(request)
        if self._access.has_token(request.cookies.get(COOKIE)):
            return None
        return PlainTextResponse(
            "Open the address that `dicom-gateway serve` prints: it contains the token.\n",
            HTTPStatus.UNAUTHORIZED,
        )

    def _welcome(self, request: Request) -> Response:
        response = RedirectResponse(request.url.path, HTTPStatus.SEE_OTHER)
        session = session_of(request.cookies)
        if session == "none":
            session = new_session()
            host = request.client.host if request.client is not None else "?"
            _log.info("session=%s host=%s has opened the page", session, host)
        for name, value in ((COOKIE, request.query_params["token"]), (SESSION, session)):
            response.set_cookie(
                name,
                value,
                httponly=True,
                samesite="strict",
                secure=request.url.scheme == "https",
            )
        return response
