"""A client of the fabric that only watches: for commands that show what happens in a gateway."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gateway.errors import FabricError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from gateway.fabric import LeaseState, Notification
    from gateway.fabric.worker import Client
    from gateway.settings import FabricSettings


def watcher(  # noqa: PLR0913 - who watches what, and who is told
    data: Path,
    settings: FabricSettings,
    name: str,
    topics: Iterable[str],
    *,
    on_notification: Callable[[Notification], None],
    on_state: Callable[[LeaseState, str], None] = lambda _state, _text: None,
    history: int = 0,
) -> Client:
    """Return a client that watches these topics, to be started; raises FabricError if none runs.

    `name` is the name of its leases; with a space in it, no worker can have it.
    """
    from gateway.fabric import Registration
    from gateway.fabric.worker import Client
    from gateway.supervisor import find_running
    from gateway.supervisor.data_directory import not_running, run_directory

    if find_running(data) is None:
        raise FabricError(not_running(data))
    client = Client(
        run_directory(data),
        Registration(name, 1, os.getpid(), 1),
        settings=settings.here(),
        on_requests=lambda _: None,
        on_notification=on_notification,
        on_state=on_state,
        history=history,
    )
    for topic in topics:
        client.subscribe(topic)
    return client
