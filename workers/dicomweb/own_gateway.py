"""Associations with this gateway itself, on which what arrives by HTTP is stored.

An association has one C-STORE in flight, so as many are used as there are instances at once: the
gateway and its storage worker then handle the instances of a request together. They stay open for
the next request, because to negotiate takes longer than to store an instance. All is done in the
event loop of the server.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from starlette.concurrency import run_in_threadpool

from gateway.requestor import AssociationError, Proposal, Timeouts, associate

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.requestor import Address, RequestorAssociation

MOST = 32
"""Associations at once."""
_MOST_CONTEXTS = 128
"""Of an association (PS3.8 9.3.2.2)."""
_IDLE_FOR = 20.0
"""Seconds after which an idle association is released; the gateway would end it later."""
_TIMEOUT = 60.0

Kind = tuple[str, str]
"""SOP class and transfer syntax."""


class OwnGateway(NamedTuple):
    """This gateway as instances are sent to it."""

    address: Address
    ae_title: str


class OpenAssociation(NamedTuple):
    """An association, and the kinds of instances that it was proposed for."""

    association: RequestorAssociation
    kinds: frozenset[Kind]


@dataclass
class OwnAssociations:
    """The associations that are open; `find` returns where the gateway listens."""

    find: Callable[[], OwnGateway]
    calling: str
    _idle: deque[tuple[float, OpenAssociation]] = field(default_factory=deque)
    """Since when they are, the latest last."""
    _count: int = 0
    """Associations that are open or being opened."""
    _kinds: dict[Kind, None] = field(default_factory=dict)
    """What new ones are proposed for: what was stored so far."""
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    _gateway: OwnGateway | None = None
    _sweeping: asyncio.TimerHandle | None = None
    _releases: set[asyncio.Task[None]] = field(default_factory=set)

    def idle_one(self, kind: Kind) -> OpenAssociation | None:
        """Return an idle association for a kind of instances, the latest one, if there is one."""
        for at in range(len(self._idle) - 1, -1, -1):
            found = self._idle[at][1]
            if found.association.ended is not None:
                del self._idle[at]
                self._forget()
            elif kind in found.kinds:
                del self._idle[at]
                return found
        return None

    async def take(self, kind: Kind) -> OpenAssociation:
        """Return an association for a kind, once there is one; raises GatewayError."""
        while (found := self.idle_one(kind)) is None:
            if self._count < MOST:
                try:
                    return await self._open(kind)
                except AssociationError:
                    if not self._count:
                        raise
                if (found := self.idle_one(kind)) is not None:
                    break
            if self._idle:  # of other kinds: it makes room
                self._release(self._idle.popleft()[1])
            else:
                await self._one_given_back()
        return found

    def give_back(self, one: OpenAssociation) -> None:
        """Keep an association for later, or for who waits for one."""
        if one.association.ended is not None:
            self._forget()
            return
        self._idle.append((time.monotonic(), one))
        self._wake()
        if self._sweeping is None:
            self._sweep_later()

    async def _one_given_back(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _forget(self) -> None:
        """Take note that an association has ended."""
        self._count -= 1
        self._wake()

    def _sweep_later(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(_IDLE_FOR + 0.1, self._sweep)

    def _sweep(self) -> None:
        """Release what has been idle for long."""
        limit = time.monotonic() - _IDLE_FOR
        while self._idle and self._idle[0][0] < limit:
            self._release(self._idle.popleft()[1])
        self._sweeping = None
        if self._idle:
            self._sweep_later()

    def _release(self, one: OpenAssociation) -> None:
        self._forget()
        task = asyncio.create_task(_release(one))
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)

    async def _open(self, kind: Kind) -> OpenAssociation:
        self._kinds.setdefault(kind)
        if len(self._kinds) > _MOST_CONTEXTS:
            self._kinds = {kind: None}
        kinds = frozenset(self._kinds)
        self._count += 1
        try:
            if self._gateway is None:
                self._gateway = await run_in_threadpool(self.find)
            gateway = self._gateway
            proposal = Proposal(
                tuple((sop_class, (syntax,)) for sop_class, syntax in sorted(kinds)),
                calling_ae_title=self.calling,
                called_ae_title=gateway.ae_title,
            )
            association = await associate(
                gateway.address, proposal, timeouts=Timeouts.all(_TIMEOUT)
            )
        except BaseException:
            self._gateway = None  # it may listen elsewhere
            self._forget()
            raise
        return OpenAssociation(association, kinds)


async def _release(one: OpenAssociation) -> None:
    with suppress(AssociationError):
        await one.association.release()
