"""C-ECHO (PS3.4 A): check that a peer is there and accepts associations from this side."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.association.timers import Timeouts
from gateway.datasets import BASIC_SYNTAXES
from gateway.requestor.proposal import Address, Proposal
from gateway.requestor.requestor_association import RequestorAssociation, associate
from gateway.uid import VERIFICATION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_TIMEOUT = Timeouts().dimse


@dataclass(frozen=True, slots=True)
class EchoResult:
    """The response to a C-ECHO."""

    status: int
    seconds: float
    """Seconds from the request to its response."""


async def echo(
    host: str,
    port: int,
    *,
    aet: str = "ECHOSCU",
    aec: str = "ANY-SCP",
    timeout: float = _TIMEOUT,  # noqa: ASYNC109 - each wait of the association has its own
) -> EchoResult:
    """Associate, send a C-ECHO, and release.

    `aet` and `aec` are the calling and called AE titles, `timeout` seconds for each of the waits.
    Raises AssociationError, whose text is a sentence, for anything but a response.
    """
    proposal = Proposal(((VERIFICATION, BASIC_SYNTAXES),), aet, aec)
    results = echoes(Address(host, port), proposal, Timeouts.all(timeout))
    (result,) = [result async for result in results]
    return result


async def echoes(
    address: Address, proposal: Proposal, timeouts: Timeouts, repeat: int = 1
) -> AsyncIterator[EchoResult]:
    """Yield the results of `repeat` C-ECHOs on one association; raise AssociationError."""
    association = await associate(address, proposal, timeouts=timeouts)
    try:
        for _ in range(repeat):
            yield await _timed(association)
        await association.release()
    finally:
        await association.close()


async def _timed(association: RequestorAssociation) -> EchoResult:
    started = time.perf_counter()
    answered = await association.c_echo()
    return EchoResult(answered.status, time.perf_counter() - started)
