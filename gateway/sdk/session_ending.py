"""Why a worker process ends, with which exit status, and how long it may finish its work."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum

from gateway import process

LIFELINE_DRAIN = 0.5
"""Seconds for the requests in hand once the parent is gone."""


class SessionEndReason(Enum):
    """The reasons for the end of a session."""

    ASKED = "asked"
    """SIGTERM or SIGINT."""
    ORPHANED = "orphaned"
    """The parent is gone."""
    HUNG = "hung"
    """A handler is past its deadline and grace: the process must be replaced."""
    ENDED = "ended"
    """An acceptor ended the lease because of a message of this worker."""
    REFUSED = "refused"
    """Another worker holds the event."""
    SUPERSEDED = "superseded"
    """A newer generation took over."""


_STATUS = {
    SessionEndReason.HUNG: process.EXIT_FAILED,
    SessionEndReason.ENDED: process.EXIT_FAILED,
    SessionEndReason.REFUSED: process.EXIT_REFUSED,
    SessionEndReason.SUPERSEDED: process.EXIT_SUPERSEDED,
}


@dataclass(frozen=True, slots=True)
class SessionEnding:
    """The reason for the end of a session, and the text for the log."""

    why: SessionEndReason
    text: str = ""

    @property
    def status(self) -> int:
        """The exit status of the process."""
        return _STATUS.get(self.why, 0)


def drain_end(why: SessionEndReason, drain_timeout: float) -> float:
    """Return the time on the monotonic clock at which to stop waiting."""
    if why is SessionEndReason.SUPERSEDED:  # each handler has its own deadline
        return float("inf")
    return time.monotonic() + (
        LIFELINE_DRAIN if why is SessionEndReason.ORPHANED else drain_timeout
    )
