"""Turns: a peer that sends more than a turn's work does not keep the others waiting.

One read may bring thousands of messages. A transport processes a few of them at once; what is left
is kept, and reading from that peer pauses. `Turns` goes on with what was kept: address by address,
and peer by peer within an address, so that many connections of one host get what one connection of
another host gets. It does so for a short time in each turn of the event loop. Everything else that
the loop has to do - the requests of other peers, answers of workers, timers - comes between.

What is kept is bounded by the size of a read. Few peers at a time have large reads: those that
filled a small one with pieces of data sets, which are processed as they come and need not be kept.
The socket of a peer that fills reads stands behind all others (`gateway.ranked_selector`), until
two of its reads have been short: a C-ECHO waits for one of many such peers, not for all of them. In
an event loop of another kind they share what is read in a turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary, proxy

from gateway.ranked_selector import RankedEventLoop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import MutableMapping

READ_SIZE = 640 * 1024
"""Bytes that one read takes from the socket at most: 512 x 512 pixels with their header."""
SMALL_READ = 64 * 1024
"""Bytes of a read for a peer that has not filled one, or has sent more than a turn's work."""
LARGE_READS = 64
"""Peers that have large reads at a time."""
LARGE_TOGETHER = 4 * READ_SIZE
"""Bytes that large reads together take in a turn of an event loop without ranks, as far as they are
not small: others wait for all of them."""
SHORT_READS = 2
"""Reads in a row, shorter than a small one may be, by which a peer no longer sends large objects:
the last read of an object is often as short."""

TURN = 0.001
"""Seconds of a turn of one peer."""
STEPS = 16
"""Steps of a turn of one peer at most; a step processes a few primitives."""
ALL_TURNS = 0.002
"""Seconds that peers with kept bytes have together in each turn of the event loop."""
NEW_A_TURN = 4
"""Reads of peers without an association that are processed at once in a turn of the event loop."""


class TurnTaker(Protocol):
    """A connection, as far as it takes turns."""

    remote: tuple[str, int]
    room: memoryview
    """The buffer for its next read."""
    short_reads_left: int
    """Short reads until its socket stands in front of others; 0: it does. Set here."""

    @property
    def descriptor(self) -> int:
        """The descriptor of its socket, which is open."""

    def take_turn(self) -> None:
        """Process some of the bytes that were kept; call `add` again for the rest."""


class Turns:
    """The peers of one event loop that wait for a turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop: asyncio.AbstractEventLoop = proxy(loop)
        """Not the loop itself: `turns_of` keeps this object for as long as the loop lives."""
        self.buffer = memoryview(bytearray(READ_SIZE))
        """What all connections of this loop read into. Other loops run in other threads: a read
        there must not replace what was read here and is not processed yet."""
        self.small_buffer = self.buffer[:SMALL_READ]
        self._waiting: dict[str, dict[TurnTaker, None]] = {}
        """By address, in the order of their turns."""
        self._large: dict[TurnTaker, None] = {}
        self._behind: dict[TurnTaker, int] = {}
        """With the descriptor, which may be closed before its connection is."""
        self._ranks = proxy(loop.ranks) if isinstance(loop, RankedEventLoop) else None
        self._is_scheduled = False
        self._new = 0
        self._began_at = 0.0

    def may_begin(self) -> bool:
        """Return whether a peer without an association may be looked at in this turn of the loop.

        To decide on an A-ASSOCIATE-RQ takes part of a millisecond, or several if it has thousands
        of items, and thousands may come at once. It does not pass peers that wait already.
        """
        if self._waiting:
            return False
        if not self._new:
            self._loop.call_soon(self._begin_again)
            self._began_at = self._loop.time()
        self._new += 1
        is_early = self._new == 1 or self._loop.time() - self._began_at < ALL_TURNS
        return is_early and self._new <= NEW_A_TURN

    def _begin_again(self) -> None:
        self._new = 0

    def add(self, peer: TurnTaker) -> None:
        """Give a peer a turn after those that wait already."""
        self._waiting.setdefault(peer.remote[0], {})[peer] = None
        self._schedule()

    def remove(self, peer: TurnTaker) -> None:
        """Forget a peer whose connection is closed."""
        self.make_small(peer)
        address = peer.remote[0]
        waiting = self._waiting.get(address)
        if waiting is not None:
            waiting.pop(peer, None)
            if not waiting:
                del self._waiting[address]

    def make_large(self, peer: TurnTaker) -> None:
        """Let a peer that has filled a read have large ones, in place of who had them longest."""
        if self._ranks is not None:
            if not peer.short_reads_left:
                self._behind[peer] = peer.descriptor
                self._ranks.put_behind(peer.descriptor)
            peer.short_reads_left = SHORT_READS
        if peer in self._large:
            return
        self._large[peer] = None
        if len(self._large) > LARGE_READS:
            self._shrink(next(iter(self._large)))
        self._share()

    def short_read(self, peer: TurnTaker) -> None:
        """Take note of a short read of a peer that is behind."""
        peer.short_reads_left -= 1
        if not peer.short_reads_left:
            self.make_small(peer)

    def make_small(self, peer: TurnTaker) -> None:
        """Let a peer have small reads, in front of those that have large ones."""
        self._shrink(peer)
        descriptor = self._behind.pop(peer, None)
        if self._ranks is not None and descriptor is not None:
            peer.short_reads_left = 0
            self._ranks.put_in_front(descriptor)

    def _shrink(self, peer: TurnTaker) -> None:
        peer.room = self.small_buffer
        if peer in self._large:
            del self._large[peer]
            self._share()

    def _share(self) -> None:
        """Let large reads be shorter, the more of them one turn can have."""
        at_once = 1 if self._ranks is not None else max(len(self._large), 1)
        room = self.buffer[: max(SMALL_READ, LARGE_TOGETHER // at_once)]
        for peer in self._large:
            peer.room = room

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._is_scheduled = False
        over = self._loop.time() + ALL_TURNS
        while self._waiting:
            address = next(iter(self._waiting))
            waiting = self._waiting.pop(address)
            peer = next(iter(waiting))
            del waiting[peer]
            if waiting:
                self._waiting[address] = waiting
            peer.take_turn()
            if self._loop.time() >= over:
                break
        if self._waiting:
            self._schedule()


_turns: MutableMapping[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


def turns_of(loop: asyncio.AbstractEventLoop) -> Turns:
    """Return the turns of an event loop: one object for all of its connections."""
    found = _turns.get(loop)
    if found is None:
        found = _turns[loop] = Turns(loop)
    return found
