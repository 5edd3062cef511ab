"""Who sends instances: when the last one came, how fast they come, and who has fallen silent.

A sender is a calling AE title. It is silent if its pause is over an hour and over twice as long as
its longest pause so far; so a scanner that rests at night raises no alarm the second night.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.metrics import Distribution
from workers.web.small_files import replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.metrics import Metric

INSTANCES = "dicom_gateway_instances_received_total"
MOST = 500
"""Senders that are remembered, the latest ones."""
MOST_ADDRESSES = 8
SHORTEST = 3600.0
"""Seconds of a pause before a sender is called silent."""
TIMES = 2.0
"""How many times its longest pause a silent sender has paused."""
_BURST = 60.0
"""Seconds: shorter pauses are those between the instances of one study."""


@dataclass(slots=True)
class KnownSender:
    """A calling AE title that has sent instances."""

    calling: str
    first: float
    """Seconds since 1970 when it was first seen sending, as are the other times."""
    last: float
    instances: float = 0.0
    longest: float = 0.0
    """Its longest pause of over a minute, in seconds; 0: there was none."""
    addresses: list[str] = field(default_factory=list)
    rate: float = 0.0
    """Instances a second, at present."""

    def is_silent(self, now: float) -> bool:
        """Return whether it has not sent for unusually long."""
        return bool(self.longest) and now - self.last > max(SHORTEST, TIMES * self.longest)


class Senders:
    """Learns from the metrics and from associations that have ended; safe for several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, KnownSender] = {}
        self._totals: dict[str, float] = {}
        self._looked = 0.0

    def look(self, metrics: list[Metric], now: float) -> None:
        """Take the numbers of instances; the first look only remembers them."""
        totals: dict[str, float] = {}
        for metric in metrics:
            for labels, value in metric.series.items() if metric.name == INSTANCES else ():
                if not isinstance(value, Distribution):
                    totals[labels[0]] = totals.get(labels[0], 0.0) + value
        with self._lock:
            passed, is_first = now - self._looked, not self._looked
            for calling, total in totals.items():
                more = total - self._totals.get(calling, 0.0)
                sender = self._known.get(calling)
                if more > 0:
                    sender = self._sent(calling, now)
                    sender.instances += more
                if sender is not None:
                    sender.rate = 0.0 if is_first or passed <= 0 else max(0.0, more) / passed
            self._totals, self._looked = totals, now

    def _sent(self, calling: str, now: float) -> KnownSender:
        sender = self._known.pop(calling, None)
        if sender is None:
            sender = KnownSender(calling, now, now)
        pause = now - sender.last
        if pause > _BURST:
            sender.longest = max(sender.longest, pause)
        sender.last = now
        self._known[calling] = sender  # at the end: the latest
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return sender

    def ended(self, calling: str, address: str) -> None:
        """Take note of the address of an association of a sender."""
        with self._lock:
            sender = self._known.get(calling)
            if sender is not None and address not in sender.addresses:
                sender.addresses = [address, *sender.addresses][:MOST_ADDRESSES]

    def rows(self, now: float) -> list[dict[str, Any]]:
        """Return the senders, silent ones first, then the latest."""
        with self._lock:
            found = [
                {**asdict(one), "silent": one.is_silent(now), "pause": now - one.last}
                for one in self._known.values()
            ]
        return sorted(found, key=lambda one: (not one["silent"], one["pause"], one["calling"]))

    def read(self) -> None:
        """Take what an earlier process has written; a file that is not valid is ignored."""
        try:
            told = [
                KnownSender(**{**one, "rate": 0.0}) for one in json.loads(self._path.read_text())
            ]
        except (OSError, ValueError, TypeError):
            return
        with self._lock:
            self._known = {one.calling: one for one in told[-MOST:]}

    def write(self) -> None:
        """Write what is known; raises OSError."""
        with self._lock:
            text = json.dumps([asdict(one) for one in self._known.values()])
        replace_file(self._path, text)
