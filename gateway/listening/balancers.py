"""Balancers in front of the gateway: whom they stand for, and what their health checks cost.

A balancer that `gateway.balancers` lists begins each connection with a PROXY protocol header. The
peer that it names takes the balancer's place in limits, policy, log and events. No other address is
believed: it could claim to be anyone.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from gateway.dimse.command_elements import CommandField
from gateway.listening.proxy_header import ProxyHeader, ProxyHeaderError
from gateway.policy_rules import is_in
from gateway.uid import KEYWORDS

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from gateway.association.engine import AssociationEngine

PERIOD = 60.0
"""Seconds in which the health checks of a balancer are logged once, all acceptors together."""
_MOST_LOGGED = 1024
"""Kinds of health checks that are remembered."""
_ECHO_OK = (CommandField.C_ECHO_RQ, 0x0000)
_VERIFICATION = KEYWORDS["Verification"]


class Balancers:
    """The balancers that send a header, which has to be complete within `timeout` seconds."""

    def __init__(self, networks: tuple[str, ...] = (), timeout: float = 30.0) -> None:
        self._networks = networks
        self._timeout = timeout

    def include(self, host: str) -> bool:
        """Return whether connections from this address begin with a header."""
        return bool(self._networks) and is_in(self._networks, host)

    async def source(self, connection: socket.socket) -> tuple[str, int] | None:
        """Read the header; return address and port of the peer, None if it is the balancer itself.

        Raises ProxyHeaderError with what is wrong, ConnectionError if the balancer closed the
        connection before it sent anything, and OSError.
        """
        loop, header = asyncio.get_running_loop(), ProxyHeader()
        connection.setblocking(False)
        try:
            async with asyncio.timeout(self._timeout):
                while header.wanted:
                    data = await loop.sock_recv(connection, header.wanted)
                    if not data:
                        break
                    header.receive_data(data)
        except TimeoutError:
            raise ProxyHeaderError("it sends no PROXY protocol header") from None
        if not header.has_begun:
            raise ConnectionResetError
        if header.wanted:
            raise ProxyHeaderError("it closed the connection within its PROXY protocol header")
        return header.source


class HealthChecks:
    """Which health checks are logged: of each kind one in a period.

    A balancer asks every second or two whether the gateway is there: by a connection, or by an
    association on which at most a C-ECHO passes. Only connections of the balancer itself count:
    from addresses in `gateway.balancers` and `limits.trusted`.
    """

    def __init__(self, acceptors: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._period = PERIOD * acceptors
        self._clock = clock
        self._logged: dict[tuple[str, str, str], float] = {}
        """When a check was last logged, by address, calling AE title and outcome."""

    def is_routine(self, engine: AssociationEngine) -> bool:
        """Return whether a balancer's association is a check like one that was logged lately."""
        if not _is_check(engine):
            return False
        request, now = engine.upper.request, self._clock()
        title = request.calling_ae_title if request is not None else ""
        key = engine.transport.remote[0], title, engine.state
        if now - self._logged.get(key, float("-inf")) < self._period:
            return True
        if len(self._logged) >= _MOST_LOGGED:
            self._logged.clear()
        self._logged[key] = now
        return False


def _is_check(engine: AssociationEngine) -> bool:
    """Return whether nothing was asked for but Verification."""
    counts, request = engine.counts, engine.upper.request
    if request is None:
        return not engine.transport.received
    proposed = {context.abstract_syntax for context in request.presentation_contexts}
    return proposed <= {_VERIFICATION} and counts.performed.keys() <= {_ECHO_OK}
