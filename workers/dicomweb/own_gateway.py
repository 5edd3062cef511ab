"""Associations with this gateway itself, on which what arrives by HTTP is stored.

They stay open for the next request, because to negotiate takes longer than to store an instance.
All is done in the event loop of the server.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from starlette.concurrency import run_in_threadpool

from gateway.requestor import AssociationError, Proposal, Timeouts, associate

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.requestor import Address, RequestorAssociation

AT_ONCE = 16
"""C-STOREs in flight on an association."""
_MOST_CONTEXTS = 128
_MOST_IDLE = 8
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
    _idle: list[tuple[float, OpenAssociation]] = field(default_factory=list)
    _gateway: OwnGateway | None = None
    _sweeping: asyncio.Task[None] | None = None

    async def take(self, kinds: frozenset[Kind]) -> OpenAssociation:
        """Return an association for these kinds; raises GatewayError.

        A new one is proposed for what the idle ones were, too, so that few are needed.
        """
        await self._sweep()
        for item in self._idle:
            if kinds <= item[1].kinds and item[1].association.ended is None:
                self._idle.remove(item)
                return item[1]
        wanted = set(kinds)
        for _, other in self._idle:
            if len(wanted | other.kinds) <= _MOST_CONTEXTS:
                wanted |= other.kinds
        return await self._open(frozenset(wanted))

    async def give_back(self, one: OpenAssociation) -> None:
        """Keep an association for later, or release it."""
        if one.association.ended is None and len(self._idle) < _MOST_IDLE:
            self._idle.append((time.monotonic(), one))
            asyncio.get_running_loop().call_later(_IDLE_FOR + 0.1, self._sweep_soon)
        else:
            await _release(one)

    def _sweep_soon(self) -> None:
        self._sweeping = asyncio.create_task(self._sweep())

    async def _sweep(self) -> None:
        """Release what has been idle for long, and forget what has ended."""
        limit = time.monotonic() - _IDLE_FOR
        old = [one for since, one in self._idle if since < limit or one.association.ended]
        self._idle = [item for item in self._idle if item[1] not in old]
        await asyncio.gather(*map(_release, old))

    async def _open(self, kinds: frozenset[Kind]) -> OpenAssociation:
        if self._gateway is None:
            self._gateway = await run_in_threadpool(self.find)
        gateway = self._gateway
        proposal = Proposal(
            tuple((sop_class, (syntax,)) for sop_class, syntax in sorted(kinds)),
            calling_ae_title=self.calling,
            called_ae_title=gateway.ae_title,
            async_ops=(AT_ONCE, 1),
        )
        try:
            association = await associate(
                gateway.address, proposal, timeouts=Timeouts.all(_TIMEOUT)
            )
        except AssociationError:
            self._gateway = None  # it may listen elsewhere
            raise
        return OpenAssociation(association, kinds)


async def _release(one: OpenAssociation) -> None:
    with suppress(AssociationError):
        await one.association.release()
