"""The commitment worker: SCP of the Storage Commitment Push Model (PS3.4 annex J).

An N-ACTION is answered once it is kept on disk. Then index and files are looked at, and an
N-EVENT-REPORT says which instances this archive has, and which it has not and why.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway import AE, build_role
from gateway.sdk import ConfigError, DatasetError, Worker, evt, status_with_comment
from gateway.settings import CommitmentSettings
from gateway.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance
from workers.archive.indexed_worker import IndexedWorker
from workers.archive.peer_shares import TooMany, limits
from workers.archive.stored_files import StoredFiles
from workers.commitment.delivery import COMMITTED, FAILED, GIVEN_UP, Delivery, NotReached
from workers.commitment.held_instances import HeldInstances
from workers.commitment.report import CommittableInstances, InvalidRequest, transaction_of
from workers.commitment.transactions import TransactionFolder

if TYPE_CHECKING:
    from gateway.metrics import Metric
    from gateway.sdk import Event
    from workers.commitment.delivery import Reporter
    from workers.commitment.report import Report
    from workers.commitment.transactions import Transaction

REQUEST_COMMITMENT = 1
"""Action type (PS3.4 J.3.2.1)."""
NO_SUCH_OBJECT_INSTANCE, NO_SUCH_ACTION_TYPE = 0x0112, 0x0123
INVALID_ARGUMENT_VALUE, RESOURCE_LIMITATION = 0x0115, 0x0213
"""Statuses (PS3.7 annex C)."""

log = logging.getLogger("workers.commitment")

worker = Worker("commitment", concurrency=4)


class Committer(IndexedWorker):
    """The handlers of the commitment worker."""

    _delivery: Delivery | None = None
    _files: StoredFiles | None = None
    _waiting: Metric
    _table = CommitmentSettings()

    def open(self) -> None:
        """Open index and folder, and go on with the reports that are due."""
        super().start()
        context, settings = worker.context, self.settings
        self._table = _settings(context.options)
        holder = settings.holder_of_files
        self._files = files = StoredFiles.of(context.data_dir, settings)
        archive = CommittableInstances(files, self.index, holder, shared=settings.shared)
        bounds = limits(self._table.most_open, "transactions", self._table.most_bytes)
        self._folder = TransactionFolder(context.data_dir, durable=context.durable, limits=bounds)
        self._held = HeldInstances(self.index, f"commitment {holder}".strip())
        self._held.keep_only(self._folder.names())
        reported = context.metrics.counter(
            "dicom_gateway_commitments_total",
            "Transactions of storage commitment that are over, by outcome.",
            "outcome",
        )
        for outcome in (COMMITTED, FAILED, GIVEN_UP):
            reported.add(0, outcome)  # or the first of a kind would be no increase
        self._waiting = context.metrics.gauge(
            "dicom_gateway_commitments_open",
            "Transactions of storage commitment whose result the peer does not have.",
        )
        self._delivery = Delivery(
            *(self._folder, self._held.then(archive.report), _on, _to, self._table.keep_for),
            changed=self._show,
            over=self._held.let_go,
            count=lambda outcome: reported.add(1, outcome),
        )
        self._delivery.start()
        self._show()

    def close(self) -> None:
        """End the reports under way, and close the index."""
        if self._delivery is not None:
            self._delivery.stop()
            self._delivery = None
        if self._files is not None:
            self._files.close()
            self._files = None
        super().stop()

    def act(self, event: Event) -> tuple[Any, None]:
        """Keep a request for commitment; its report follows the answer."""
        delivery = self._delivery
        assert delivery is not None
        if event.request.RequestedSOPInstanceUID != StorageCommitmentPushModelInstance:
            return _refused(NO_SUCH_OBJECT_INSTANCE, "Not the well-known instance of PS3.4 J.3.5")
        if event.action_type != REQUEST_COMMITMENT:
            return _refused(NO_SUCH_ACTION_TYPE, "The only action type is 1")
        try:
            assoc = event.assoc
            transaction = transaction_of(
                event.action_information,
                assoc.requestor.ae_title,
                assoc.acceptor.ae_title,
                assoc.requestor.address or "",
            )
        except (InvalidRequest, DatasetError) as error:
            log.warning("association=%s N-ACTION refused: %s", event.assoc_name, error)
            return _refused(INVALID_ARGUMENT_VALUE, f"{error}"[:64].capitalize())
        try:
            self._folder.add(transaction)
        except TooMany as error:
            log.warning("association=%s N-ACTION refused: %s", event.assoc_name, error)
            return _refused(RESOURCE_LIMITATION, "Too much of this peer waits for its report")
        except OSError as error:
            log.error("association=%s N-ACTION refused: %s", event.assoc_name, error.strerror)  # noqa: TRY400 - no defect
            return _refused(RESOURCE_LIMITATION, "The request cannot be kept on disk")
        event.after_answer(partial(delivery.begin, transaction.name, assoc))
        return 0x0000, None

    def associated(self, event: Event) -> None:
        """Report what is open for a peer, if its association has a context for it."""
        delivery, assoc = self._delivery, event.assoc
        if delivery is None or not delivery.waiting:
            return
        uids = {str(context.abstract_syntax) for context in assoc.accepted_contexts}
        if StorageCommitmentPushModel in uids:
            delivery.associated(assoc.requestor.ae_title, assoc)

    def _show(self) -> None:
        """Let `dicom-gateway status --json` tell how many reports were not delivered."""
        if (delivery := self._delivery) is not None:
            worker.context.facts["commitment"] = {"open": delivery.waiting}
            self._waiting.set(delivery.waiting)


def _settings(options: dict[str, Any]) -> CommitmentSettings:
    table = options.get("commitment", {})
    try:
        return CommitmentSettings(**table)
    except TypeError as error:
        raise ConfigError(f"commitment: {error}") from None


def _refused(code: int, comment: str) -> tuple[Any, None]:
    return status_with_comment(code, comment), None


def _on(assoc: Any) -> Reporter:
    """Report on an association that the peer has opened."""
    return partial(_send, assoc)


def _to(transaction: Transaction) -> Reporter:
    """Report at the destination of the peer, in the role of SCP, over TLS if its entry says so."""
    peer, routes = transaction.peer, worker.context.routes
    found = routes.named(peer) if routes is not None else None
    if found is None:
        raise NotReached(f"[destinations] has no AE {peer!r}, and it has no association")

    host, port, options = found

    def report(told: Report) -> int | None:
        ae = AE(transaction.local)
        ae.add_requested_context(StorageCommitmentPushModel)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        title, secured = options["ae_title"], options.get("tls_args")
        assoc = ae.associate(host, port, ae_title=title, ext_neg=[role], tls_args=secured)
        if not assoc.is_established:
            raise NotReached(f"{title} at {host}:{port}: {assoc.ended or 'rejected'}")
        try:
            return _send(assoc, told)
        finally:
            assoc.release()

    return report


def _send(assoc: Any, report: Report) -> int | None:
    try:
        status, _ = assoc.send_n_event_report(
            report.information,
            report.event_type,
            StorageCommitmentPushModel,
            StorageCommitmentPushModelInstance,
        )
    except (RuntimeError, ValueError) as error:  # over, or without a context for it
        raise NotReached(str(error)) from error
    return int(status.Status) if "Status" in status else None


committer = Committer(worker)
worker.on_start(committer.open)
worker.on_stop(committer.close)
worker.bind(
    evt.EVT_N_ACTION, committer.act, sop_classes=[StorageCommitmentPushModel], redeliver=True
)
worker.bind(evt.EVT_ESTABLISHED, committer.associated)
