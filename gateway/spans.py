"""Spans of OpenTelemetry: where the time of a request goes, across the processes.

A process records spans if its environment has a variable `OTEL_...` and an SDK is configured by it,
or if a worker's module has set a tracer provider. Otherwise `recorder` is None, and nothing else
here is called. Only the API is used here (`pip install dicom-gateway[otel]`); which SDK there is,
and where it sends the spans, is left to whoever runs the gateway.

The trace of a request begins in the acceptor. Its context reaches the worker in the payload, as the
headers of W3C Trace Context. Times are those of `time.monotonic`.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_log = logging.getLogger("gateway.spans")

_PREFIX = "OTEL_"
_SDK = "opentelemetry.sdk"
_CONFIGURATORS = "opentelemetry_configurator"
"""The entry points that set up an SDK as the environment says; opentelemetry-distro has one."""

_handled: ContextVar[tuple[Any, ...]] = ContextVar("spans", default=())
"""The spans of the requests that a handler is called with."""


class SpanRecorder:
    """The tracer of a process, from a provider that is not the API's own."""

    def __init__(self, process: str, provider: Any) -> None:
        from opentelemetry import context, trace
        from opentelemetry.trace.propagation import tracecontext

        self._trace: Any = trace
        self._nowhere: Any = context.Context()
        """A context without a span."""
        self._headers: Any = tracecontext.TraceContextTextMapPropagator()
        self._tracer: Any = provider.get_tracer("dicom_gateway")
        self._process = {"dicom_gateway.process": process}

    def begin(self, name: str, began: float, attributes: Mapping[str, Any]) -> Any:
        """Return a span that begins a trace, for a request that a peer sent."""
        return self._tracer.start_span(
            name,
            context=self._nowhere,
            kind=self._trace.SpanKind.SERVER,
            start_time=_at(began),
            attributes={**self._process, **attributes},
        )

    def headers_of(self, span: Any) -> dict[str, str]:
        """Return what another process needs to go on with a trace; empty if it is not recorded."""
        headers: dict[str, str] = {}
        if span.is_recording():
            where = self._trace.set_span_in_context(span, self._nowhere)
            self._headers.inject(headers, where)
        return headers

    def end(self, span: Any, failed: str = "") -> None:
        """End a span; `failed`: what went wrong, in words."""
        if failed:
            span.set_status(self._trace.StatusCode.ERROR, failed)
        span.end()

    def child(self, span: Any, name: str, began: float, ended: float) -> None:
        """Record a stage that is over, as a child of a span."""
        where = self._trace.set_span_in_context(span, self._nowhere)
        stage = self._tracer.start_span(
            name, context=where, start_time=_at(began), attributes=self._process
        )
        stage.end(_at(ended))

    def stage(self, name: str, began: float) -> None:
        """Record a stage that ends now, for each request that the calling handler answers."""
        now = time.monotonic()
        for span in _handled.get():
            self.child(span, name, began, now)

    @contextmanager
    def handling(self, carried: Sequence[object], attributes: Mapping[str, Any]) -> Iterator[None]:
        """Record the call of a handler, for each request whose trace is recorded.

        `carried` are the headers that came with the requests. The first span is the current one, so
        that spans of the handler's own become its children.
        """
        spans = tuple(self._follow(one, attributes) for one in carried if isinstance(one, dict))
        reset = _handled.set(spans)
        use = self._trace.use_span(spans[0], end_on_exit=False) if spans else nullcontext()
        try:
            with use:
                yield
        finally:
            _handled.reset(reset)
            for span in spans:
                span.end()

    def _follow(self, headers: dict[str, str], attributes: Mapping[str, Any]) -> Any:
        return self._tracer.start_span(
            "handler",
            context=self._headers.extract(headers, self._nowhere),
            kind=self._trace.SpanKind.CONSUMER,
            attributes={**self._process, **attributes},
        )


recorder: SpanRecorder | None = None
"""None: this process records no spans."""


def start(process: str) -> None:
    """Record spans from now on if there is an SDK; called once, at the start of a process.

    `opentelemetry-instrument` sets up the command that it runs, not the processes that this starts;
    so the same entry points are called here.
    """
    global recorder
    is_asked = any(name.startswith(_PREFIX) for name in os.environ)
    if not is_asked and _SDK not in sys.modules:
        return
    try:
        from opentelemetry import trace
    except ImportError:
        _log.warning("no spans: OTEL_... is set, but opentelemetry-api is not installed")
        return
    if is_asked and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        _configure()
    without = trace.ProxyTracerProvider, trace.NoOpTracerProvider
    provider = trace.get_tracer_provider()
    if not isinstance(provider, without):
        recorder = SpanRecorder(process, provider)


def _configure() -> None:
    for found in entry_points(group=_CONFIGURATORS):
        try:
            found.load()().configure()
        except Exception:  # whatever it is, the gateway works without spans
            _log.exception("no spans: the configurator %s failed", found.name)


def _at(moment: float) -> int:
    """Return a time of `time.monotonic` in nanoseconds since 1970."""
    return time.time_ns() - int((time.monotonic() - moment) * 1e9)
