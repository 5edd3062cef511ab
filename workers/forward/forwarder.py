"""The threads of a forwarding process: for the journal, and for the destinations."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from workers.archive.index.records import IndexFailure
from workers.archive.objects.store_failure import StoreFailure
from workers.archive.outbox_control import OutboxControl
from workers.forward.confirmer import Confirmer
from workers.forward.destination_queue import DestinationQueue
from workers.forward.forward_outbox import LEASE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workers.archive.index import Index
    from workers.archive.outbox_rows import QueueState
    from workers.forward.filling import Filling
    from workers.forward.forwarding_shared import ForwardingShared

TICK = 0.5
"""Seconds between two looks at the journal, and at what operators say."""
_COUNTED = 5.0
"""Seconds between two counts of the rows, or longer if a count takes long."""
_SHARE = 50
"""The time between two counts, in times of a count."""
_DIVERTED = 256

log = logging.getLogger("workers.forward")


class Forwarder:
    """Everything that a forwarding process does, from `start` to `stop`."""

    def __init__(self, index: Index, shared: ForwardingShared, filling: Filling) -> None:
        self._index = index
        self._shared = shared
        self._filling = filling
        self._control = OutboxControl(index)
        self._queues: dict[str, DestinationQueue] = {}
        self.confirmer = Confirmer(shared)
        self._over = threading.Event()
        self._states: dict[str, QueueState] = {}
        self._counted = float("-inf")
        self._renewed = float("-inf")
        self._pause = _COUNTED
        self._threads = [
            threading.Thread(target=self._repeat, args=(step,), name=name, daemon=True)
            for name, step in (
                ("journal", self._fill),
                ("destinations", self._look_after),
                ("confirmation", self._confirm),
            )
        ]
        self.trouble = ""
        """Why the outbox cannot be used at present; empty: it can."""
        shared.is_down = self._is_down

    def start(self) -> None:
        """Begin; raises IndexFailure if the index cannot be read."""
        self._filling.position = self._shared.outbox.position(self._filling.reader)
        self._shared.recorder.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the responses under way; what is not sent is due again."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        for queue in self._queues.values():
            queue.stop()
        self._shared.recorder.stop()

    def _repeat(self, step: Any) -> None:
        while not self._over.is_set():
            pause = TICK
            try:
                pause = step()
            except (IndexFailure, StoreFailure) as error:
                log.warning("the outbox cannot be used: %s", error)
                self.trouble = str(error).splitlines()[0]
            except Exception:  # a bug must not end the thread: it is told, and tried again
                log.exception("forwarding failed")
                self.trouble = "forwarding failed: see the log"
            else:
                self.trouble = ""
            self._over.wait(pause)

    # the journal

    def _fill(self) -> float:
        """Read a page of the journal; return the seconds until the next one."""
        number, destinations = self._filling.step()
        for name in destinations:
            if (queue := self._queues.get(name)) is not None:
                queue.wake()
        return 0.0 if number else TICK

    # destinations

    def _confirm(self) -> float:
        """Ask destinations whether they keep what was sent; return the seconds until the next."""
        return 0.0 if sum([self.confirmer.step(name) for name in tuple(self._queues)]) else TICK

    def _look_after(self) -> float:
        shared, now = self._shared, time.monotonic()
        if now - self._renewed > LEASE / 3:
            if taken := [number for queue in self._queues.values() for number in queue.taken()]:
                shared.outbox.renew(taken, shared.owner)
            self._renewed = now
        suspended = self._control.suspended()
        if now - self._counted > self._pause:
            self._count()
        for name in self._names():
            queue = self._queues.get(name)
            if queue is None:
                queue = self._queues[name] = DestinationQueue(name, shared)
            queue.set_suspended(name in suspended)
            queue.adjust()
            queue.hurry()
            while queue.divert_all(_DIVERTED) == _DIVERTED and not self._over.is_set():
                pass
        return TICK

    def _names(self) -> Iterable[str]:
        routed = (name for one in self._filling.table.compiled for name in one.route.destinations)
        return dict.fromkeys((*self._states, *routed, *self._queues))

    def _is_down(self, name: str) -> bool:
        queue = self._queues.get(name)
        if queue is None:
            return self._shared.destination(name) is None
        return queue.text() != "ok"

    def _count(self) -> None:
        """Count the rows, at most a fiftieth of the time."""
        began = time.monotonic()
        self._states = self._control.states()
        took = time.monotonic() - began
        self._counted, self._pause = began, max(_COUNTED, _SHARE * took)
        counters, now = self._shared.counters, self._shared.outbox.now()
        for name in (*self._states, *self._queues):
            state = self._states.get(name)
            counters.queued.set(state.waiting if state else 0, name, "waiting")
            counters.queued.set(state.parked if state else 0, name, "parked")
            counters.queued.set(state.unconfirmed if state else 0, name, "unconfirmed")
            oldest = now - state.oldest if state and state.oldest else 0.0
            counters.oldest.set(oldest, name)
            counters.show_certificate(name, self._shared.certificate_end(name))

    def facts(self) -> dict[str, Any]:
        """Return what `dicom-gateway status --json` shows."""
        queues = tuple(self._queues.items())
        return {
            "destinations": {name: self._facts_of(name, queue) for name, queue in queues},
            "matched": dict(self._filling.matched),
        }

    def _facts_of(self, name: str, queue: DestinationQueue) -> dict[str, Any]:
        state = self._states.get(name)
        return {
            "state": self._text_of(queue),
            "place": queue.place,
            "waiting": state.waiting if state else 0,
            "parked": state.parked if state else 0,
            "unconfirmed": state.unconfirmed if state else 0,
            "oldest": state.oldest if state else 0.0,
            "error": queue.last_error,
            "error_at": queue.last_error_at,
            "certificate_end": self._shared.certificate_end(name),
        }

    def _text_of(self, queue: DestinationQueue) -> str:
        """Return the state of a destination in words; if it takes all, whether it confirms that."""
        text = queue.text()
        return self.confirmer.troubles.get(queue.name, text) if text == "ok" else text

    def troubles(self) -> dict[str, str]:
        """Return what is wrong, in words, by a name for each."""
        found = {"outbox": self.trouble} if self.trouble else {}
        for name, queue in tuple(self._queues.items()):
            state, text = self._states.get(name), self._text_of(queue)
            waiting = state.waiting if state else 0
            if queue.breaker.is_open or (waiting and text == "not in [destinations]"):
                found[f"destination {name}"] = f"{name}: {text}; instances waiting: {waiting}"
            elif why := self.confirmer.troubles.get(name):
                found[f"destination {name}"] = f"{name}: {why}"
            elif state and state.parked:
                found[f"destination {name}"] = (
                    f"{name}: instances parked: {state.parked}; see "
                    f"`dicom-gateway outbox ls --state parked`"
                )
        return found
