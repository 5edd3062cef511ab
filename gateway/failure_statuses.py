"""The statuses that the peer gets if no worker answers, or the answer cannot be used.

`events` names one of these for each event that a worker answers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failures:
    """The statuses that are sent when an intervention fails (PS3.7 annex C, PS3.4)."""

    unanswered: int
    """There is no worker, it died or is busy, or its deadline has passed."""
    raised: int
    """The handler raised an exception."""
    no_status: int
    """The answer is a data set without Status (0000,0900)."""
    bad_status: int
    """The answer has a wrong type."""
    forbidden: int
    """The answer has a status that the service does not define."""
    special: tuple[tuple[str, int], ...] = ()
    """Failures of some services only: *encoding* (the data set cannot be encoded), *first* (the
    handler raised or ended before its first value), *number* (the number of sub-operations is
    missing or invalid), *too_many* (more than 65535 sub-operations), *destination* (invalid),
    *begun* (unanswered after the number of sub-operations is known)."""

    def of(self, kind: object) -> int:
        """Return the status of a failure by its name; that of `bad_status` if it is unknown."""
        known = {
            "unanswered": self.unanswered,
            "raised": self.raised,
            "no_status": self.no_status,
            "bad_status": self.bad_status,
            "forbidden": self.forbidden,
            **dict(self.special),
        }
        return known.get(kind, self.bad_status) if isinstance(kind, str) else self.bad_status


ECHO = Failures(0x0000, 0x0000, 0x0000, 0x0000, 0x0000)
STORE = Failures(0xA700, 0xC211, 0xC001, 0xC002, 0xC002)
TRANSFORM = Failures(0xA700, 0xA700, 0xA700, 0xA700, 0xA700)
"""Whatever goes wrong, the instance is not kept, and may be sent again."""
FIND = Failures(0xA700, 0xC311, 0xC001, 0xC002, 0xC002, (("encoding", 0xC312),))
GET = Failures(
    *(0xA701, 0xC411, 0xC001, 0xC002, 0xC002),
    special=(("first", 0xC413), ("number", 0xC413), ("too_many", 0xC416), ("begun", 0xA702)),
)
MOVE = Failures(
    *(0xA701, 0xC511, 0xC001, 0xC002, 0xC002),
    special=(
        ("first", 0xC514),
        ("destination", 0xC515),
        ("number", 0xC513),
        ("too_many", 0xC516),
        ("begun", 0xA702),
    ),
)
N_SERVICE = Failures(0x0110, 0x0110, 0xC001, 0xC002, 0x0110, (("encoding", 0x0110),))
