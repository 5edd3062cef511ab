"""The forward worker: sends stored instances on to other AEs, as `[[routes]]` says.

It is not started until the configuration has routes, or a table for it:

    [destinations]
    PACS = "10.0.0.7:104"

    [[routes]]
    when = 'Modality == "CT"'
    destinations = ["PACS"]
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from gateway.sdk import ConfigError, GatewayError, Worker, evt
from gateway.settings import ForwardSettings, from_map
from gateway.sop_class import StorageCommitmentPushModel
from workers.archive.fetching import Fetcher
from workers.archive.gateways import SILENT, identity_of
from workers.archive.indexed_worker import IndexedWorker
from workers.archive.stored_files import StoredFiles
from workers.archive.temporary_copies import TemporaryCopies
from workers.archive.transcoding import transcoder_of
from workers.forward.confirmation import report_of
from workers.forward.destination_links import DestinationLinks
from workers.forward.filling import Filling, RouteTable
from workers.forward.forward_outbox import ForwardOutbox
from workers.forward.forwarder import Forwarder
from workers.forward.forwarding_shared import ForwardingCounters, ForwardingShared
from workers.forward.outcome_recorder import OutcomeRecorder
from workers.forward.queued_file import Opener
from workers.forward.route_transform import RouteTransform

if TYPE_CHECKING:
    from gateway.sdk import Event
    from gateway.transcoding import Transcoder

log = logging.getLogger("workers.forward")

worker = Worker("forward", concurrency=2)


class ForwardWorker(IndexedWorker):
    """The state of the worker from its start to its stop."""

    _making = threading.Lock()
    _forwarder: Forwarder | None = None
    _fetcher: Fetcher | None = None
    _transforms: RouteTransform | None = None
    _files: StoredFiles | None = None
    _copies: TemporaryCopies | None = None
    _transcoder: Transcoder | None = None
    _told: frozenset[str] = frozenset()

    def open(self) -> None:
        """Open the index and begin; raises ConfigError, or Unavailable and can be called again."""
        context = worker.context
        forward = forward_settings(context.options)
        table = RouteTable(forward.routes, lambda name: context.destination(name) is not None)
        super().start()
        try:
            self._begin(forward, table)
        except GatewayError:  # it is called again, if that may help
            self.close()
            raise

    def _begin(self, forward: ForwardSettings, table: RouteTable) -> None:
        context, routes, settings = worker.context, worker.context.routes, self.settings
        if routes is None:
            raise ConfigError("the worker forward needs a gateway to run in")
        holder = settings.holder_of_files
        self._files = files = StoredFiles.of(context.data_dir, settings)
        place = context.data_dir.absolute() / f"copies-to-forward-{context.member}"
        self._copies = copies = TemporaryCopies(place)
        title = forward.calling_ae_title or settings.holder
        if self.index.names_holders and not settings.shared:
            data, name = context.data_dir.absolute(), f"fetched-to-forward-{context.member}"
            self._fetcher = Fetcher(self.index, data, holder, context.tls, name)
        self._transforms = RouteTransform.begin(context.transform, context.data_dir, _is_dead)
        outbox = ForwardOutbox(self.index)
        here = f"{identity_of(context.data_dir)}/"
        outbox.release(here, _is_dead)
        links = DestinationLinks(routes, title, self._transcoding)
        shared = ForwardingShared(
            forward,
            outbox,
            OutcomeRecorder(outbox, holder),
            Opener(self.index, files, holder, settings.shared, self._fetcher, copies),
            owner=f"{here}{os.getpid()}",
            destination=context.destination,
            associate=links.open,
            connect=lambda name, contexts, handler: routes.connect(name, title, contexts, handler),
            search=links.search,
            counters=ForwardingCounters(context.metrics),
            transforms=self._transforms,
            certificate_end=routes.certificate_end,
            alive=self._alive,
        )
        filling = Filling(self.index, outbox, table, files, holder)
        forwarder = Forwarder(self.index, shared, filling)
        forwarder.start()
        self._forwarder = forwarder

    def _transcoding(self) -> Transcoder:
        """Return what transcodes, made when it is needed first."""
        with self._making:
            if self._transcoder is None:
                self._transcoder = transcoder_of(worker.context, worker.name)
            return self._transcoder

    def reported(self, event: Event) -> tuple[int, None]:
        """Take a report of storage commitment (PS3.4 J.3.3) that a destination has sent."""
        forwarder = self._forwarder
        assert forwarder is not None
        report = report_of(event.event_information)
        number = forwarder.confirmer.take_report(report)
        log.info(
            "association=%s storage commitment transaction=%s: %d instances, %d failed",
            *(event.assoc_name, report.transaction_uid, number, len(report.failed)),
        )
        return 0x0000, None

    def close(self) -> None:
        """End after the responses under way, and close the index."""
        if self._forwarder is not None:
            self._forwarder.stop()
            self._forwarder = None
        if self._transcoder is not None:
            self._transcoder.close()
            self._transcoder = None
        if self._transforms is not None:
            self._transforms.close()
            self._transforms = None
        if self._fetcher is not None:
            self._fetcher.close()
            self._fetcher = None
        if self._copies is not None:
            self._copies.close()
            self._copies = None
        if self._files is not None:
            self._files.close()
            self._files = None
        super().stop()

    def _alive(self) -> tuple[str, ...]:
        """Return the gateways that share the index and that answer."""
        gateways = self.index.gateways().values()
        return tuple(sorted(one.holder for one in gateways if one.age <= SILENT))

    def look(self) -> None:
        """Let `dicom-gateway status` show how the destinations are."""
        super().look()
        if (forwarder := self._forwarder) is None:
            return
        context = worker.context
        context.facts["outbox"] = forwarder.facts()
        troubles = forwarder.troubles()
        for name in self._told - troubles.keys():
            context.troubles.pop(name, None)
        context.troubles.update(troubles)
        self._told = frozenset(troubles)
        if self._fetcher is not None:
            self._fetcher.sweep()


def _is_dead(owner: str) -> bool:
    """Return whether a process of this gateway that had taken rows is gone; or was this one."""
    pid = int(owner.rpartition("/")[2])
    if pid == os.getpid():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def forward_settings(options: dict[str, Any]) -> ForwardSettings:
    """Return the settings in the options of the worker; raises ConfigError for an invalid one."""
    try:
        return from_map(ForwardSettings, options.get("forward", {}))
    except (TypeError, AttributeError) as error:
        raise ConfigError(f"forward: {error}") from None


forwarding = ForwardWorker(worker)
worker.on_start(forwarding.open)
worker.on_stop(forwarding.close)
worker.bind(
    evt.EVT_N_EVENT_REPORT,
    forwarding.reported,
    sop_classes=[StorageCommitmentPushModel],
    redeliver=True,
)
