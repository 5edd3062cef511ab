"""C-STORE (PS3.4 B): fragments go to the spool, then the claim to the event's owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.acceptor.arriving import ArrivingDataSet
from gateway.acceptor.asking import WorkerRequest
from gateway.part10 import IdentityScan

if TYPE_CHECKING:
    from gateway.acceptor.asking import ReceivedRequest
    from gateway.dimse.message import CStoreRQ
    from gateway.errors import Unanswered
    from gateway.fabric import Answer, Binding
    from gateway.spool import Sealed, Writer


class StoreRequest(ArrivingDataSet, WorkerRequest):
    """One C-STORE request while it arrives, and until it is answered."""

    def __init__(self, received: ReceivedRequest, binding: Binding, writer: Writer) -> None:
        WorkerRequest.__init__(self, received)
        is_checked = self.association.shared.settings.checks_data_sets
        scan = IdentityScan(self.context.transfer_syntax) if is_checked else None
        self.await_data(writer, scan, durable=binding.durable)

    def perform(self) -> None:
        request: CStoreRQ = self.request  # type: ignore[assignment]
        self.data_ended(request.affected_sop_class_uid, request.affected_sop_instance_uid)

    def offer(self, sealed: Sealed) -> None:
        self.ask(sealed.data, claim=sealed.claim.to_map())

    def end(self, status: int, elements: dict[str, Any]) -> None:
        self.finish(status, elements)
        self.let_go()

    def take_answer(self, answer: Answer) -> None:
        self.end(*self.status(answer.payload))

    def take_failure(self, error: Unanswered) -> None:
        if error.poisonous:
            self.quarantine()
        self.end(self.failures.unanswered, {"ErrorComment": str(error)})

    def discard(self) -> None:
        super().discard()
        self.let_go()
