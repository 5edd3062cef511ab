"""The share of each peer of a folder with files that peers cause, so that none crowds out others.

A file's name begins with digests of the peer's address and AE title: what each peer has is known
from the names and sizes alone, in every process.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.sdk import GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

SUFFIX = ".json"


class TooMany(GatewayError):  # noqa: N818 - a state of the folder
    """A peer has as much as it may have."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much there may be in all, of which no peer gets so much that others get nothing.

    An address may hold as much as is left for the others, and an AE title as much as is left of
    that for the other titles of its address. So one alone gets a third of the whole, and whoever
    comes later still gets a part, without a number of peers that somebody would have to configure.
    """

    most: int
    unit: str
    count: Callable[[list[int]], int]
    """Returns what files of these sizes count."""

    def admits(self, new: int, total: int, of_address: int, of_peer: int) -> bool:
        """Return whether one may be added to what there is."""
        for_others = self.most - total - new
        for_other_titles = for_others - of_address - new
        return of_address + new <= for_others and of_peer + new <= for_other_titles


def limits(number: int, unit: str, size: int) -> tuple[Limit, ...]:
    """Return the limits of a number of files, which are called `unit`, and of their bytes."""
    return Limit(number, unit, len), Limit(size, "bytes", sum)


def digest(text: str) -> str:
    """Return what stands for a peer's text in the name of a file."""
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def address_of(name: str) -> str:
    """Return the digest of the address that caused a file."""
    return name.partition("-")[0]


def is_of(name: str, peer: str) -> bool:
    """Return whether this AE title caused a file."""
    return name.split("-")[1:2] == [digest(peer)]


def check_share(folder: Path, name: str, size: int, bounds: Iterable[Limit]) -> None:
    """Raise TooMany if a file of this name and size is more than the share of the peer."""
    sizes = _sizes(folder)
    sizes.pop(name, None)
    address, peer, _ = name.split("-")
    of_address = [of for one, of in sizes.items() if one.startswith(f"{address}-")]
    of_peer = [of for one, of in sizes.items() if one.startswith(f"{address}-{peer}-")]
    for limit in bounds:
        count = limit.count
        held = tuple(count(some) for some in (list(sizes.values()), of_address, of_peer))
        if not limit.admits(count([size]), *held):
            raise TooMany(f"the peer has {held[2]} {limit.unit} open, its address {held[1]}")


def check_totals(
    bounds: Sequence[Limit],
    size: int,
    held: Mapping[tuple[str, str], tuple[int, int]],
    owner: tuple[str, str],
) -> None:
    """Raise TooMany if one thing of this size is more than the share of its owner.

    `held`: the number and the bytes of what there is, by address and AE title; `bounds` are those
    of `limits`.
    """
    for limit, at, new in zip(bounds, (0, 1), (1, size), strict=False):
        total = sum(one[at] for one in held.values())
        of_address = sum(one[at] for (address, _), one in held.items() if address == owner[0])
        of_peer = held.get(owner, (0, 0))[at]
        if not limit.admits(new, total, of_address, of_peer):
            raise TooMany(f"the peer has {of_peer} {limit.unit}, its address {of_address}")


def _sizes(folder: Path) -> dict[str, int]:
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                with suppress(FileNotFoundError):  # it was removed meanwhile
                    found[entry.name] = entry.stat().st_size
    return found
