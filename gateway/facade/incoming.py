"""Requests that the peer makes on an association that was asked for here: to handlers, and back."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from typing import TYPE_CHECKING, Any

from gateway.acceptor.answer_status import failures_of, status_of
from gateway.acceptor.requests import EVENT_OF
from gateway.dimse.message import CEchoRQ, CStoreRQ
from gateway.dimse.status import SUCCESS, UNRECOGNIZED_OPERATION, has_data_set
from gateway.facade.handler_thread import LocalEvent
from gateway.part10 import file_meta
from gateway.requestor import Reply
from gateway.sdk import handler_answers
from gateway.spool.claim import Claim, Tokens
from gateway.spool.digest import Digest

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.fabric import Answer
    from gateway.facade.association import Association
    from gateway.facade.handler_thread import HandlerThread
    from gateway.facade.handlers import Handlers
    from gateway.requestor import IncomingRequest, Receiver
    from gateway.sdk.bound_handler import BoundHandler

log = logging.getLogger("gateway.facade")

IN_MEMORY = 1024 * 1024
"""Bytes of a data set above which it is written to a file while it arrives."""

_tokens = Tokens(0)


class Answering:
    """The requestor's handler of incoming requests: asks what the user bound."""

    def __init__(self, handlers: Handlers, events: HandlerThread, assoc: Association) -> None:
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
            log.warning("%s: nobody is bound to it", event)
            return failures_of(event).unanswered
        return Arriving(incoming, bound, self._events, self._assoc)


class Arriving:
    """One request while its data set arrives, and until its handler has answered."""

    def __init__(
        self,
        incoming: IncomingRequest,
        bound: BoundHandler,
        events: HandlerThread,
        assoc: Association,
    ) -> None:
        self._incoming = incoming
        self._bound = bound
        self._events = events
        self._assoc = assoc
        self._gathered = bytearray()
        self._file: Any = None
        self._digest = Digest()
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
            self._gathered += self._prefix

    def write(self, data: memoryview) -> None:
        self._size += len(data)
        self._digest.update(data)
        if self._file is None and self._size > IN_MEMORY and self._prefix:
            self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed in `_clear`
                prefix="gateway-", suffix=".dcm", delete=False
            )
            self._file.write(self._gathered)
            self._gathered.clear()
        if self._file is not None:
            self._file.write(data)
        else:
            self._gathered += data

    async def finish(self) -> int | Reply:
        event = self._event()
        failures = failures_of(self._bound.event)  # type: ignore[arg-type]
        try:
            future = asyncio.wrap_future(self._events.call(self._bound, event))
            async with asyncio.timeout(self._bound.deadline):
                told = handler_answers.answer_to(event, await future)
        except TimeoutError:
            event.cancellation.set()
            log.error("event=%s handler=%s is past its deadline", event.name, self._bound.name)  # noqa: TRY400
            return failures.unanswered
        except RuntimeError as error:  # the handler's, logged where it was raised
            told = handler_answers.raised(error)
        finally:
            self._clear()
        return self._reply(told)

    def discard(self) -> None:
        self._clear()

    def _event(self) -> LocalEvent:
        request, context = self._incoming.request, self._incoming.context
        payload: dict[str, Any] = {
            "request": request.parameters(),
            "context": [context.id, context.abstract_syntax, context.transfer_syntax],
            "message_id": request.message_id,
        }
        data: bytes | None = bytes(self._gathered)
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

    def _reply(self, told: Answer) -> Reply:
        event, request = self._bound.event, self._incoming.request
        status, elements = status_of(event, request, told.payload, self._assoc.name)  # type: ignore[arg-type]
        return Reply(status, told.data if has_data_set(status) else None, elements)

    def _clear(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
            _remove(file.name)


def _remove(path: str | Path) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        """The handler took it."""
