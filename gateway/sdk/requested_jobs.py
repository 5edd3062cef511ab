"""The requests of one message, as what the executor takes in hand."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.events import CATALOGUE
from gateway.sdk.bound_handler import UNBOUND
from gateway.sdk.event import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.fabric import ReceivedIntervention
    from gateway.sdk.bound_handler import BoundHandler
    from gateway.sdk.command_sender import SendCommand

    RequestedJob: TypeAlias = tuple[str, BoundHandler, Event, float]
    """Token, handler, event, and seconds to its deadline."""


def jobs_of(
    requests: Iterable[ReceivedIntervention],
    bound_for: Callable[[str, bytes], tuple[BoundHandler, ...]],
    publish: Callable[[str, bytes, str, dict[str, Any]], None],
    is_watched: Callable[[str, str], bool],
    send_command: SendCommand,
) -> list[RequestedJob]:
    """Return a job for each request; what they have in common is made once."""
    now = time.time()
    asks: dict[str, Callable[[str], bool]] = {}
    jobs = []
    for token, name, attempt, deadline, payload, assoc, data, acceptor in requests:
        if (ask := asks.get(acceptor)) is None:
            ask = asks[acceptor] = partial(is_watched, acceptor)
        # By position: keywords would take longer than all else here.
        tell = partial(publish, acceptor, assoc)
        event = Event(CATALOGUE[name], payload, assoc, data, attempt, now, tell, ask, send_command)
        bound = bound_for(name, assoc)
        jobs.append((token, bound[0] if bound else UNBOUND, event, deadline))
    return jobs
