"""The bytes of an object, read by ranges as somebody comes to them.

What is near to what was read before comes with it, in ranges that grow, so that an object that is
read from its begin to its end takes few requests. What is skipped is not read: the header of a long
object takes one request, or a few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = 64 * 1024
"""Bytes of the first range; most headers are shorter."""
LONGEST = 4 << 20
"""Bytes of a range at most, unless more is asked for at once."""
_NEAR = 256 * 1024
"""Bytes up to which it is faster to read what is skipped than to ask anew."""
_FEW = 4096
"""Bytes of the first range behind what was skipped: perhaps only a few are looked at."""


class RangeSource:
    """Part of an object as a `Source`: `size` bytes from `start` on.

    `read` returns so many bytes of the object from a place on, and `begin` is what is known of the
    part already. Raises what `read` raises. Not safe for several threads.
    """

    def __init__(
        self, read: Callable[[int, int], bytes], start: int, size: int, begin: bytes = b""
    ) -> None:
        self.size = size
        self._read, self._start = read, start
        self._window, self._at = begin[:size], 0
        self._ahead = FIRST // 2

    def read(self, at: int, length: int) -> bytes:
        """Return exactly so many bytes, which must be within the part."""
        begin = at - self._at
        if not 0 <= begin <= len(self._window) - length:
            if length > LONGEST:  # read for its own sake
                return self._read(self._start + at, length)
            self._fetch(at, length)
            begin = 0
        return self._window[begin : begin + length]

    def _fetch(self, at: int, length: int) -> None:
        """Let the window begin at `at`, and have these bytes."""
        skipped = at - self._at - len(self._window)
        if at >= self._at and skipped <= _NEAR:
            self._ahead = min(2 * self._ahead, LONGEST)
            wanted = max(length, self._ahead)
        else:
            self._ahead, wanted = FIRST // 2, max(length, _FEW)
        kept = self._window[at - self._at :] if at >= self._at and skipped < 0 else b""
        first = at + len(kept)
        more = min(wanted, self.size - first)
        self._window, self._at = kept + self._read(self._start + first, more), at
