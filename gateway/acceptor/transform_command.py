"""Questions of one worker to another, which an acceptor passes on: EVT_STORE_TRANSFORM.

The worker that keeps or sends an instance decides whether another one is to transform it, and an
acceptor is where all workers are registered. So the command `transform` becomes a request to the
worker that it names, and the answer is the command's result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.errors import FabricError
from gateway.events import EVT_STORE_TRANSFORM
from gateway.fabric import CommandFailure
from gateway.fabric.acceptor import Intervention

if TYPE_CHECKING:
    from gateway.errors import Unanswered
    from gateway.fabric import Answer
    from gateway.fabric.acceptor import AssociationCommand, Server


def transform(fabric: Server, command: AssociationCommand, assoc: bytes) -> None:
    """Ask the worker that the command names; `assoc` describes the association, if it is known."""
    payload = dict(command.payload)
    worker = payload.pop("worker", None)
    if not isinstance(worker, str) or not worker:
        command.fail(CommandFailure.INVALID, "the command names no worker")
        return
    sink = _CommandSink(command, worker)
    asked = Intervention(
        EVT_STORE_TRANSFORM.name, payload, assoc, command.data, sink=sink, sop_class=worker
    )
    command.gone = lambda: fabric.abandon(asked)
    fabric.ask(asked)


class _CommandSink:
    """Hands the answer of the worker that was asked on to the worker that asks."""

    def __init__(self, command: AssociationCommand, worker: str) -> None:
        self._command = command
        self._worker = worker

    def answered(self, answer: Answer) -> None:
        try:
            self._command.reply(_result(answer.payload), answer.data)
        except FabricError as error:  # it cannot be sent on
            self._command.fail(CommandFailure.INVALID, str(error))

    def unanswered(self, error: Unanswered) -> None:
        text = f"worker {self._worker}: {error}"
        self._command.fail(CommandFailure.UNANSWERED, text)


def _result(payload: dict[str, Any]) -> dict[str, Any]:
    """Return an answer as a result; `error` and `kind` of a result are the acceptor's own."""
    return {"answer": payload}
