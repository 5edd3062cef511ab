"""Where the acceptors of a gateway are: in a run directory, or at a TCP address with CURVE.

There is no connection over TCP without CURVE: the two are one class.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import zmq

from gateway.errors import ConfigError, FabricError
from gateway.fabric.wire import address, curve_keys
from gateway.fabric.wire.curve_keys import CurveKeys
from gateway.fabric.wire.frames import topic_frame
from gateway.fabric.wire.sockets import (
    MAX_REMOTE,
    RemoteSubscriptions,
    SocketPort,
    make,
    make_client,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.settings import FabricSettings

_TCP = re.compile(r"tcp://(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")
MOST = 64
"""Acceptors of one gateway that a worker on another host connects to."""
FIRST = 4
"""Acceptors that are tried until one of them has told which there are: the first may be away."""
NONCE = 16
"""Random bytes at the end of a subscription from another host."""


class ReachableAcceptor(Protocol):
    """One acceptor, as a worker connects to it."""

    @property
    def index(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def lives(self) -> bool:
        """Whether it may be connected to."""

    @property
    def max_data(self) -> int:
        """Bytes of a data frame that it takes; 0: as many as any frame may have."""

    def requests_socket(
        self, context: zmq.Context[zmq.Socket[bytes]], hwm: int
    ) -> zmq.Socket[bytes]:
        """Return a socket for requests that is not yet connected."""

    def events_socket(
        self, context: zmq.Context[zmq.Socket[bytes]], hwm: int
    ) -> tuple[zmq.Socket[bytes], type[SocketPort]]:
        """Return a socket for notifications that is not yet connected, and the port for it."""

    def connect(self, requests: zmq.Socket[bytes], events: zmq.Socket[bytes] | None) -> None: ...

    def subscription(self, topic: str) -> bytes:
        """Return what is sent to subscribe to a topic."""


class FabricGateway(Protocol):
    """The acceptors of one gateway."""

    is_remote: bool

    @property
    def is_known(self) -> bool:
        """Whether it is known which acceptors there are."""

    @property
    def is_there(self) -> bool:
        """Whether it may have acceptors, now or soon."""

    def find(self) -> Sequence[ReachableAcceptor]:
        """Return the acceptors that are known, in their fixed order, alive or not."""

    def learn(self, numbers: Iterable[int]) -> None:
        """Take the numbers of the acceptors that one of them has told."""

    def nobody(self, why: str = "") -> FabricError:
        """Return the error that says why no acceptor was found; `why`: what the connection says."""


@dataclass(frozen=True, slots=True)
class LocalAcceptor:
    """An acceptor of this host, whose sockets are files."""

    address: address.AcceptorAddress
    max_data: int = 0

    @property
    def index(self) -> int:
        return self.address.index

    @property
    def name(self) -> str:
        return self.address.name

    @property
    def lives(self) -> bool:
        return self.address.lives

    def requests_socket(
        self, context: zmq.Context[zmq.Socket[bytes]], hwm: int
    ) -> zmq.Socket[bytes]:
        return make(context, zmq.DEALER, hwm)

    def events_socket(
        self, context: zmq.Context[zmq.Socket[bytes]], hwm: int
    ) -> tuple[zmq.Socket[bytes], type[SocketPort]]:
        return make(context, zmq.SUB, hwm), SocketPort

    def connect(self, requests: zmq.Socket[bytes], events: zmq.Socket[bytes] | None) -> None:
        requests.connect(f"ipc://{self.address.requests}")
        if events is not None:
            events.connect(f"ipc://{self.address.events}")

    def subscription(self, topic: str) -> bytes:
        return topic_frame(topic)


class RunDirectory:
    """The gateway of this host; raises FabricError for a path that is an address."""

    is_remote = False
    is_known = True

    def __init__(self, run_dir: str | os.PathLike[str]) -> None:
        self.path = address.local(run_dir)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def is_there(self) -> bool:
        return self.path.is_dir()

    def find(self) -> list[LocalAcceptor]:
        return [LocalAcceptor(one) for one in address.find(self.path)]

    def learn(self, numbers: Iterable[int]) -> None:
        """Do nothing: the directory itself is looked at."""

    def nobody(self, why: str = "") -> FabricError:  # noqa: ARG002 - there is no connection
        return address.nobody(self.path)


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """The address of acceptor 0; acceptor N has the ports `port` + 2 N and the next one."""

    host: str
    port: int

    def of(self, index: int) -> tuple[str, str]:
        """Return the addresses for requests and for notifications of an acceptor."""
        port = self.port + 2 * index
        return f"tcp://{self.host}:{port}", f"tcp://{self.host}:{port + 1}"

    @property
    def most(self) -> int:
        """How many acceptors have ports."""
        return min(MOST, (65_536 - self.port) // 2)

    def __str__(self) -> str:
        return self.of(0)[0]


def tcp_address(text: str) -> TcpAddress:
    """Return the address that `tcp://HOST:PORT` states; raises ConfigError."""
    found = _TCP.fullmatch(text)
    if found is None or not 0 < int(found[2]) < 65_535:
        raise ConfigError(
            f"{text[:80]!r} is not tcp://HOST:PORT; workers on other hosts have no other transport"
        )
    return TcpAddress(found[1], int(found[2]))


@dataclass(frozen=True, slots=True)
class TcpAcceptor:
    """An acceptor of another host."""

    index: int
    address: TcpAddress
    keys: CurveKeys
    nonce: bytes = field(default_factory=lambda: secrets.token_bytes(NONCE), repr=False)
    """Nobody else knows it, so that nobody else's unsubscription can be taken for this one's."""
    lives: bool = True
    max_data: int = MAX_REMOTE

    @property
    def name(self) -> str:
        return f"acceptor-{self.index}"

    def requests_socket(
        self, context: zmq.Context[zmq.Socket[bytes]], hwm: int
    ) -> zmq.Socket[bytes]:
        return make_client(context, zmq.DEALER, hwm, self.keys)

    def events_socket(
        self, context: zmq.Context[zmq.Socket[bytes]], hwm: int
    ) -> tuple[zmq.Socket[bytes], type[SocketPort]]:
        return make_client(context, zmq.XSUB, hwm, self.keys), RemoteSubscriptions

    def connect(self, requests: zmq.Socket[bytes], events: zmq.Socket[bytes] | None) -> None:
        to_requests, to_events = self.address.of(self.index)
        requests.connect(to_requests)
        if events is not None:
            events.connect(to_events)

    def subscription(self, topic: str) -> bytes:
        return topic_frame(topic) + self.nonce


class TcpGateway:
    """A gateway on another host. One of its first acceptors tells the numbers of all."""

    is_remote = True
    is_there = True

    def __init__(self, at: TcpAddress, keys: CurveKeys) -> None:
        self.address = at
        self.keys = keys
        self._numbers = set(range(FIRST))
        self.is_known = False

    def __str__(self) -> str:
        return str(self.address)

    def find(self) -> list[TcpAcceptor]:
        return [TcpAcceptor(n, self.address, self.keys) for n in sorted(self._numbers)]

    def learn(self, numbers: Iterable[int]) -> None:
        if found := {number for number in numbers if number < self.address.most}:
            self._numbers = found
            self.is_known = True

    def nobody(self, why: str = "") -> FabricError:
        own = self.keys.own.public.hex()
        return FabricError(
            f"no gateway at {self.address} that takes this worker: {why or 'it does not answer'}"
            f" (the worker's key is {own}; 'dicom-gateway keys allow' there admits it)"
        )


def gateway_at(
    run_dir: str | os.PathLike[str] | FabricGateway, settings: FabricSettings
) -> FabricGateway:
    """Return the gateway that the settings name, or that of the run directory.

    Raises ConfigError for a wrong address or key, FabricError for a wrong run directory.
    """
    if not isinstance(run_dir, str | os.PathLike):
        return run_dir
    if not settings.connect:
        return RunDirectory(run_dir)
    if not settings.server_key or not settings.key_file:
        raise ConfigError(
            "fabric.connect needs fabric.server_key, which 'dicom-gateway keys show' prints there,"
            " and fabric.key_file, which 'dicom-gateway keys new FILE' makes here"
        )
    server = curve_keys.public_key(settings.server_key)
    own = curve_keys.read(Path(settings.key_file))
    at = tcp_address(settings.connect)
    return TcpGateway(at, CurveKeys(server, own, settings.heartbeat))
