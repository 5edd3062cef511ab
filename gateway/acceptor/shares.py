"""Fair shares: who gives way when something of which there is a limited amount runs short.

While there is enough, shares have no effect. Once there is not, a newcomer is still admitted if
another address holds more than the newcomer would then have, or if another calling AE title at the
newcomer's own address does: the greediest gives way. Any peer can claim any AE title, so titles are
compared within an address only.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_PACED = 4096
"""Addresses after which those that have paused are forgotten."""
_IPV6_PREFIX = 64
"""A host with an IPv6 address has all addresses of its network."""


class Holder(NamedTuple):
    """A peer that holds something: an address, and a calling AE title there, if it is known."""

    address: str
    ae_title: str = ""


class Origins:
    """The addresses that peers are counted by; `trusted` are networks of balancers and the like."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted = [ipaddress.ip_network(network, strict=False) for network in trusted]
        self.of = lru_cache(maxsize=4096)(self._of)

    def _of(self, host: str) -> str:
        """Return the address to count by; empty for a trusted one, which is not counted."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:  # a Unix socket
            return host
        if isinstance(address, ipaddress.IPv6Address):
            if address.ipv4_mapped is None:
                if any(address in network for network in self._trusted):
                    return ""
                return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
            address = address.ipv4_mapped
        return "" if any(address in network for network in self._trusted) else str(address)


class Ledger:
    """How much each holder has of something. Trusted addresses are in the total only."""

    def __init__(self) -> None:
        self.total = 0
        self._addresses: dict[str, int] = {}
        self._titles: dict[str, dict[str, int]] = {}

    def add(self, holder: Holder, amount: int) -> None:
        """Add an amount to what a holder has; a negative amount is subtracted."""
        self.total += amount
        address, title = holder
        if not address:
            return
        held = self._addresses[address] = self._addresses.get(address, 0) + amount
        titles = self._titles.setdefault(address, {})
        titles[title] = titles.get(title, 0) + amount
        if titles[title] <= 0:
            del titles[title]
        if held <= 0:
            del self._addresses[address], self._titles[address]

    def of_address(self, holder: Holder) -> int:
        return self._addresses.get(holder.address, 0)

    def of(self, holder: Holder) -> int:
        return self._titles.get(holder.address, {}).get(holder.ae_title, 0)

    def greediest(self, newcomer: Holder, amount: int) -> Holder | None:
        """Return the holder that gives way to a newcomer; None if no other one holds more."""
        if not self._addresses:
            return None
        address = max(self._addresses, key=self._addresses.__getitem__)
        titles = self._titles[address]
        if address != newcomer.address and self._addresses[address] > (
            self.of_address(newcomer) + amount
        ):
            return Holder(address, max(titles, key=titles.__getitem__))
        titles = self._titles.get(newcomer.address, {})
        title = max(titles, key=titles.__getitem__, default="")
        if titles and titles[title] > self.of(newcomer) + amount and title != newcomer.ae_title:
            return Holder(newcomer.address, title)
        return None


class Pace:
    """How many steps a second each address may take: as many at once, and then one after another.

    Nothing is refused: `wait` says for how long to read nothing more from the peer.
    """

    def __init__(self, rate: float) -> None:
        self._interval = 1.0 / rate
        self._due: dict[str, float] = {}
        """When each address would have taken its steps one after another."""

    def wait(self, address: str, now: float) -> float:
        """Count a step; return the seconds until the next one may come, at most 0 if at once."""
        if not address:
            return 0.0
        if len(self._due) >= _PACED:
            self._due = {one: due for one, due in self._due.items() if due > now}
        due = self._due[address] = max(self._due.get(address, now), now) + self._interval
        return due - now - 1.0
