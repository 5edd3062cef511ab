"""What a worker needs to keep an instance that arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gateway.spool import Claim


class Arrival(NamedTuple):
    """An instance that arrived: its claim, and the fields of its request."""

    claim: Claim
    data: bytes | None
    """The whole Part 10 file if the claim has no path."""
    attempt: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
