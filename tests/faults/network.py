"""A network for several hosts on one machine, of which each can be unplugged."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tests.patience import WALL

if TYPE_CHECKING:
    from collections.abc import Iterator

_NET = f"10.214.{os.getpid() & 255}"
_NAME = f"gw{os.getpid()}"


def _ip(*words: str) -> bool:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, timeout=WALL)
    return done.returncode == 0


class Place(NamedTuple):
    """Where a host is: its address, and the words that begin a command there."""

    address: str
    within: tuple[str, ...] = ()
    plug: str = ""
    """Its interface at the bridge; empty: it cannot be unplugged."""

    def unplug(self) -> None:
        assert _ip("link", "set", self.plug, "down")

    def plug_in(self) -> None:
        assert _ip("link", "set", self.plug, "up")


class Network(NamedTuple):
    """The places of hosts, and two addresses of this side: of peers, and of the balancer."""

    here: str
    balancer: str
    places: tuple[Place, ...]

    @property
    def has_plugs(self) -> bool:
        return bool(self.places[0].plug)


@contextmanager
def network(hosts: int) -> Iterator[Network]:
    """A bridge with a network namespace for each host; where these are not permitted, loopback."""
    names = [f"{_NAME}h{number}" for number in range(hosts)]
    try:
        made = (
            _ip("link", "add", _NAME, "type", "bridge")
            and _ip("addr", "add", f"{_NET}.1/24", "dev", _NAME)
            and _ip("addr", "add", f"{_NET}.2/24", "dev", _NAME)
            and _ip("link", "set", _NAME, "up")
            and all(_place(name, number) for number, name in enumerate(names))
        )
        if made:
            places = [
                Place(f"{_NET}.{10 + number}", ("ip", "netns", "exec", name), f"{name}a")
                for number, name in enumerate(names)
            ]
            yield Network(f"{_NET}.1", f"{_NET}.2", tuple(places))
        else:
            places = [Place(f"127.0.0.{10 + number}") for number in range(hosts)]
            yield Network("127.0.0.1", "127.0.0.9", tuple(places))
    finally:
        for name in names:
            _ip("netns", "del", name)
            _ip("link", "del", f"{name}a")
        _ip("link", "del", _NAME)


def _place(name: str, number: int) -> bool:
    near, far = f"{name}a", f"{name}b"
    return (
        _ip("netns", "add", name)
        and _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        and _ip("link", "set", near, "master", _NAME, "up")
        and _ip("-n", name, "addr", "add", f"{_NET}.{10 + number}/24", "dev", far)
        and _ip("-n", name, "link", "set", far, "up")
        and _ip("-n", name, "link", "set", "lo", "up")
    )
