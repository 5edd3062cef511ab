"""What all destinations of a forwarding process share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.forward.outcomes import SendVerdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.metrics import Metrics
    from gateway.requestor import Handler
    from gateway.requestor.proposal import Contexts
    from gateway.requestor.sync import BlockingAssociation
    from gateway.settings import Destination, ForwardSettings
    from workers.archive.outbox_rows import QueuedInstance
    from workers.forward.destination_links import DestinationLink
    from workers.forward.forward_outbox import ForwardOutbox
    from workers.forward.outcome_recorder import OutcomeRecorder
    from workers.forward.outcomes import SendOutcome
    from workers.forward.queued_file import Opener
    from workers.forward.route_transform import RouteTransform


@dataclass(slots=True)
class ForwardingShared:
    """The outbox, the files, and the way to a destination."""

    settings: ForwardSettings
    outbox: ForwardOutbox
    recorder: OutcomeRecorder
    opener: Opener
    owner: str
    """The name under which this process takes rows."""
    destination: Callable[[str], Destination | None]
    associate: Callable[[str, int], DestinationLink]
    """Returns a way to a destination with so many instances in flight; 0: as configured."""
    connect: Callable[[str, Contexts, Handler | None], BlockingAssociation]
    """Returns an established association to a destination with these contexts."""
    search: Callable[[str, Sequence[QueuedInstance]], set[str]]
    """Returns the UIDs of those instances that a DICOMweb service finds."""
    counters: ForwardingCounters
    transforms: RouteTransform
    certificate_end: Callable[[str], float] = lambda _name: 0.0
    """Returns when the certificate that a destination has shown last ends; 0.0: none was shown."""
    is_down: Callable[[str], bool] = lambda _name: False
    """Whether nothing can be sent to a destination at present."""
    alive: Callable[[], tuple[str, ...]] = lambda: ()
    """The holders of files that other gateways have, or that are here too."""

    def holders(self) -> tuple[str, ...]:
        """Return whose rows are sent here first: those whose files are here."""
        return self.everyone() if self.opener.is_shared else (self.opener.holder,)

    def everyone(self) -> tuple[str, ...]:
        """Return this gateway and the others that share the index."""
        return (self.opener.holder, *self.others())

    def others(self) -> tuple[str, ...]:
        """Return the other gateways that share the index."""
        return tuple(name for name in self.alive() if name != self.opener.holder)

    def another_for(self, row: QueuedInstance) -> str:
        """Return the first alternative that is not down; empty: there is none."""
        return next((name for name in row.alternatives if not self.is_down(name)), "")

    def count(self, destination: str, row: QueuedInstance, outcome: SendOutcome) -> None:
        """Count an outcome."""
        if outcome.verdict is SendVerdict.DONE:
            self.counters.sent.add(1, destination)
            self.counters.sent_bytes.add(row.entry.size, destination)
        else:
            self.counters.failed.add(1, destination, outcome.verdict.value)


class ForwardingCounters:
    """The metrics of a forwarding process."""

    def __init__(self, metrics: Metrics) -> None:
        self.sent = metrics.counter(
            "dicom_gateway_forward_sent_total",
            "Instances that a destination has confirmed.",
            "destination",
        )
        self.sent_bytes = metrics.counter(
            "dicom_gateway_forward_sent_bytes_total", "Their bytes.", "destination"
        )
        self.failed = metrics.counter(
            "dicom_gateway_forward_failed_total",
            "Attempts to send an instance that failed, by reason.",
            *("destination", "reason"),
        )
        self.queued = metrics.gauge(
            "dicom_gateway_forward_queue",
            "Instances in the outbox; with an index that several gateways share, of all of them.",
            *("destination", "state"),
        )
        self.oldest = metrics.gauge(
            "dicom_gateway_forward_oldest_seconds",
            "The time for which the oldest instance has waited; 0: none waits.",
            "destination",
        )
        self._certificate = metrics.gauge(
            "dicom_gateway_forward_certificate_end_timestamp_seconds",
            "When the certificate that a destination has shown last ends, in seconds since the "
            "epoch.",
            "destination",
        )

    def show_certificate(self, destination: str, end: float) -> None:
        """Take note of when the certificate of a destination ends; 0.0: it has none."""
        if end:
            self._certificate.set(end, destination)
