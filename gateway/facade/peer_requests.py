"""Requests of the peer on an association in the requestor role: handlers answer them."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gateway.acceptor.answer_status import failures_of, status_of_whole
from gateway.acceptor.requests import EVENT_OF
from gateway.dimse.message import CEchoRQ, CStoreRQ
from gateway.dimse.status import SUCCESS, UNRECOGNIZED_OPERATION, has_data_set
from gateway.facade.handler_thread import LocalEvent
from gateway.part10 import file_meta
from gateway.requestor import Reply
from gateway.sdk import handler_answers
from gateway.spool.claim import Claim, Tokens
from gateway.spool.digest import running_digest

if TYPE_CHECKING:
    from gateway.fabric import Answer
    from gateway.facade.handler_thread import HandlerThread, LocalAssociation
    from gateway.facade.handlers import Handlers
    from gateway.requestor import IncomingRequest, Receiver
    from gateway.sdk.bound_handler import BoundHandler

log = logging.getLogger("gateway.facade")

IN_MEMORY = 1024 * 1024
"""Bytes of a data set; a larger one is written to a file while it arrives."""

_tokens = Tokens(0)


class PeerRequests:
    """Decides at the command set: the bound handler answers, or a failure status does."""

    def __init__(self, handlers: Handlers, events: HandlerThread, assoc: LocalAssociation) -> None:
        self._handlers = handlers
        self._events = events
        self._assoc = assoc

    def __call__(self, incoming: IncomingRequest) -> Receiver | Reply | int:
        event = EVENT_OF.get(type(incoming.request))
        if event is None or event.streams:
            return UNRECOGNIZED_OPERATION
        bound = next(iter(self._handlers.bound(event.name)), None)
        if bound is None:
            if isinstance(incoming.request, CEchoRQ):
                return SUCCESS
            log.warning("%s has no handler", event)
            return failures_of(event).unanswered
        return RequestReceiver(incoming, bound, self._events, self._assoc)


class RequestReceiver:
    """Receives the data set of one request, and has its handler called afterwards."""

    def __init__(
        self,
        incoming: IncomingRequest,
        bound: BoundHandler,
        events: HandlerThread,
        assoc: LocalAssociation,
    ) -> None:
        self._incoming = incoming
        self._bound = bound
        self._events = events
        self._assoc = assoc
        self._received = bytearray()
        self._file: Any = None
        self._digest = running_digest()
        self._prefix = b""
        self._size = 0
        request = incoming.request
        if isinstance(request, CStoreRQ):
            self._prefix = file_meta(
                request.affected_sop_class_uid,
                request.affected_sop_instance_uid,
                incoming.context.transfer_syntax,
                assoc.acceptor.ae_title,
            )
            self._received += self._prefix

    def write(self, data: memoryview) -> None:
        """Take the next piece of the data set."""
        self._size += len(data)
        self._digest.update(data)
        if self._file is None and self._size > IN_MEMORY and self._prefix:
            self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed in `_clear`
                prefix="gateway-", suffix=".dcm", delete=False
            )
            self._file.write(self._received)
            self._received.clear()
        if self._file is not None:
            self._file.write(data)
        else:
            self._received += data

    async def finish(self) -> int | Reply:
        """Return the handler's answer to the complete request."""
        event = self._event()
        failures = failures_of(self._bound.event)  # type: ignore[arg-type]
        try:
            future = asyncio.wrap_future(self._events.call(self._bound, event))
            async with asyncio.timeout(self._bound.deadline):
                answer = handler_answers.answer_to(event, await future)
        except TimeoutError:
            event.cancellation.set()
            name = self._bound.name
            log.error("event=%s handler=%s is past its deadline", event.name, name)  # noqa: TRY400
            return failures.unanswered
        except RuntimeError as error:  # the handler raised, which is in the log already
            answer = handler_answers.raised(error)
        finally:
            self._clear()
        return self._reply(answer)

    def discard(self) -> None:
        """Remove what was received; the rest does not come."""
        self._clear()

    def _event(self) -> LocalEvent:
        request, context = self._incoming.request, self._incoming.context
        payload: dict[str, Any] = {
            "request": request.parameters(),
            "context": [context.id, context.abstract_syntax, context.transfer_syntax],
            "message_id": request.message_id,
        }
        data: bytes | None = bytes(self._received)
        if self._prefix:
            path = None
            if self._file is not None:
                self._file.flush()
                path, data = self._file.name, None
            claim = Claim(
                _tokens.draw(), path, len(self._prefix), self._size, self._digest.digest()
            )
            payload["claim"] = claim.to_map()
        return LocalEvent(self._bound.event, payload, self._assoc, data)

    def _reply(self, answer: Answer) -> Reply:
        event, request = self._bound.event, self._incoming.request
        status, elements = status_of_whole(event, request, answer.payload, self._assoc)  # type: ignore[arg-type]
        return Reply(status, answer.data if has_data_set(status) else None, elements)

    def _clear(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
            with suppress(FileNotFoundError):  # the handler may have moved it
                os.unlink(file.name)
