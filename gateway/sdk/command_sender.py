"""Requests, release and abort of an association that an acceptor holds, as commands to it.

Each waits for its results over the fabric. `msg_id` only names an operation for `send_c_cancel`:
the acceptor numbers the messages, because it knows which message IDs are in use.
"""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Protocol

from gateway.errors import FabricError
from gateway.fabric.wire.frames import MAX_DATA
from gateway.fabric.wire.terms import CommandFailure
from gateway.sdk.dimse_sender import DimseSender, NoResponse
from gateway.sdk.handler_order import answered_first
from gateway.sdk.peer_responses import PeerResponse

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from gateway.datasets import Instance
    from gateway.dimse.message import Request
    from gateway.fabric import Answer
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.sdk")

RESULT_TIMEOUT = 3600.0
"""Seconds for each result of a request; the acceptor has its own timeouts for the peer."""
END_TIMEOUT = 5.0
"""Seconds for the acceptor to confirm an abort or release."""

_CALLERS_MISTAKES = frozenset({"context", "invalid"})
"""Failures that become a ValueError; any other failure means that no response came."""


class Results(Protocol):
    """The results of one command, to be closed when no more are wanted."""

    def __iter__(self) -> Iterator[Answer]: ...
    def __next__(self) -> Answer: ...
    def close(self) -> None: ...


class SendCommand(Protocol):
    """Sends a command to an acceptor about one of its associations; raises FabricError."""

    def __call__(
        self,
        acceptor: str,
        association: str,
        operation: str,
        payload: dict[str, Any],
        *,
        data: bytes | None = None,
        timeout: float,
    ) -> Results: ...


class CommandSender(DimseSender):
    """The part of an association proxy that sends requests and ends the association."""

    def __init__(self, send_command: SendCommand | None) -> None:
        self._send_command = send_command
        self._open: dict[int, Results] = {}
        self._ended = ""

    if TYPE_CHECKING:

        @property
        def acceptor_name(self) -> str: ...

    def abort(self) -> None:
        """Send an A-ABORT (PS3.8 7.3); nothing happens if the association has ended."""
        self._end("abort", "aborted")

    def release(self) -> None:
        """Release the association (PS3.8 7.2), after the operations that are open on it."""
        self._end("release", "released")

    def over(self, state: str) -> None:
        """Record that the association was *released*, *aborted* or *rejected*."""
        self._ended = self._ended or state

    def _end(self, operation: str, state: str) -> None:
        if not self.is_established:
            return
        try:
            with closing(self._send(operation, {}, timeout=END_TIMEOUT)) as results:
                result = next(iter(results))
                if result.payload.get("kind") != CommandFailure.ENDED.value:  # else it is over
                    _check(result)
        except FabricError as error:
            log.warning("association=%s %s: %s", self.id, operation, error)
        self._ended = state

    def send_c_cancel(
        self,
        msg_id: int,
        context_id: int | None = None,  # noqa: ARG002 - pynetdicom's
        query_model: str | None = None,  # noqa: ARG002 - pynetdicom's
    ) -> None:
        """Send a C-CANCEL (PS3.7 9.3.2.3) of the request with this `msg_id`; its iterator ends."""
        results = self._open.get(msg_id)
        if results is not None:
            results.close()

    def _begin(
        self, context: AcceptedContext, request: Request, data: bytes | Instance | None
    ) -> Generator[PeerResponse, None, None]:
        size = 0 if data is None else len(data) if isinstance(data, bytes) else data.size
        if size > MAX_DATA:
            raise ValueError(f"the data set has {size} bytes, more than {MAX_DATA}")
        encoded = data if data is None or isinstance(data, bytes) else data.read()
        payload = {
            "kind": type(request).__name__,
            "context_id": context.id,
            "parameters": _parameters(request),
        }
        try:
            results = self._send("request", payload, encoded, timeout=RESULT_TIMEOUT)
        except FabricError as error:
            raise NoResponse(str(error)) from error
        self._open[request.message_id] = results
        return self._responses_in(results, request.message_id)

    def _responses_in(
        self, results: Results, message_id: int
    ) -> Generator[PeerResponse, None, None]:
        try:
            for result in results:
                _check(result)
                elements = result.payload.get("response", {})
                yield PeerResponse(result.payload["status"], elements, result.data)
        except FabricError as error:
            raise NoResponse(str(error)) from error
        finally:
            results.close()
            if self._open.get(message_id) is results:
                del self._open[message_id]

    def _send(
        self, operation: str, payload: dict[str, Any], data: bytes | None = None, *, timeout: float
    ) -> Results:
        if self._send_command is None:
            raise FabricError("this association cannot be reached")
        if after := answered_first():
            payload, timeout = {**payload, "after": after}, RESULT_TIMEOUT
        return self._send_command(
            self.acceptor_name, self.id, operation, payload, data=data, timeout=timeout
        )


def _parameters(request: Request) -> dict[str, Any]:
    """Return the fields of a request that differ from their default, except its message ID."""
    values = {field.name: getattr(request, field.name) for field in fields(request)[1:]}
    return {f.name: values[f.name] for f in fields(request)[1:] if values[f.name] != f.default}


def _check(result: Answer) -> None:
    """Raise ValueError for a mistake of the caller, and FabricError for any other failure."""
    if "error" in result.payload:
        text = str(result.payload["error"])
        mistaken = result.payload.get("kind") in _CALLERS_MISTAKES
        raise (ValueError if mistaken else FabricError)(text)
