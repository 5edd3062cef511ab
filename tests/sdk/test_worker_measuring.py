"""What a worker process tells of itself."""

from __future__ import annotations

from gateway.metrics import read_all
from gateway.sdk.worker_measuring import WorkerMeasuring


def told(measuring: WorkerMeasuring) -> dict[str, dict]:
    return {metric.name: metric.series for metric in read_all(measuring.body()["metrics"])}


def test_lost_notifications_are_those_that_did_not_come_and_those_that_did_not_leave() -> None:
    lost = 0
    measuring = WorkerMeasuring("w-0", in_hand=lambda: 2, failures=lambda: 1, lost=lambda: lost)
    name = "dicom_gateway_notifications_lost_total"
    assert told(measuring)[name] == {("w-0",): 0}
    measuring.unpublished()
    measuring.unpublished()
    lost = 4
    assert told(measuring)[name] == {("w-0",): 6}
    assert told(measuring)["dicom_gateway_requests_in_hand"] == {("w-0",): 2}
    assert told(measuring)["dicom_gateway_handler_failures_total"] == {("w-0",): 1}
