"""The phases of an association's life."""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """The phase that an association is in."""

    PENDING = auto()
    """Connecting, or connected without an A-ASSOCIATE-RQ so far."""
    NEGOTIATING = auto()
    """An A-ASSOCIATE-RQ has arrived; `accept` or `reject` is to follow."""
    ESTABLISHED = auto()
    RELEASING = auto()
    """An A-RELEASE-RQ was sent or received; open requests are finished first."""
    ENDED = auto()
