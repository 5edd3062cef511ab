"""What of the extended negotiation of query and retrieve is agreed to (PS3.4 C.5.1.1, C.5.2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.archive.identifier import FIND, MODELS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.archive.settings import ArchiveSettings


@dataclass(frozen=True, slots=True)
class Agreed:
    """How the keys of one SOP class are understood on one association."""

    relational: bool = False
    combined: bool = False
    """Ranges of a date and a time are one range of moments; C-FIND only."""

    @classmethod
    def of(cls, sop_class_uid: str, answered: Mapping[Any, bytes]) -> Agreed:
        """What the gateway answered in the A-ASSOCIATE-AC: a byte for each, 1 if agreed to."""
        flags = answered.get(sop_class_uid, b"").ljust(2, b"\0")
        return cls(flags[0] == 1, flags[1] == 1 and sop_class_uid in FIND)


def answers(settings: ArchiveSettings, proposed: Mapping[Any, bytes]) -> dict[str, bytes]:
    """What the A-ASSOCIATE-AC says of the SOP classes of the information models.

    Of C-GET and C-MOVE the second byte is about something else.
    """
    info = {}
    for uid, said in proposed.items():
        if str(uid).startswith(MODELS):
            offered = bytes([settings.relational, settings.combined and uid in FIND])
            agreed = bytes(a == b == 1 for a, b in zip(said, offered, strict=False))
            info[str(uid)] = agreed.ljust(len(said), b"\0")
    return info
