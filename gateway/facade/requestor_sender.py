"""The `send_*` methods of an association in the requestor role, over the requestor's own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gateway.datasets import select_context
from gateway.dimse.message import CCancelRQ
from gateway.errors import GatewayError
from gateway.facade import flags
from gateway.facade.store_arguments import fit_argument
from gateway.requestor import AssociationError
from gateway.sdk.dimse_sender import DimseSender, NoResponse
from gateway.sdk.peer_responses import PeerResponse

if TYPE_CHECKING:
    from collections.abc import Collection, Generator

    from pydicom.dataset import Dataset

    from gateway.datasets import Instance
    from gateway.dimse.message import Request
    from gateway.facade.handler_thread import HandlerThread
    from gateway.facade.watched_association import WatchedAssociation
    from gateway.loop_thread import LoopThread
    from gateway.requestor import Operation
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.facade")


class RequestorSender(DimseSender):
    """The part of an association that sends requests to the peer, with the caller's message IDs."""

    event_report_role = None

    if TYPE_CHECKING:
        _watched: WatchedAssociation
        _loop: LoopThread
        _events: HandlerThread

    def send_c_cancel(
        self, msg_id: int, context_id: int | None = None, query_model: str | None = None
    ) -> None:
        """C-CANCEL (PS3.7 9.3.2.3) of the operation with that message ID, on its context.

        Raises ValueError unless `context_id`, or the SOP class `query_model`, names a context.
        """
        self._check_established("C-CANCEL")
        accepted = self._watched.accepted_contexts
        if query_model is not None:
            context_id = select_context(self.usable_contexts(), str(query_model)).id
        if context_id is None or context_id not in accepted:
            raise ValueError(
                "'send_c_cancel' requires either the 'query_model' used for the service request "
                "or the corresponding 'context_id'"
            )
        try:
            self._loop.run(self._watched.send_message(accepted[context_id], CCancelRQ(msg_id)))
        except AssociationError as error:
            log.warning("C-CANCEL was not sent: %s", error)
        except GatewayError as error:
            raise ValueError(str(error)) from error
        self._events.flush()

    def usable_contexts(self) -> Collection[AcceptedContext]:
        return self._watched.accepted_contexts.values()

    def _fit(self, dataset: Any) -> tuple[AcceptedContext, Instance]:
        return fit_argument(dataset, self.usable_contexts())

    def _log_identifier(self, kind: str, identifier: Dataset) -> None:
        if kind == "request":
            wanted = flags.LOG_REQUEST_IDENTIFIERS
        else:
            wanted = flags.LOG_RESPONSE_IDENTIFIERS
        if wanted:
            log.info("%s identifier:\n%s", kind, identifier)

    def _begin(
        self, context: AcceptedContext, request: Request, data: bytes | Instance | None
    ) -> Generator[PeerResponse, None, None]:
        source = data if data is None or isinstance(data, bytes) else data.data_set()
        try:
            operation = self._loop.run(self._watched.invoke(context, request, source))
        except AssociationError as error:
            self._events.flush()
            raise NoResponse(f"the request was not sent: {error}") from error
        except GatewayError as error:
            raise ValueError(str(error)) from error
        return self._responses_to(operation)

    def _responses_to(self, operation: Operation) -> Generator[PeerResponse, None, None]:
        try:
            while not operation.is_exhausted:
                received = self._loop.run(operation.next())
                self._events.flush()
                if received is None:
                    return
                elements = received.response.parameters()
                yield PeerResponse(received.status, elements, received.data_set)
        except AssociationError as error:
            self._events.flush()
            raise NoResponse(str(error)) from error
        finally:
            if not operation.is_over:
                self._loop.call(operation.abandon)
