"""What monitoring asks for: `/livez`, `/readyz` and `/metrics`."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from workers.web.exposition import encode

if TYPE_CHECKING:
    from starlette.requests import Request

    from gateway.collector import Collector
    from workers.web.health import Health

PATHS = ("/livez", "/readyz", "/metrics")
_NO_STORE = {"Cache-Control": "no-store"}


def routes(collector: Collector, health: Health) -> list[Route]:
    """Return the routes of the probes; they show no peer's data but AE titles, in `/metrics`."""

    async def livez(_: Request) -> Response:
        """Say whether the supervisor answers."""
        if health.is_alive:
            return JSONResponse({"alive": True}, headers=_NO_STORE)
        return JSONResponse({"alive": False, "reason": health.error}, 503, headers=_NO_STORE)

    async def readyz(_: Request) -> Response:
        """Say whether the gateway can accept and store at present."""
        reasons = health.reasons()
        body = {"ready": not reasons, "reasons": reasons}
        return JSONResponse(body, 503 if reasons else 200, headers=_NO_STORE)

    async def metrics(request: Request) -> Response:
        """Write all metrics in the format that is accepted."""
        everything = chain(collector.metrics(), health.metrics())
        body, content_type = encode(everything, request.headers.get("accept", ""))
        return Response(body, headers={**_NO_STORE, "Content-Type": content_type})

    handlers = (livez, readyz, metrics)
    return [Route(path, handler) for path, handler in zip(PATHS, handlers, strict=True)]
