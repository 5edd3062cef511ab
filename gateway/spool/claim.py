"""What a data set is called, and what is told of it to the worker that shall take it."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gateway.errors import SpoolError
from gateway.spool.digest import LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TOKEN = re.compile(r"([0-9]{8})-([0-9]{9})-([0-9]{1,4})-[0-9a-f]{24}")
"""Date, time, acceptor, random digits. The first three name the bucket."""

BUCKET = 1000
"""Tokens that share a bucket at the most."""

_RANDOM = 12
"""Random bytes of a token."""

_DAY = 24 * 60 * 60


class Tokens:
    """Draws the names of one acceptor's data sets.

    A token names its bucket too: the date, time and acceptor under which the bucket was begun. So
    the final place of a file is a function of its token alone. Workers need not count files nor
    agree with each other, and two of them that hold the same claim can only meet at the same name.
    """

    def __init__(self, index: int, clock: Callable[[], float] = time.time) -> None:
        self._index = index
        self._clock = clock
        """Seconds since 1970."""
        self._begun = 0
        """Milliseconds since 1970 when the bucket was begun."""
        self._prefix = ""
        self._left = 0
        self._random = ""
        """Digits of the tokens to come, drawn all at once."""

    def draw(self) -> str:
        """A new token."""
        now = self._clock()
        if not self._left or int(now // _DAY) != self._begun // (_DAY * 1000):
            self._begin(int(now * 1000))
        self._left -= 1
        begin = 2 * _RANDOM * self._left
        return self._prefix + self._random[begin : begin + 2 * _RANDOM]

    def _begin(self, milliseconds: int) -> None:
        if milliseconds == self._begun:
            milliseconds += 1
        self._begun = milliseconds
        seconds, rest = divmod(milliseconds, 1000)
        when = time.strftime("%Y%m%d-%H%M%S", time.gmtime(seconds))
        self._prefix = f"{when}{rest:03d}-{self._index}-"
        self._left = BUCKET
        self._random = secrets.token_hex(_RANDOM * BUCKET)


@lru_cache(256)
def _bucket(token: str) -> tuple[str, str]:
    found = TOKEN.fullmatch(token)
    if found is None:
        raise SpoolError(f"token {token[:80]!r} was not drawn by a spool")
    date, begun, index = found.groups()
    return date, f"{begun}-{index}"


@dataclass(frozen=True, slots=True)
class Claim:
    """A sealed data set: where it is, and what it must turn out to be."""

    token: str
    path: str | None
    """The Part 10 file in the spool; None: its bytes travel beside the claim."""
    offset: int
    """Bytes of the Part 10 file before the data set."""
    size: int
    """Bytes of the data set."""
    digest: bytes
    """BLAKE3 of the data set; empty if nobody asked for durable data."""
    synced: bool = False
    """The file's data is on disk. Whoever promises that it is must sync it himself otherwise."""

    @property
    def bucket(self) -> tuple[str, str]:
        """The names of the two folders of its final place; raises SpoolError for a bad token."""
        return _bucket(self.token)

    def to_map(self) -> dict[str, Any]:
        """Plain values for an envelope."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_map(cls, values: Mapping[str, Any]) -> Claim:
        """The inverse of `to_map`; raises SpoolError for anything else."""
        try:
            claim = cls(**values)
        except TypeError as error:
            raise SpoolError(f"this is no claim: {error}") from None
        if not claim._is_sound():
            raise SpoolError("this is no claim: a value has a wrong type")
        claim.bucket  # noqa: B018 - raises for a bad token
        return claim

    def _is_sound(self) -> bool:
        return (
            isinstance(self.token, str)
            and (self.path is None or isinstance(self.path, str))
            and (type(self.offset) is int and self.offset >= 0)
            and (type(self.size) is int and self.size >= 0)
            and isinstance(self.digest, bytes)
            and len(self.digest) in (0, LENGTH)
            and isinstance(self.synced, bool)
        )
