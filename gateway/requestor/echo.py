"""C-ECHO (PS3.4 A): is the peer there, and does it take associations from us?"""

from __future__ import annotations

import time
from dataclasses import dataclass

from gateway.dimse.message import CEchoRQ
from gateway.requestor.association import Timeouts, associate
from gateway.requestor.errors import AssociationError
from gateway.requestor.proposal import UNCOMPRESSED, propose
from gateway.uid import VERIFICATION


@dataclass(frozen=True, slots=True)
class EchoResult:
    """The response to a C-ECHO."""

    status: int
    seconds: float
    """From the request to its response."""


class NotSupported(AssociationError):  # noqa: N818 - a state, not only an error
    """The peer accepted the association, but no context that is needed."""


async def echo(
    host: str,
    port: int,
    *,
    aet: str = "ECHOSCU",
    aec: str = "ANY-SCP",
    timeout: float = 30.0,  # noqa: ASYNC109 - each wait of the association has its own
) -> EchoResult:
    """Associate, C-ECHO, release.

    `aet` and `aec` are the calling and called AE titles, `timeout` seconds for each of the waits.
    Raises AssociationError, whose text is a sentence, for anything but a response.
    """
    request = propose(aet, aec, [(VERIFICATION, UNCOMPRESSED)])
    association = await associate(host, port, request, timeouts=Timeouts.all(timeout))
    context = association.context_for(VERIFICATION)
    if context is None:
        await association.release()
        raise NotSupported(f"{aec} does not accept C-ECHO (Verification SOP Class)")
    started = time.perf_counter()
    try:
        async for answered in association.request(context, CEchoRQ(association.next_message_id())):
            result = EchoResult(answered.response.status, time.perf_counter() - started)
    finally:
        if not association.is_ended:
            await association.release()
    return result
