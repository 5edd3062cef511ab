"""Pass N-CREATEs and N-SETs on to other AEs, as long as it takes, in their order for each step.

A message is sent with success or a warning, also with 0111 for an N-CREATE, and with 0110 for an
N-SET whose response was lost before. Without an association, and with 0213 or A7xx, all for the
destination waits for a pause that grows, and no attempt counts; if the association breaks before
the response, the attempt counts. A SOP class that is not accepted, 0105, 0106, 0120, 0121 and 0122
park the message. After any other status it waits for a pause of its own, and is parked after
`attempts` failures. What follows a parked message of its step waits behind it. `mpps retry` ends
either pause.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pydicom.dataset import Dataset

from gateway.datasets import BASIC_SYNTAXES, DatasetError, NoContext
from gateway.datasets.coding import encoder
from gateway.dimse.status import Category, category
from gateway.requestor import AssociationError, NotAccepted
from gateway.sdk import GatewayError
from gateway.sop_class import ModalityPerformedProcedureStep
from workers.archive.index import IndexFailure
from workers.archive.pauses import pause_after
from workers.mpps.step_outbox import CREATE, NO_RESPONSE, PARKED, SENT, WAITING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.metrics import Metrics
    from gateway.requestor.proposal import Contexts
    from gateway.requestor.sync import BlockingAssociation
    from workers.mpps.step_outbox import StepMessage, StepOutbox

LOOK = 1.0
"""Seconds between two looks at the outbox."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds between attempts: each pause is twice the last, and varied by a tenth."""
MOST = 32
"""Messages that are sent on one association."""
_CLASS = str(ModalityPerformedProcedureStep)
_CONTEXTS: Contexts = ((_CLASS, BASIC_SYNTAXES),)
_DUPLICATE, _PROCESSING_FAILURE, _NO_RESOURCES = 0x0111, 0x0110, 0x0213
_REFUSALS = frozenset({0x0105, 0x0106, 0x0120, 0x0121, 0x0122})

log = logging.getLogger("workers.mpps")


class Connect(Protocol):
    """Returns an established association to an AE title of `[destinations]`.

    Raises LookupError if there is no such title, and AssociationError.
    """

    def __call__(self, name: str, contexts: Contexts) -> BlockingAssociation: ...


class SenderCounters:
    """The metrics of the messages."""

    def __init__(self, metrics: Metrics) -> None:
        self.sent = metrics.counter(
            "dicom_gateway_mpps_sent_total",
            "N-CREATEs and N-SETs of performed procedure steps that a destination has taken.",
            "destination",
        )
        self.failed = metrics.counter(
            "dicom_gateway_mpps_failed_total",
            "Attempts to pass on an N-CREATE or N-SET that failed, by reason.",
            *("destination", "reason"),
        )
        self.queued = metrics.gauge(
            "dicom_gateway_mpps_queue",
            "N-CREATEs and N-SETs that are to be passed on.",
            *("destination", "state"),
        )
        self.oldest = metrics.gauge(
            "dicom_gateway_mpps_oldest_seconds",
            "The time for which the oldest of them that is not parked has waited; 0: none waits.",
            "destination",
        )


@dataclass
class _Place:
    """A destination, as this process sees it."""

    failures: int = 0
    """In a row; 0: it responds."""
    reason: str = ""
    not_before: float = 0.0


@dataclass
class StepSender:
    """Sends to all destinations, in a thread for each."""

    outbox: StepOutbox
    connect: Connect
    destinations: tuple[str, ...]
    attempts: int
    counters: SenderCounters
    clock: Callable[[], float] = time.monotonic
    owner: str = field(default_factory=lambda: f"{os.uname().nodename}/{os.getpid()}")
    _places: dict[str, _Place] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _changed: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._places = {name: _Place() for name in self.destinations}

    def start(self) -> None:
        """Begin to send."""
        for name in self.destinations:
            thread = threading.Thread(target=self._run, args=(name,), name=f"mpps-{name}")
            thread.daemon = True
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End after the response under way; what is not sent is due again after the lease."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, name: str) -> None:
        while not self._over.is_set():
            try:
                number = self.step(name)
            except IndexFailure as error:
                log.warning("destination=%s the outbox of steps cannot be used: %s", name, error)
                number = 0
            except Exception:  # a bug must not end the thread: it is told, and tried again
                log.exception("destination=%s passing on failed", name)
                self._places[name].reason = "passing on failed: see the log"
                number = 0
            if not number:
                self._over.wait(LOOK)

    def step(self, name: str) -> int:
        """Send what is due for a destination; return the number of messages that were tried.

        Raises IndexFailure.
        """
        place = self._places[name]
        if self.clock() < place.not_before and not self.outbox.take_hurry(name):
            return 0
        messages = self.outbox.take(name, self.owner, 1 if place.failures else MOST)
        if not messages:
            return 0
        try:
            association = self.connect(name, _CONTEXTS)
        except LookupError as error:
            self._wait_all(name, messages, str(error.args[0]))
            return 0
        except NotAccepted as error:
            for message in messages:
                self._settle(message, PARKED, "refused", str(error))
            return len(messages)
        except (AssociationError, OSError) as error:
            self._wait_all(name, messages, str(error))
            return 0
        with association:
            return self._send_all(association, name, messages)

    def _send_all(
        self, association: BlockingAssociation, name: str, messages: list[StepMessage]
    ) -> int:
        left = list(reversed(messages))
        while left and not self._over.is_set():
            message = left.pop()
            try:
                status = _send(association, message)
            except (NoContext, NotAccepted, DatasetError) as error:
                self._settle(message, PARKED, "refused", str(error))
                continue
            except (GatewayError, OSError) as error:
                self._again(message, NO_RESPONSE, f"{NO_RESPONSE}: {error}")
                self._wait_all(name, left[::-1], str(error))
                return len(messages) - len(left)
            if status == _NO_RESOURCES or 0xA700 <= status <= 0xA7FF:
                text = f"the destination answered {status:04X}: out of resources"
                self._wait_all(name, [message, *left[::-1]], text)
                return len(messages) - len(left) - 1
            self._answered(message, status)
            self._responded(name)
        for message in left:  # at the end of the worker
            message.due = 0.0
            self.outbox.settle(message, self.owner)
        return len(messages) - len(left)

    def _answered(self, message: StepMessage, status: int) -> None:
        if _is_taken(message, status):
            message.due = 0.0
            self._settle(message, SENT, "", "" if not status else f"status {status:04X}")
            self.counters.sent.add(1, message.destination)
        elif status in _REFUSALS:
            text = f"the destination answered {status:04X}"
            self._settle(message, PARKED, "refused", text)
        else:
            self._again(message, "failed", f"the destination answered {status:04X}")

    def _again(self, message: StepMessage, kind: str, why: str) -> None:
        message.attempts += 1
        message.due = pause_after(message.attempts, FIRST_PAUSE, LONGEST_PAUSE)
        state = PARKED if message.attempts >= self.attempts else WAITING
        self._settle(message, state, kind, why)

    def _settle(self, message: StepMessage, state: str, kind: str, why: str) -> None:
        message.state, message.reason = state, why[:500]
        if kind:
            self.counters.failed.add(1, message.destination, kind)
            log.warning(
                "destination=%s step=%s %s not taken: %s%s",
                *(message.destination, message.uid, message.operation, why),
                ": parked" if state == PARKED else "",
            )
        self.outbox.settle(message, self.owner)

    def _wait_all(self, name: str, messages: list[StepMessage], why: str) -> None:
        """Begin a pause of the destination, after which the first message is tried."""
        place = self._places[name]
        place.failures += 1
        pause = pause_after(place.failures, FIRST_PAUSE, LONGEST_PAUSE)
        place.not_before = self.clock() + pause
        if not place.reason:
            log.warning("destination=%s steps wait: %s", name, why)
        place.reason = why
        self.counters.failed.add(1, name, "unreachable")
        for message in messages:
            message.due, message.reason = 0.0, message.reason or why[:500]
            self.outbox.settle(message, self.owner)

    def _responded(self, name: str) -> None:
        place = self._places[name]
        if place.failures:
            log.info("destination=%s steps are taken again", name)
        place.failures, place.reason, place.not_before = 0, "", 0.0

    def look(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what `status` shows of each destination, and what is wrong, by its name.

        Raises IndexFailure.
        """
        counts, ages = self.outbox.counts(), self.outbox.ages()
        facts: dict[str, Any] = {}
        troubles: dict[str, str] = {}
        for name in dict.fromkeys((*self.destinations, *(name for name, _ in counts))):
            waiting, parked = counts.get((name, WAITING), 0), counts.get((name, PARKED), 0)
            place = self._places.get(name)
            state = (place.reason or "ok") if place else "not in the option send_to"
            facts[name] = {"state": state, "waiting": waiting, "parked": parked}
            self.counters.queued.set(waiting, name, WAITING)
            self.counters.queued.set(parked, name, PARKED)
            self.counters.oldest.set(ages.get(name, 0.0), name)
            if waiting and state != "ok":
                troubles[f"mpps to {name}"] = f"{name}: {state}; {waiting} messages wait"
            elif parked:
                troubles[f"mpps to {name}"] = (
                    f"{name}: messages parked: {parked}; see `dicom-gateway mpps outbox`"
                )
        return facts, troubles


def _send(association: BlockingAssociation, message: StepMessage) -> int:
    """Send a message, and return the status of the response; raises GatewayError."""
    data = encoder(Dataset.from_json(message.attributes))
    if message.operation == CREATE:
        return association.n_create(_CLASS, message.uid, data).status
    return association.n_set(_CLASS, message.uid, data).status


def _is_taken(message: StepMessage, status: int) -> bool:
    if category(status) in (Category.SUCCESS, Category.WARNING):
        return True
    if message.operation == CREATE:
        return status == _DUPLICATE
    # The response to an earlier attempt was lost, and the step may have ended by it.
    return status == _PROCESSING_FAILURE and message.reason.startswith(NO_RESPONSE)
