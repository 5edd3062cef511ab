"""The places for associations: a limit of the gateway, shared between its acceptors."""

from __future__ import annotations

import mmap
import os
import struct
from typing import TYPE_CHECKING, Protocol

from gateway.acceptor.shares import Holder, Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.association.transport import Transport
    from gateway.settings import LimitsSettings

FILE = "associations"
"""The file in the run directory with the number of associations of each acceptor."""
_COUNT = struct.Struct("<Q")
_ACCEPTORS = 64


class Board:
    """The number of associations of each acceptor of a gateway, in a file that all of them map.

    Each writes its own number and reads the others'. Two that accept an association at the same
    instant may exceed the limit by one.
    """

    def __init__(self, run_dir: Path, index: int, acceptors: int = 1) -> None:
        self._at = index * _COUNT.size
        # A gateway that was killed may have had more acceptors: their numbers count no more.
        self._end = max(acceptors, index + 1) * _COUNT.size
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(run_dir / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, _ACCEPTORS * _COUNT.size)
            self._map = mmap.mmap(descriptor, _ACCEPTORS * _COUNT.size)
        finally:
            os.close(descriptor)
        self.mine = 0

    @property
    def mine(self) -> int:
        """The number of this acceptor; after a kill, its successor resets it."""
        count: int = _COUNT.unpack_from(self._map, self._at)[0]
        return count

    @mine.setter
    def mine(self, count: int) -> None:
        _COUNT.pack_into(self._map, self._at, count)

    @property
    def all(self) -> int:
        return sum(count for (count,) in _COUNT.iter_unpack(self._map[: self._end]))

    def close(self) -> None:
        self.mine = 0
        self._map.close()


class Placed(Protocol):
    """An association, as far as it has a place."""

    @property
    def holder(self) -> Holder: ...

    @property
    def transport(self) -> Transport: ...

    def abort(self, why: str) -> None: ...


class Places:
    """The associations of this acceptor, and the limit that all acceptors have together."""

    def __init__(self, board: Board, limit: int, limits: LimitsSettings) -> None:
        self._board = board
        self._limit = limit
        self._limits = limits
        self._placed: dict[Placed, Holder] = {}
        self._ledger = Ledger()

    def __len__(self) -> int:
        return len(self._placed)

    def close(self) -> None:
        self._board.close()

    def change_limits(self, limit: int, limits: LimitsSettings) -> None:
        """Have other limits for newcomers; associations that are open stay."""
        self._limit, self._limits = limit, limits

    def find_room(self, newcomer: Holder) -> bool:
        """Return whether there is a place for a newcomer; the greediest may have to give way."""
        limits, held = self._limits, self._ledger
        if newcomer.address:
            if 0 < limits.associations_per_address <= held.of_address(newcomer):
                return False
            if 0 < limits.associations_per_title <= held.of(newcomer):
                return False
        if self._board.all < self._limit:
            return True
        holder = held.greediest(newcomer, 1)
        if holder is None:
            return False
        silent = min(
            (placed for placed, its in self._placed.items() if its == holder),
            key=lambda placed: placed.transport.last_received,
        )
        held_there = held.of_address(holder)
        silent.abort(
            f"aborted to make room: {held_there} of {self._limit} associations are from "
            f"{holder.address}"
        )
        return True

    def take(self, association: Placed) -> None:
        self._placed[association] = holder = association.holder
        self._ledger.add(holder, 1)
        self._board.mine = len(self._placed)

    def leave(self, association: Placed) -> None:
        holder = self._placed.pop(association, None)
        if holder is not None:
            self._ledger.add(holder, -1)
            self._board.mine = len(self._placed)
