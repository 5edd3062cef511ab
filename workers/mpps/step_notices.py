"""Tell those who asked for it that a performed procedure step has changed (PS3.4 F.9).

An N-EVENT-REPORT goes to each open association that has a context for the Notification SOP Class.
It has no data set: the peer may ask for the attributes by N-GET. A report that is not answered is
not sent again; the journal of the archive is what loses nothing.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from gateway.sdk import GatewayError
from gateway.sop_class import ModalityPerformedProcedureStepNotification
from workers.archive.procedure_steps import COMPLETED, DISCONTINUED, IN_PROGRESS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

IS_IN_PROGRESS, IS_COMPLETED, IS_DISCONTINUED, IS_UPDATED = 1, 2, 3, 4
"""Event types (PS3.4 Table F.9.2-1)."""
EVENT_TYPES = {
    IN_PROGRESS: IS_IN_PROGRESS,
    COMPLETED: IS_COMPLETED,
    DISCONTINUED: IS_DISCONTINUED,
}
THREADS = 4
"""Associations that are told at a time; one whose peer does not answer occupies one."""
MOST_WAITING = 16
"""Reports that wait for the answer of one association; more are dropped."""

log = logging.getLogger("workers.mpps")


class StepNotices:
    """Sends the reports; `associations` returns those that are open."""

    def __init__(self, associations: Callable[[], Sequence[Any]]) -> None:
        self._associations = associations
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="step-notice")
        self._waiting: dict[str, int] = {}
        self._lock = threading.Lock()

    def tell(self, uid: str, event_type: int) -> None:
        """Tell of a change, without waiting for anybody."""
        self._pool.submit(self._tell_all, uid, event_type)

    def close(self) -> None:
        """Drop what was not sent."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _tell_all(self, uid: str, event_type: int) -> None:
        try:
            listeners = [one for one in self._associations() if _listens(one)]
        except GatewayError as error:
            log.warning("step=%s nobody is told: %s", uid, error)
            return
        for assoc in listeners:
            with self._lock:
                waiting = self._waiting.get(assoc.id, 0)
                if waiting < MOST_WAITING:
                    self._waiting[assoc.id] = waiting + 1
            if waiting < MOST_WAITING:
                self._pool.submit(self._tell, assoc, uid, event_type)
            else:
                log.warning("association=%s is not told of a step: it does not answer", assoc.id)

    def _tell(self, assoc: Any, uid: str, event_type: int) -> None:
        try:
            status, _ = assoc.send_n_event_report(
                None, event_type, ModalityPerformedProcedureStepNotification, uid
            )
            if status.get("Status") != 0x0000:
                log.info("association=%s did not take the report of a step", assoc.id)
        except (RuntimeError, ValueError) as error:  # over, or without a context for it
            log.info("association=%s is not told of a step: %s", assoc.id, error)
        finally:
            with self._lock:
                self._waiting[assoc.id] -= 1
                if not self._waiting[assoc.id]:
                    del self._waiting[assoc.id]


def _listens(assoc: Any) -> bool:
    return any(
        context.abstract_syntax == ModalityPerformedProcedureStepNotification
        for context in assoc.accepted_contexts
    )
