"""The span of a request, by the SDK's exporter in memory."""

from __future__ import annotations

import time

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.acceptor.request_span import RequestSpan
from gateway.dimse.message import CEchoRQ
from gateway.log import AssociationName
from gateway.spans import SpanRecorder
from tests.peers import wire

HOSTILE = "<b>\"&'"


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


def recorder_to(exporter, **settings) -> SpanRecorder:
    provider = TracerProvider(shutdown_on_exit=False, **settings)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return SpanRecorder("acceptor-0", provider)


def begun(recorder: SpanRecorder) -> RequestSpan:
    now = time.monotonic()
    span = RequestSpan(recorder, "C-ECHO", now - 3, now - 2)
    name = AssociationName("a1", "192.0.2.1:1", HOSTILE, "GATEWAY")
    span.describe(name, CEchoRQ(7, wire.VERIFICATION), wire.VERIFICATION)
    return span


def seconds(span) -> int:
    return round((span.end_time - span.start_time) / 1e9)


def test_stages_and_attributes(exporter) -> None:
    span = begun(recorder_to(exporter))
    assert set(span.payload["trace"]) == {"traceparent"}
    span.answered()
    span.end(0x0000, time.monotonic() - 1)
    found = {one.name: one for one in exporter.get_finished_spans()}
    assert {name: seconds(one) for name, one in found.items()} == {
        "receive": 1,
        "wait": 1,
        "worker": 1,
        "response": 0,
        "C-ECHO": 3,
    }
    assert dict(found["C-ECHO"].attributes) == {
        "dicom_gateway.process": "acceptor-0",
        "dicom.association": "a1",
        "dicom.calling_ae_title": HOSTILE,
        "dicom.called_ae_title": "GATEWAY",
        "dicom.message_id": 7,
        "dicom.sop_class_uid": wire.VERIFICATION,
        "dicom.status": "0000",
    }
    assert found["C-ECHO"].status.is_unset


def test_a_request_that_no_worker_was_asked_about_fails_with_its_status(exporter) -> None:
    span = begun(recorder_to(exporter))
    span.answered()
    span.end(0x0122, 0.0)
    *stages, root = exporter.get_finished_spans()
    assert [stage.name for stage in stages] == ["receive", "response"]
    assert (root.status.is_ok, root.status.description) == (False, "status 0122")


def test_a_request_without_a_response(exporter) -> None:
    begun(recorder_to(exporter)).drop()
    (root,) = exporter.get_finished_spans()
    assert root.status.description == "the association ended before the response"


def test_nothing_is_sent_of_a_trace_that_is_not_sampled(exporter) -> None:
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    span = begun(recorder_to(exporter, sampler=ALWAYS_OFF))
    assert span.payload == {}
    span.answered()
    span.end(0x0000, time.monotonic())
    assert exporter.get_finished_spans() == ()
