"""The span of one request of a peer, from its command set to its final response."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from gateway.dimse.status import Category, category

if TYPE_CHECKING:
    from gateway.dimse.message import Request
    from gateway.log import AssociationName
    from gateway.spans import SpanRecorder

_FAILURES = (Category.FAILURE, Category.UNKNOWN)


class RequestSpan:
    """Made only where spans are recorded; `began` and `arrived` are times of the loop."""

    def __init__(self, recorder: SpanRecorder, service: str, began: float, arrived: float) -> None:
        self._recorder = recorder
        self._span = recorder.begin(service, began, {})
        self._began = began
        self._arrived = arrived
        self._answered = 0.0
        headers = recorder.headers_of(self._span)
        self._is_recording = bool(headers)
        self.payload: dict[str, Any] = {"trace": headers} if headers else {}
        """What the request's payload has besides, for the worker; empty: it is not sampled."""

    def describe(self, name: AssociationName, request: Request, sop_class: str) -> None:
        """Add who asked for what; no UID of an instance, and nothing of a data set."""
        for key, value in (
            ("association", name.id),
            ("calling_ae_title", name.calling),
            ("called_ae_title", name.called),
            ("message_id", request.message_id),
            ("sop_class_uid", sop_class),
        ):
            self._span.set_attribute(f"dicom.{key}", value)

    def answered(self) -> None:
        """Take note that the final response is about to be sent."""
        self._answered = time.monotonic()

    def end(self, status: int, given_at: float) -> None:
        """End it with its stages; `given_at`: when a worker was asked, 0.0 if none was."""
        if self._is_recording:
            child, span = self._recorder.child, self._span
            child(span, "receive", self._began, self._arrived)
            if given_at:
                child(span, "wait", self._arrived, given_at)
                child(span, "worker", given_at, self._answered)
            child(span, "response", self._answered, time.monotonic())
            span.set_attribute("dicom.status", f"{status:04X}")
        is_failure = category(status) in _FAILURES
        self._recorder.end(self._span, f"status {status:04X}" if is_failure else "")

    def drop(self) -> None:
        """End it without a response: the association has ended."""
        self._recorder.end(self._span, "the association ended before the response")
