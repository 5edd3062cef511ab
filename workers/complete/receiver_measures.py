"""What the receivers of lines have taken and what they have not, in the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.metrics import Metrics
    from workers.complete.deliverer import Deliverer


def measure(metrics: Metrics, deliverers: Sequence[Deliverer]) -> None:
    """Have the metrics tell, whenever they are asked for, how far the deliverers are."""
    sent = metrics.counter(
        "dicom_gateway_receiver_sent_total",
        "Lines of the journal that a webhook, or NATS, has taken.",
        "receiver",
    )
    failed = metrics.counter(
        "dicom_gateway_receiver_failed_total",
        "Attempts to deliver a line that failed, by reason: an HTTP status, or no response.",
        *("receiver", "reason"),
    )
    left_out = metrics.counter(
        "dicom_gateway_receiver_left_out_total",
        "Lines that are not delivered: refused too often, or too old.",
        "receiver",
    )
    oldest = metrics.gauge(
        "dicom_gateway_receiver_oldest_seconds",
        "The age of the line that a receiver does not take at present; 0: it takes all.",
        "receiver",
    )

    def refresh() -> None:
        for one in deliverers:
            name = one.receiver.name
            sent.set(one.sent, name)
            left_out.set(one.left_out, name)
            for reason, number in one.failed.copy().items():  # its thread may add a reason
                failed.set(number, name, reason)
            since = one.waits_since
            oldest.set(max(0.0, one.now() - since) if since else 0.0, name)

    metrics.before_told.append(refresh)
