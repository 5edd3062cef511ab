"""The requests that a worker's process has in hand."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.fabric.wire.envelopes import Cancel, Credit, Envelope, Requested
from gateway.fabric.wire.terms import CancelReason, ReceivedIntervention

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.fabric.worker.link import Link


@dataclass(slots=True)
class InHand:
    """One request in hand."""

    link: Link
    credit: int
    """Answers that may be sent before the final one."""
    closed: bool = False
    """Nobody awaits an answer any more."""


class ReceivedInterventions:
    """Filled and closed by the client's thread; any thread may look, take credit and let go."""

    def __init__(
        self,
        on_request: Callable[[ReceivedIntervention], None],
        on_cancel: Callable[[str, CancelReason], None],
    ) -> None:
        self._on_request = on_request
        self._on_cancel = on_cancel
        self._held: dict[str, InHand] = {}
        self._changed = threading.Condition()
        self.take: dict[type[Envelope], Callable[[Link, Any, Any], None]] = {
            Requested: self._requested,
            Cancel: self._cancelled,
            Credit: self._credited,
        }

    def get(self, token: str) -> InHand | None:
        return self._held.get(token)

    def put_down(self, token: str) -> None:
        """The final answer was given."""
        self._held.pop(token, None)

    def take_credit(self, held: InHand) -> bool:
        """Wait until the stream may send one more answer; False if nobody awaits it."""
        with self._changed:
            while held.credit < 1 and not held.closed:
                self._changed.wait()
            held.credit -= 1
        return not held.closed

    def lose(self, link: Link) -> None:
        """The lease is gone: nothing of it can be answered."""
        for token, held in list(self._held.items()):
            if held.link is link:
                self._cancel(token, CancelReason.LOST, closed=True)
                self.put_down(token)

    def _requested(self, link: Link, asked: Requested, data: memoryview | None) -> None:
        self._held[asked.token] = InHand(link, asked.credit)
        request = ReceivedIntervention(
            asked.token,
            asked.event,
            asked.attempt,
            asked.deadline,
            asked.payload,
            asked.assoc,
            data,
            link.name,
        )
        self._on_request(request)

    def _cancelled(self, _link: Link, cancel: Cancel, _data: object) -> None:
        self._cancel(cancel.token, cancel.why, closed=cancel.closed)

    def _credited(self, _link: Link, credit: Credit, _data: object) -> None:
        held = self._held.get(credit.token)
        if held is not None:
            with self._changed:
                held.credit += credit.answers
                self._changed.notify_all()

    def _cancel(self, token: str, why: CancelReason, *, closed: bool) -> None:
        held = self._held.get(token)
        if held is None or held.closed:
            return
        with self._changed:
            held.closed = closed
            self._changed.notify_all()
        self._on_cancel(token, why)
