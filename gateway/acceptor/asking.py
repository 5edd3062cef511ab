"""The common part of all requests of the peer that a worker answers."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from gateway import spans
from gateway.acceptor.answer_status import failures_of, status_of
from gateway.acceptor.request_span import RequestSpan
from gateway.fabric.acceptor import Intervention

if TYPE_CHECKING:
    from gateway.acceptor.shared import Shared
    from gateway.acceptor.shares import Holder
    from gateway.association.engine import AssociationEngine
    from gateway.dimse.message import CStoreRQ, Request
    from gateway.errors import Unanswered
    from gateway.events import InterventionEvent
    from gateway.fabric import Answer
    from gateway.spans import SpanRecorder
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.acceptor")


class StoreLearner(Protocol):
    """Takes C-STOREs that are like an earlier one the short way (`acceptor.plain_store`)."""

    def learn(self, context: AcceptedContext, command_set: bytes, request: CStoreRQ) -> None:
        """Keep the form of a request that went the general way."""


class Asker(Protocol):
    """The association, as its requests need it."""

    id: str
    shared: Shared
    engine: AssociationEngine
    holder: Holder

    @property
    def plain(self) -> StoreLearner | None: ...

    @property
    def calling_ae_title(self) -> str: ...

    @property
    def called_ae_title(self) -> str: ...

    def description(self) -> bytes: ...


class ReceivedRequest(NamedTuple):
    """A request of the peer, and the event that asks a worker about it."""

    association: Asker
    context: AcceptedContext
    request: Request
    event: InterventionEvent


class WorkerRequest:
    """One request of the peer, from its command set to the last answer of a worker.

    No task waits for the answer: `answered` and `unanswered` are called in the turn of the loop in
    which it arrives.
    """

    arrived = 0.0
    span: RequestSpan | None = None
    """None: no spans are recorded, or no worker was asked."""
    asked: Intervention | None = None
    """The request to a worker, from its beginning on."""

    def __init__(self, received: ReceivedRequest) -> None:
        self.association, self.context, self.request, self.event = received
        self.message_id: int | None = self.request.message_id
        self.engine = self.association.engine
        self.began = self.engine.transport.last_received
        """The loop's time at which its command set arrived."""
        self.failures = failures_of(self.event)
        self._intervention: Intervention | None = None
        """The request to a worker, until its final answer."""

    # as the inbox calls it

    def fragment(self, data: memoryview) -> None:
        raise NotImplementedError

    def perform(self) -> None:
        raise NotImplementedError

    def read_done(self) -> None:
        """Do nothing: what is kept was copied on arrival."""

    def cancel(self) -> None:
        """Do nothing: a request with a single answer is finished anyway."""

    def discard(self) -> None:
        self._put_down()
        if self.span is not None:
            self.span.drop()
            self.span = None

    def stop(self) -> None:
        self.discard()

    # asking

    def ask(self, data: bytes | None, *, window: int = 0, **payload: Any) -> None:
        """Ask the worker that holds the event; `window`: answers that may be under way at once."""
        context, association = self.context, self.association
        if spans.recorder is not None:
            payload |= self._begin_span(spans.recorder)
        self.asked = self._intervention = Intervention(
            self.event.name,
            {"request": self.request.parameters(), "message_id": self.message_id, **payload},
            association.description(),
            data,
            sink=self,
            sop_class=context.abstract_syntax,
            asker=association.holder.address,
            shared=_described(context.id, context.abstract_syntax, context.transfer_syntax),
            window=window,
        )
        association.shared.fabric.ask(self.asked)

    def _begin_span(self, recorder: SpanRecorder) -> dict[str, Any]:
        """Begin the span of this request; return what the worker is told of it."""
        service = self.event.name.removeprefix("EVT_").replace("_", "-")
        self.span = RequestSpan(recorder, service, self.began, self.arrived)
        self.span.describe(self.engine.name, self.request, self.context.abstract_syntax)
        return self.span.payload

    # as the fabric calls it

    def answered(self, answer: Answer) -> None:
        if answer.final:
            self._intervention = None
        try:
            self.take_answer(answer)
        except Exception:  # a bug: it ends this association, not the acceptor
            log.exception("association=%s an operation failed", self.engine.name)
            self.engine.fail()

    def unanswered(self, error: Unanswered) -> None:
        self._intervention = None
        log.warning("association=%s %s unanswered: %s", self.engine.name, self.event, error)
        self.take_failure(error)

    def take_answer(self, answer: Answer) -> None:
        """Send the peer the response for an answer of the worker."""
        raise NotImplementedError

    def take_failure(self, error: Unanswered) -> None:
        """Send the final response when no answer, or no further one, will come."""
        status = self.failures.unanswered
        self.finish(status, {"ErrorComment": str(error)} if status else None)

    # responding

    def status(self, payload: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and elements of the response that an answer becomes."""
        return status_of(self.event, self.request, payload, self.engine)

    def respond(
        self, status: int, elements: dict[str, Any] | None = None, data_set: bytes | None = None
    ) -> None:
        outbox, context_id = self.engine.outbox, self.context.id
        if elements or data_set is not None:
            outbox.send(context_id, self.request.response(status, elements), data_set)
        else:
            outbox.send_command_set(context_id, self.request.plain_response(status))

    def finish(
        self, status: int, elements: dict[str, Any] | None = None, data_set: bytes | None = None
    ) -> None:
        """Send the final response; tell a worker that is still busy with the request."""
        if self.span is not None:
            self.span.answered()
        self.respond(status, elements, data_set)
        self._put_down()
        given_at = self.asked.given_at if self.asked is not None else 0.0
        stages = self.association.shared.stages
        stages.finished(self.event.name, self.began, self.arrived, given_at)
        if self.span is not None:
            self.span.end(status, given_at)
            self.span = None
        self.engine.inbox.finished(self, self.request.command_field, status)

    def _put_down(self) -> None:
        intervention, self._intervention = self._intervention, None
        if intervention is not None and not intervention.closed:
            self.association.shared.fabric.abandon(intervention)


@lru_cache(maxsize=1024)
def _described(context_id: int, abstract_syntax: str, transfer_syntax: str) -> dict[str, Any]:
    """Return the context of a request: one object, so that it is sent once for many requests."""
    return {"context": [context_id, abstract_syntax, transfer_syntax]}
