"""The information about its gateway that the SDK gives to a worker."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway import control_client
from gateway.errors import GatewayError
from gateway.metrics import Metrics
from gateway.sdk.transforming import LIMIT, NotTransformed
from gateway.tls_settings import TlsSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from gateway.events import NotificationEvent
    from gateway.sdk.event import Event
    from gateway.sdk.move.routes import Routes
    from gateway.sdk.open_associations import OpenAssociations
    from gateway.sdk.transforming import InstanceFile, Outcome, Transforms
    from gateway.settings import Destination


def _unknown(_title: str) -> None:
    """Stand for the table of destinations where there is none."""


def _not_waiting(_events: object) -> AbstractContextManager[None]:
    """Stand for deadlines where there are none."""
    return nullcontext()


def _unheard(_event: object, _body: object) -> None:
    """Stand for publishing where there is no gateway."""


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The gateway that a running worker belongs to."""

    data_dir: Path
    """The data directory of the gateway; a worker makes its own folder in it."""
    run_dir: Path | None = None
    """The directory of the gateway's sockets."""
    durable: bool = True
    """Whether files are to be synced; False with `durability = "written"`."""
    options: dict[str, Any] = field(default_factory=dict)
    """The worker's own table `[workers.NAME]` of the configuration, except what starts it."""
    member: int = 0
    """The number of this process among the worker's processes: 0, 1, ..."""
    troubles: dict[str, str] = field(default_factory=dict)
    """What is wrong at present, in words, by names of the worker's choice: `dicom-gateway status`
    shows it, and says that the gateway is degraded. Remove what is mended."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What `dicom-gateway status --json` shows of this process besides."""
    metrics: Metrics = field(default_factory=Metrics)
    """What this process measures: add counters, gauges and histograms of the worker's own, and
    every watcher of EVT_METRICS, such as the stock worker `web`, gets them too."""
    destination: Callable[[str], Destination | None] = _unknown
    """Returns the entry of `[destinations]` with an AE title, as the configuration is now."""

    routes: Routes | None = None
    """The associations to entries of `[destinations]`, with the timeouts and certificates that the
    configuration states for them now; None in a worker that runs without a gateway."""

    tls: TlsSettings = field(default_factory=TlsSettings)
    """The `[tls]` table of the gateway."""

    associations: OpenAssociations | None = None
    """The open associations; None in a worker that runs without a gateway."""

    transforms: Transforms | None = None
    """Asks other workers what is to be kept or sent in place of instances (EVT_STORE_TRANSFORM);
    None in a worker that runs without a gateway."""

    waiting: Callable[[Sequence[Event]], AbstractContextManager[None]] = _not_waiting
    """A context manager: within it a handler's deadlines for these events do not run, because it
    waits for others. The acceptors are told."""

    publish: Callable[[NotificationEvent | str, Mapping[str, Any]], None] = _unheard
    """Sends a notification that is about no association to the watchers of an event, without
    waiting; `Event.publish` sends one about the association of the event."""

    def transform(
        self,
        workers: Sequence[str],
        instances: Sequence[InstanceFile],
        folder: Path,
        *,
        limit: int = LIMIT,
    ) -> list[Outcome]:
        """Have instances transformed by workers, by names and in this order.

        Returns for each instance the file to keep or send in its place: the same object if it is
        to stay as it is. A NotTransformed, returned and not raised, has the status for the peer:
        then the instance must be neither kept nor sent. Results of more than 64 KiB are files in
        `folder`, which the caller moves or deletes. A data set of more than `limit` bytes is not
        taken.
        """
        if self.transforms is None:
            error = "this worker runs without a gateway"
            return [NotTransformed(workers[0], error, kind="unanswered") for _ in instances]
        return self.transforms.transform(workers, instances, folder, limit=limit)

    def gateway_status(self) -> dict[str, Any]:
        """Return what `dicom-gateway status --json` prints; the supervisor says it.

        Raises GatewayError if it does not answer within some seconds.
        """
        return self._ask("status")

    def drain_gateway(self, is_drained: bool) -> None:
        """Have acceptors reject new associations from now on, or accept them again.

        It is what `dicom-gateway drain` and `resume` do. Raises GatewayError as `gateway_status`.
        """
        self._ask("drain" if is_drained else "resume")

    def restart(self, name: str, *, swap: bool = False) -> list[str]:
        """Have a process, or all of a worker one after the other, end and start again.

        With `swap` a new generation of the worker takes over first. It is what `dicom-gateway
        restart` does; return the names of the processes that are ready. Raises GatewayError if that
        cannot be done.
        """
        what = "swap" if swap else "restart"
        answer = self._ask(what, control_client.REPLACE_LIMIT, name=name)
        if "error" in answer:
            raise GatewayError(answer["error"])
        return list(answer["done"])

    def _ask(
        self, what: str, limit: float = control_client.CLIENT_LIMIT, **more: str
    ) -> dict[str, Any]:
        if self.run_dir is None:
            raise GatewayError("this worker runs without a gateway")
        return control_client.ask(self.run_dir, what, limit, **more)
