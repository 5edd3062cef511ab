"""Tokens, the names of spooled data sets, and claims, by which workers take them."""

from __future__ import annotations

import re
import secrets
import time
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.errors import SpoolError
from gateway.spool.digest import is_valid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BUCKET_NAME = re.compile(r"([0-9]{8})-([0-9]{9}-[0-9]{1,4})")
_DIGITS = re.compile(r"(?:[0-9a-f]{13})?[0-9a-f]{24}")
TOKEN = re.compile(rf"([0-9]{{8}})-([0-9]{{9}})-([0-9]{{1,4}})-{_DIGITS.pattern}")
"""Date, time, acceptor, time of receipt, and random digits.

The first three are the name of the bucket. Tokens of earlier versions have no time of receipt.
"""

BUCKET = 1000
"""The maximum number of tokens in a bucket."""

_RANDOM = 12
"""Random bytes of a token."""

_TIME = 13
"""Digits of a time of receipt."""

_MOST_DIGITS = _TIME + 2 * _RANDOM
_DAY = 24 * 60 * 60


class Tokens:
    """Generates the tokens of one acceptor.

    A token contains the name of its bucket: the date and time at which the bucket was begun, and
    the acceptor. So the final name of a file depends on its token only. Workers need not count
    files or coordinate, and two of them with the same claim use the same name. It also contains the
    time at which it was drawn, so that a file says by its name when it was received.
    """

    def __init__(self, index: int, clock: Callable[[], float] = time.time) -> None:
        self._index = index
        self._clock = clock
        """Seconds since 1970."""
        self._begun = 0
        """The time at which the bucket was begun, in milliseconds since 1970."""
        self._day = 0.0
        """The beginning of its day, in seconds since 1970."""
        self._prefix = ""
        self._left = 0
        self._random = ""
        """Random digits for all tokens of the bucket."""

    def draw(self) -> str:
        """Return a new token."""
        now = self._clock()
        if not self._left or not 0 <= now - self._day < _DAY:
            self._begin(int(now * 1000))
        self._left -= 1
        begin = 2 * _RANDOM * self._left
        digits = self._random[begin : begin + 2 * _RANDOM]
        return f"{self._prefix}{int(now * 1e6):013x}{digits}"

    def _begin(self, milliseconds: int) -> None:
        if milliseconds == self._begun:
            milliseconds += 1
        self._begun = milliseconds
        self._day = milliseconds // (_DAY * 1000) * _DAY
        seconds, rest = divmod(milliseconds, 1000)
        when = time.strftime("%Y%m%d-%H%M%S", time.gmtime(seconds))
        self._prefix = f"{when}{rest:03d}-{self._index}-"
        self._left = BUCKET
        self._random = secrets.token_hex(_RANDOM * BUCKET)


@lru_cache(256)
def _parts(token: str) -> tuple[str, str, str]:
    """Return the two directories that a token names, and its time of receipt or "".

    Raises SpoolError unless it fits `TOKEN`.
    """
    name, _, digits = token.rpartition("-")
    bucket = _named(name)
    if bucket is None or _DIGITS.fullmatch(digits) is None:
        raise SpoolError(f"{token[:80]!r} is not a valid token")
    return (*bucket, digits[:_TIME] if len(digits) == _MOST_DIGITS else "")


@lru_cache(256)
def _named(name: str) -> tuple[str, str] | None:
    """Return the directories of a bucket's name, which many tokens share; None if it is invalid."""
    found = _BUCKET_NAME.fullmatch(name)
    return None if found is None else (found[1], found[2])


class Claim(NamedTuple):
    """A complete data set: where it is, and what it contains."""

    token: str
    path: str | None
    """The Part 10 file in the spool; None if its bytes are sent with the claim."""
    offset: int
    """Bytes of the Part 10 file before the data set."""
    size: int
    """Bytes of the data set."""
    digest: bytes
    """Digest of the data set (`spool.digest`); empty if no worker asked for durable data."""
    synced: bool = False
    """The data is on disk; if not, a worker must sync the file before it reports success."""

    @property
    def bucket(self) -> tuple[str, str]:
        """The two directories of the final name; raises SpoolError for an invalid token."""
        return _parts(self.token)[:2]

    @property
    def received(self) -> str:
        """The time of receipt: microseconds since 1970, as 13 hexadecimal digits.

        Empty if the token is one of an earlier version.
        """
        return _parts(self.token)[2]

    def to_map(self) -> dict[str, Any]:
        """Return the claim as plain values for an envelope."""
        return self._asdict()

    @classmethod
    def from_map(cls, values: Mapping[str, Any]) -> Claim:
        """Return the claim that `to_map` was called on; raises SpoolError for anything else."""
        try:
            is_whole = len(values) == len(cls._fields)  # mostly
            claim = tuple.__new__(cls, _values(values)) if is_whole else cls(**values)
        except (TypeError, KeyError) as error:
            raise SpoolError(f"not a valid claim: {error}") from None
        token, _, offset, size, digest, _ = claim
        if tuple(map(type, claim)) not in _TYPES or not offset >= 0 <= size:
            raise SpoolError("not a valid claim: a value has a wrong type")
        if digest and not is_valid(digest):
            raise SpoolError("not a valid claim: its digest is of no known algorithm")
        _parts(token)  # raises for an invalid one
        return claim


class Sealed(NamedTuple):
    """A complete data set."""

    claim: Claim
    data: bytes | None
    """The whole Part 10 file if it is sent inline, with the data set from `claim.offset` on."""


_values = itemgetter(*Claim._fields)
_TYPES = frozenset((str, path, int, int, bytes, bool) for path in (str, type(None)))
