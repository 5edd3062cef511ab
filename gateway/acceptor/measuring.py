"""What an acceptor measures, and tells once a second while something watches EVT_METRICS.

Nothing is counted twice: an association counts its own messages for the line at its end
(`MessageCounts`), so the totals are the sum over those that have ended, kept here, and those that
are open, added when the totals are told. A stored instance costs nothing more for this.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from gateway import log
from gateway.association.errors import Rejected
from gateway.association.message_counts import command_name, stored_instances
from gateway.events import EVT_METRICS
from gateway.tls import measure_certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gateway.acceptor.acceptor_association import AcceptorAssociation
    from gateway.acceptor.shared import Shared
    from gateway.association.errors import AssociationError

INTERVAL = 1.0
"""Seconds between two notifications."""
PROBE = 0.1
"""Seconds between two measurements of the event loop's delay."""


class Measuring:
    """Counts what ends, and adds what is open; `associations` returns the open connections."""

    def __init__(
        self, shared: Shared, associations: Callable[[], Collection[AcceptorAssociation]]
    ) -> None:
        self._shared = shared
        self._name = shared.settings.name
        self._associations = associations
        self._started = time.time()
        self._timer: asyncio.TimerHandle | None = None
        self._probe: asyncio.TimerHandle | None = None
        metrics = self.metrics = shared.metrics
        metrics.before_told += [self._look_around, lambda: log.measure(metrics, self._name)]
        peer = ("calling", "called")
        self._ended = metrics.counter(
            "dicom_gateway_associations_total",
            "Associations that have ended, by how: released, aborted or rejected.",
            *(*peer, "ended"),
        )
        self._rejected = metrics.counter(
            "dicom_gateway_rejections_total",
            "A-ASSOCIATE-RJ sent, by result, source and reason (PS3.8 table 9-21).",
            *("result", "source", "reason"),
        )
        self._requests = metrics.counter(
            "dicom_gateway_requests_total",
            "DIMSE requests of peers that were answered, by service and status.",
            *(*peer, "service", "status"),
        )
        self._instances = metrics.counter(
            "dicom_gateway_instances_received_total",
            "C-STORE requests of peers answered with success or a warning.",
            *peer,
        )
        self._received = metrics.counter(
            "dicom_gateway_received_bytes_total", "Bytes received from peers.", *peer
        )
        self._sent = metrics.counter(
            "dicom_gateway_sent_bytes_total", "Bytes sent to peers.", *peer
        )
        self._delay = metrics.histogram(
            "dicom_gateway_event_loop_delay_seconds",
            "How much later than asked an acceptor's event loop runs a timer.",
            "process",
        )

    def ended(self, association: AcceptorAssociation, error: AssociationError) -> None:
        """Count an association that has ended, with what passed over it."""
        peer = _peer(association)
        self._ended.add(1, *peer, association.engine.state)
        if isinstance(error, Rejected):
            told = error.rejection
            self._rejected.add(1, str(told.result), str(told.source), told.describe())
        self._take(association)

    def closed(self, association: AcceptorAssociation) -> None:
        """Count the bytes of a connection that is closed."""
        self._take_bytes(association)

    # telling

    def watch(self, topics: Collection[str]) -> None:
        """Begin to tell, or stop, as somebody watches or not."""
        if EVT_METRICS.name not in topics:
            self.stop()
        elif self._timer is None:
            self._loop = asyncio.get_running_loop()
            self._tell()
            self._measure_delay(self._loop.time())

    def stop(self) -> None:
        """Tell nothing any more."""
        for timer in (self._timer, self._probe):
            if timer is not None:
                timer.cancel()
        self._timer = self._probe = None

    def body(self) -> dict[str, Any]:
        """Return the body of the notification."""
        totals = self._requests, self._instances, self._received, self._sent
        ended = [dict(total.series) for total in totals]
        for association in self._associations():
            if association.engine.ended is None:
                self._take(association)
            self._take_bytes(association)
        told = self.metrics.tell()
        for total, series in zip(totals, ended, strict=True):
            total.series = dict(series)
        return {"process": self._name, "started": self._started, "metrics": told}

    def _tell(self) -> None:
        self._timer = self._loop.call_later(INTERVAL, self._tell)
        self._shared.fabric.publish(EVT_METRICS.name, self.body())

    def _measure_delay(self, due: float) -> None:
        now = self._loop.time()
        self._delay.observe(max(now - due, 0.0), self._name)
        self._probe = self._loop.call_later(PROBE, self._measure_delay, now + PROBE)

    # adding up

    def _take(self, association: AcceptorAssociation) -> None:
        counts, peer = association.engine.counts, _peer(association)
        for (command, status), number in counts.performed.items():
            self._requests.add(number, *peer, command_name(command), f"{status:04X}")
        if stored := stored_instances(counts.performed):
            self._instances.add(stored, *peer)

    def _take_bytes(self, association: AcceptorAssociation) -> None:
        transport, peer = association.transport, _peer(association)
        self._received.add(transport.received, *peer)
        self._sent.add(transport.sent, *peer)

    def _look_around(self) -> None:
        shared, metrics = self._shared, self.metrics
        told = shared.fabric.facts()
        for gauge, text, value in (
            ("associations_open", "Associations that are established.", len(shared.places)),
            ("connections_open", "Connections of peers.", len(self._associations())),
            ("requests_in_flight", "Requests that wait or are with a worker.", told["in_flight"]),
        ):
            metrics.gauge(f"dicom_gateway_{gauge}", text, "process").set(value, self._name)
        self._look_at_workers(told["workers"])
        self._look_at_other_hosts(told.get("other_hosts"))
        measure_certificate(metrics, self._name, shared.certificate_end)
        metrics.counter(
            "dicom_gateway_spool_failures_total",
            "Spool files that could not be written or synced.",
            "process",
        ).set(shared.spool.failures, self._name)

    def _look_at_workers(self, workers: dict[str, dict[str, Any]]) -> None:
        for name, key, text in (
            ("requests_waiting", "waiting", "Requests that wait until a worker has room."),
            ("worker_credit", "credit", "Requests more that a worker takes at present."),
        ):
            gauge = self.metrics.gauge(f"dicom_gateway_{name}", text, "process", "worker")
            gauge.series.clear()  # a worker that has left has no series any more
            for worker, told in workers.items():
                gauge.set(told[key], self._name, worker)

    def _look_at_other_hosts(self, told: dict[str, Any] | None) -> None:
        if told is None:
            return
        self.metrics.gauge(
            "dicom_gateway_fabric_connections",
            "Connections of workers on other hosts, with those that have not proved their key.",
            "process",
        ).set(told["connections"], self._name)
        refused = self.metrics.counter(
            "dicom_gateway_fabric_refused_total",
            "What was refused to workers on other hosts, by kind.",
            *("process", "refused"),
        )
        for kind, number in told["refused"].items():
            refused.set(number, self._name, kind)


def _peer(association: AcceptorAssociation) -> tuple[str, str]:
    """Return the titles as labels; both are empty before the A-ASSOCIATE-RQ."""
    request = association.engine.upper.request
    return (request.calling_ae_title, request.called_ae_title) if request else ("", "")
