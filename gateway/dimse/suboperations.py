"""The sub-operation counters of a C-GET or C-MOVE, and its final status (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import TYPE_CHECKING

from gateway.dimse import status as codes
from gateway.dimse.status import Category, category
from gateway.uid import is_tolerable

if TYPE_CHECKING:
    from gateway.dimse.message import CGetRQ, CMoveRQ

MOST = 0xFFFF
"""The largest counter: VR US (PS3.7 E.1)."""

COUNTERS = (
    "NumberOfRemainingSuboperations",
    "NumberOfCompletedSuboperations",
    "NumberOfFailedSuboperations",
    "NumberOfWarningSuboperations",
)
"""The keywords of the counters, in the order of their tags."""
_COUNTERS = Struct("<" + "HHLH" * 4)
"""The elements of the counters, which are the last ones of a command set."""


@dataclass(slots=True)
class SuboperationCounters:
    """The number of sub-operations that were announced, and the results so far."""

    announced: int = 0
    completed: int = 0
    warnings: int = 0
    failures: int = 0
    failed: list[str] = field(default_factory=list)
    """SOP Instance UIDs of the sub-operations that failed, if they are known."""

    @property
    def remaining(self) -> int:
        return max(0, self.announced - self.completed - self.warnings - self.failures)

    def count(self, status: int | None, sop_instance_uid: str) -> None:
        """Count a sub-operation by the status of its response; None: there was no response."""
        if status == codes.SUCCESS:
            self.completed += 1
            return
        match None if status is None else category(status):
            case Category.SUCCESS:
                self.completed += 1
            case Category.WARNING:
                self.warnings += 1
            case _:
                self.failures += 1
                if is_tolerable(sop_instance_uid):
                    self.failed.append(sop_instance_uid)

    def give_up(self) -> None:
        """Count the remaining sub-operations as failed."""
        self.failures += self.remaining

    def conclude(self, status: int) -> int:
        """Return the status of the final response to a worker's last `status`.

        Unless the operation was cancelled, remaining sub-operations count as failed. A success or
        warning becomes the status that the counters imply.
        """
        if status != codes.CANCEL:
            self.give_up()
        is_over = category(status) in (Category.SUCCESS, Category.WARNING)
        return self.status() if is_over else status

    def status(self) -> int:
        """Return the final status if the worker reports success."""
        if self.failures and not (self.completed or self.warnings):
            return codes.UNABLE_TO_PERFORM_SUBOPERATIONS
        if self.failures or self.warnings or self.completed > self.announced:
            return codes.SUBOPERATIONS_FAILED
        return codes.SUCCESS

    def elements(self, *, with_remaining: bool) -> dict[str, int]:
        """Return the counters by PS3.7 keyword; remaining only if pending or cancelled."""
        counters = {
            "NumberOfCompletedSuboperations": min(self.completed, MOST),
            "NumberOfFailedSuboperations": min(self.failures, MOST),
            "NumberOfWarningSuboperations": min(self.warnings, MOST),
        }
        if with_remaining:
            counters["NumberOfRemainingSuboperations"] = self.remaining
        return counters


class PendingResponses:
    """The pending responses to one C-GET or C-MOVE: command sets that differ in four counters."""

    def __init__(self, request: CGetRQ | CMoveRQ) -> None:
        counters = SuboperationCounters().elements(with_remaining=True)
        whole = request.response(codes.PENDING, counters).encode(False)
        self._head = whole[: -_COUNTERS.size]

    def of(self, counters: SuboperationCounters) -> bytes:
        """Return the command set with these counters."""
        return self.encode(
            counters.remaining,
            min(counters.completed, MOST),
            min(counters.failures, MOST),
            min(counters.warnings, MOST),
        )

    def encode(self, remaining: int, completed: int, failed: int, warnings: int) -> bytes:
        """Return a command set; the counters, 0 to `MOST`, are in the order of `COUNTERS`."""
        return self._head + _COUNTERS.pack(
            *(0, 0x1020, 2, remaining, 0, 0x1021, 2, completed),
            *(0, 0x1022, 2, failed, 0, 0x1023, 2, warnings),
        )
