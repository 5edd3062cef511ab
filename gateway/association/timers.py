"""The timeouts of an association, and the one timer that watches them.

Every read moves a deadline, so none is moved when something is read. The timer goes off at least
once in the shortest of the timeouts and works out then when the peer's silence becomes too long.
Nothing can become due sooner than that after it began, so nothing is ever noticed late.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Protocol

from gateway.association.alarm import Alarm
from gateway.association.errors import Aborted, AssociationError, TimedOut
from gateway.association.phase import Phase
from gateway.settings import AssociationSettings, LimitsSettings
from gateway.ul.fsm import State

if TYPE_CHECKING:
    from gateway.association.inbox import Inbox
    from gateway.association.operations_in_flight import OperationsInFlight
    from gateway.association.transport import Transport
    from gateway.ul.upper_layer import UpperLayer

_DEFAULTS = AssociationSettings()
_LIMITS = LimitsSettings()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The limits on waits for the peer, in seconds."""

    connect: float = _DEFAULTS.acse_timeout
    """For the connection, TLS included."""
    acse: float = _DEFAULTS.acse_timeout
    """For the answer to an A-ASSOCIATE-RQ or A-RELEASE-RQ."""
    dimse: float = _DEFAULTS.dimse_timeout
    """For the next bytes of a message that has begun, or for the response to an operation."""
    network: float | None = _DEFAULTS.network_timeout
    """For an association without operations on which nothing is received; None: no limit."""
    artim: float = _DEFAULTS.artim_timeout
    """For the end of the connection, once the association is over."""
    send: float = _DEFAULTS.send_timeout
    """For a peer that does not read what is sent to it."""
    data_rate: int = _LIMITS.data_rate
    """Bytes a second that must come of a message that has begun; 0: any number."""
    rate_period: float = _LIMITS.data_rate_period
    """The time over which the data rate is measured."""

    @classmethod
    def all(cls, seconds: float) -> Timeouts:
        """Return one timeout for every wait for an answer, and no limit for an idle association."""
        return cls(seconds, seconds, seconds, None, min(seconds, 10.0), seconds)

    @classmethod
    def of(cls, settings: AssociationSettings, limits: LimitsSettings = _LIMITS) -> Timeouts:
        """Return the timeouts that the `[association]` table states, and the data rate."""
        return cls(
            connect=settings.acse_timeout,
            acse=settings.acse_timeout,
            dimse=settings.dimse_timeout,
            network=settings.network_timeout,
            artim=settings.artim_timeout,
            send=settings.send_timeout,
            data_rate=limits.data_rate,
            rate_period=limits.data_rate_period,
        )

    @property
    def shortest(self) -> float:
        """The shortest of those that `SilenceTimer` watches."""
        rate = self.rate_period if self.data_rate else inf
        return min(self.acse, self.dimse, self.idle, rate)

    @property
    def idle(self) -> float:
        """The network timeout; infinite if there is no limit."""
        return inf if self.network is None else self.network


Due = tuple[float, AssociationError]
"""The time at which the peer's silence is too long, and the error that ends the association."""


def no_answer(what: str, since: float, timeouts: Timeouts) -> Due:
    """Return the due time of the answer to an A-ASSOCIATE-RQ or A-RELEASE-RQ."""
    text = f"no answer to the {what} in {timeouts.acse:g} s; aborted"
    return since + timeouts.acse, TimedOut(text)


def no_response(what: str, since: float, timeouts: Timeouts) -> Due:
    """Return the due time of a response; `since`: the last sign of the peer for the request."""
    text = f"no response to the {what} in {timeouts.dimse:g} s; aborted"
    return since + timeouts.dimse, TimedOut(text)


def cut_off(since: float, timeouts: Timeouts) -> Due:
    """Return the due time of the rest of a message."""
    text = f"the rest of a message did not come in {timeouts.dimse:g} s; aborted"
    return since + timeouts.dimse, TimedOut(text)


def idle(since: float, timeouts: Timeouts) -> Due:
    """Return the due time of an idle association."""
    text = f"nothing happened on the association for {timeouts.idle:g} s; aborted"
    return since + timeouts.idle, Aborted(text)


def too_slow(timeouts: Timeouts) -> AssociationError:
    """Return the error for a peer whose message comes below the data rate."""
    least, period = timeouts.data_rate, timeouts.rate_period
    return TimedOut(f"less than {least} bytes/s of a message came in {period:g} s; aborted")


class Watched(Protocol):
    """The part of the engine that the timer reads."""

    phase: Phase
    upper: UpperLayer
    transport: Transport
    inbox: Inbox
    in_flight: OperationsInFlight

    @property
    def timeouts(self) -> Timeouts: ...

    def abort(self, error: AssociationError) -> None: ...


class SilenceTimer:
    """Aborts an association whose peer is silent for too long."""

    def __init__(self, engine: Watched) -> None:
        self.is_running = False
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._alarm: Alarm | None = None
        """None until the timer runs: an alarm and its owner refer to each other."""
        self._asked_at = 0.0
        """The time at which this side's last A-ASSOCIATE-RQ or A-RELEASE-RQ was sent."""
        self._mark: tuple[float, int, int] | None = None
        """When a message was first seen to be under way: the time for which this side has read
        until then, the bytes, and the number of messages."""

    def start(self) -> None:
        """Start the timer, or continue with other timeouts."""
        self.is_running = True
        self._set(inf)

    def asked(self) -> None:
        """Wait for the answer to an A-ASSOCIATE-RQ or A-RELEASE-RQ that is about to be sent."""
        self._asked_at = self._loop.time()
        self.start()

    def stop(self) -> None:
        self.is_running = False
        if self._alarm is not None:
            self._alarm.stop()
            self._alarm = None

    def _rang(self) -> None:
        due = self._due()
        if self._is_too_slow():
            self._engine.abort(too_slow(self._engine.timeouts))
        elif due is None:
            self._set(inf)
        elif due[0] > self._loop.time():
            self._set(due[0])
        else:
            self._engine.abort(due[1])

    def _set(self, when: float) -> None:
        when = min(when, self._loop.time() + self._engine.timeouts.shortest)
        if self._alarm is None:
            self._alarm = Alarm(self._loop, self._rang)
        self._alarm.set(None if when == inf else when)

    def _is_too_slow(self) -> bool:
        """Return whether too little came of a message in the last period of the data rate."""
        engine, timeouts, mark = self._engine, self._engine.timeouts, self._mark
        transport, inbox = engine.transport, engine.inbox
        self._mark = None
        if not (timeouts.data_rate and (inbox.is_receiving or engine.upper.is_receiving)):
            return False
        now = self._loop.time() - transport.paused_for
        self._mark = now, transport.received, inbox.begun
        if mark is None or mark[2] != inbox.begun:
            return False
        elapsed, came = now - mark[0], transport.received - mark[1]
        if elapsed < timeouts.rate_period:
            self._mark = mark
            return False
        return came < timeouts.data_rate * elapsed

    def _due(self) -> Due | None:
        """Return when the peer's silence becomes too long; None: it is not the peer's turn."""
        engine = self._engine
        if engine.transport.is_paused:  # this side is not reading
            engine.inbox.progress = self._loop.time()
            return None
        match engine.phase:
            case Phase.PENDING:
                return no_answer("A-ASSOCIATE-RQ", self._asked_at, engine.timeouts)
            case Phase.RELEASING if engine.upper.state is not State.Sta8:
                return no_answer("A-RELEASE-RQ", self._asked_at, engine.timeouts)
            case Phase.RELEASING if not len(engine.in_flight):
                return None  # the peer is waiting for a response from here
            case Phase.ESTABLISHED | Phase.RELEASING:
                return self._due_established()
            case _:
                return None

    def _due_established(self) -> Due | None:
        engine, timeouts = self._engine, self._engine.timeouts
        inbox, progress = engine.inbox, engine.inbox.progress
        heard = max(engine.transport.last_received, progress)
        if len(engine.in_flight):
            operation = engine.in_flight.longest_silent()
            if operation is None or operation.since is None:
                return None
            name = operation.request.command_field.name.replace("_", "-")
            return no_response(name, max(operation.since, progress), timeouts)
        if inbox.is_receiving:
            return cut_off(heard, timeouts)
        return idle(heard, timeouts) if inbox.is_idle else None
