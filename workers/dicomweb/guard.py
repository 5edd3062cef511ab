"""Who is let in, and errors as responses (PS3.18 8.6)."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from gateway.sdk import GatewayError
from workers.http.access import COOKIE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from workers.http.access import Access

log = logging.getLogger("workers.dicomweb")

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class HttpError(GatewayError):
    """A request that is answered with a status and a text that says why."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers

    def response(self) -> HttpError:
        """Return what a request is answered with."""
        return self

    @property
    def is_absence(self) -> bool:
        """Whether what was asked for cannot be had, as against: not in this form."""
        return self.status in (410, 503)


class ResponseCut(GatewayError):  # noqa: N818 - what becomes of the response
    """A response that has begun and cannot be sent to its end; the text says why."""


def warning(texts: Iterable[str]) -> dict[str, str]:
    """Return the header that tells of warnings (RFC 7234 5.5, PS3.18 8.3.4); none: no header."""
    lines = (" ".join(text.split()).replace('"', "'").replace("\\", "/") for text in texts)
    found = ", ".join(f'299 dicom-gateway "{line}"' for line in lines)
    return {"Warning": found.encode("ascii", "replace").decode()} if found else {}


def error_response(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    """Return the response to a request that failed: the reason, as JSON."""
    body = json.dumps({"status": status, "error": text})
    return Response(body, status, headers, "application/json")


class TokenGuard:
    """Lets requests through that have the token, and answers errors in words."""

    def __init__(self, app: ASGIApp, access: Access, page: Access) -> None:
        """`page` has the token of the page for operators, which browsers send in its cookie."""
        self._app = app
        self._access = access
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Request(scope))
        try:
            await (refusal or self._app)(scope, receive, send)
        except ResponseCut as error:  # the connection is closed, so that the client can tell
            log.error("a response was cut: %s", error)  # noqa: TRY400 - a traceback adds nothing

    def _refusal(self, request: Request) -> Response | None:
        changes = request.method not in _SAFE
        if why := self._access.refusal(request.headers, changes=changes):
            return error_response(403, why)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._access.has_token(token.strip()):
            return None
        if self._page.has_token(request.cookies.get(COOKIE)):
            return None
        text = "send the token: `Authorization: Bearer TOKEN` (dicomweb.token, or that of the page)"
        return error_response(401, text, {"WWW-Authenticate": 'Bearer realm="dicomweb"'})
