"""The functions of a client's user, which are called in the client's thread."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.fabric.wire.terms import (
        CancelReason,
        LeaseState,
        Notification,
        ReceivedIntervention,
    )

logger = logging.getLogger("gateway.fabric")


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Calls the functions of the client's user; their errors must not stop the heartbeats."""

    worker: str
    on_requests: Callable[[list[ReceivedIntervention]], None]
    on_cancel: Callable[[str, CancelReason], None]
    on_notification: Callable[[Notification], None]
    on_state: Callable[[LeaseState, str], None]

    def requests(self, requests: list[ReceivedIntervention]) -> None:
        self._call(self.on_requests, requests)

    def cancel(self, token: str, why: CancelReason) -> None:
        self._call(self.on_cancel, token, why)

    def notify(self, notification: Notification) -> None:
        self._call(self.on_notification, notification)

    def state(self, state: LeaseState, detail: str) -> None:
        self._call(self.on_state, state, detail)

    def _call(self, callback: Callable[..., None], *args: object) -> None:
        try:
            callback(*args)
        except Exception:  # the fabric's thread outlives whatever its user raises
            logger.exception("callback failed worker=%s", self.worker)
