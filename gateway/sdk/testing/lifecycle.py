"""Start and stop hooks, and notifications."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.sdk.executor import HandlerLoop
from gateway.sdk.hooks import call_hook
from gateway.sdk.notifications import NotificationThread, QueuedNotification
from gateway.sdk.testing.running import bound_all, watching
from gateway.sdk.testing.simulated_peer import Peer
from gateway.sdk.worker_context import WorkerContext
from gateway.uid import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

    from gateway.events import NotificationEvent
    from gateway.sdk.bound_handler import AnyHandler
    from gateway.sdk.worker_definition import Worker

_PATIENCE = 60.0
"""Seconds to wait for the handlers of a notification."""


@contextmanager
def started(
    worker: Worker, data_dir: str | PathLike[str], *, durable: bool = True, **options: Any
) -> Iterator[Worker]:
    """Give a worker its `context` and call its start hooks, and at the end its stop hooks.

    `options` are what its table in the configuration would say.
    """
    worker.context = WorkerContext(Path(data_dir), durable=durable, options=options)
    for hook in worker.start_hooks:
        call_hook(hook)
    try:
        yield worker
    finally:
        for hook in worker.stop_hooks:
            call_hook(hook)


def notify(
    handler: Worker | AnyHandler,
    event: NotificationEvent,
    *,
    args: Sequence[Any] = (),
    peer: Peer | None = None,
    **body: Any,
) -> None:
    """Call the handlers of a notification event, all of them in their order.

    `body` is what the event has beside the association, as `PROTOCOL.md` of the fabric says: bytes
    where it is a PDU. Raises what the first handler raised, after the others were called.
    """
    errors: list[BaseException] = []
    bound = tuple(watching(one, errors) for one in bound_all(handler, event, args))
    if pdu := body.get("pdu", body.get("data")):
        body = {"length": len(pdu), "truncated": False, **body}
    peer = peer or Peer()
    context = (VERIFICATION, peer.contexts[0][1] if peer.contexts else IMPLICIT_VR_LITTLE_ENDIAN)
    loop = HandlerLoop()
    notifier = NotificationThread(lambda *_: bound, loop=loop)
    blob = peer.describe(context)
    notifier.put(
        QueuedNotification(event.name, "acceptor-0-0", 1, 0.0, body, blob, peer.publish, peer.call)
    )
    notifier.start()
    notifier.stop(_PATIENCE)
    loop.stop()
    if errors:
        raise errors[0]
