"""The phases of an association's life."""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """Where an association is in its life."""

    PENDING = auto()
    """Connecting, or connected and nothing was asked yet."""
    NEGOTIATING = auto()
    """The peer has asked; `accept` or `reject` is to follow."""
    ESTABLISHED = auto()
    RELEASING = auto()
    """An A-RELEASE-RQ was sent or received; what is in hand is finished first."""
    ENDED = auto()
