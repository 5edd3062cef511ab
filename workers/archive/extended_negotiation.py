"""SOP class extended negotiation of query and retrieve (PS3.4 C.5.1.1, C.5.2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.archive.identifier import FIND, MODELS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.settings import ArchiveSettings


@dataclass(frozen=True, slots=True)
class Agreed:
    """The result of the negotiation for one SOP class on one association."""

    relational: bool = False
    """Keys of the levels above may be missing."""
    combined: bool = False
    """A range of dates and a range of times are matched as one range of moments; C-FIND only."""

    @classmethod
    def of(cls, sop_class_uid: str, answered: Mapping[Any, bytes]) -> Agreed:
        """Return what the A-ASSOCIATE-AC said: one byte for each, 1 if agreed."""
        flags = answered.get(sop_class_uid, b"").ljust(2, b"\0")
        return cls(flags[0] == 1, flags[1] == 1 and sop_class_uid in FIND)


def answers(settings: ArchiveSettings, proposed: Mapping[Any, bytes]) -> dict[str, bytes]:
    """Return the application information of the information models for the A-ASSOCIATE-AC.

    The second byte has this meaning for C-FIND alone, so it is 0 for C-GET and C-MOVE.
    """
    info = {}
    for uid, said in proposed.items():
        if str(uid).startswith(MODELS):
            offered = bytes([settings.relational, settings.combined and uid in FIND])
            agreed = bytes(a == b == 1 for a, b in zip(said, offered, strict=False))
            info[str(uid)] = agreed.ljust(len(said), b"\0")
    return info
