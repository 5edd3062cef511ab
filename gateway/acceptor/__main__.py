"""`python -m gateway.acceptor NAME`: an acceptor as a child of the supervisor."""

from __future__ import annotations

import asyncio
import gc
import logging
import shutil
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from gateway import log as logs
from gateway import spans
from gateway.acceptor.server import Acceptor
from gateway.errors import GatewayError
from gateway.memory import keep_free_memory
from gateway.orders import ReloadOrders
from gateway.process import EXIT_CONFIG, Inherited, inherit
from gateway.ranked_selector import new_event_loop
from gateway.settings import AcceptorSettings, from_map

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("gateway.acceptor")

BEAT = 1.0
"""Seconds between two signs of life."""


async def serve(settings: AcceptorSettings, inherited: Inherited) -> int:
    """Serve until SIGTERM or the end of the supervisor; return the exit status."""
    loop = asyncio.get_running_loop()
    leave = asyncio.Event()
    reloading = ReloadOrders(
        settings.revision, inherited.report, lambda values: prepare(acceptor, values)
    )

    def take_orders() -> None:
        if (orders := inherited.read_orders()) is None:
            loop.remove_reader(inherited.lifeline)
            leave.set()
            return
        for order in orders:
            if "drain" in order:
                acceptor.drain(bool(order["drain"]))
            else:
                reloading.take(order)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    loop.add_reader(inherited.lifeline, take_orders)
    try:
        listener = socket.socket(fileno=inherited.fds["listen"])
        acceptor = Acceptor(settings, listener, report=inherited.report)
        await acceptor.start()
    except GatewayError as error:
        inherited.report(error=str(error))
        return EXIT_CONFIG
    gc.collect()
    gc.freeze()  # what lives as long as the process: collections of the rest are short
    inherited.report(ready=True)
    beating = asyncio.create_task(_beat(acceptor, inherited, reloading))
    await leave.wait()
    await acceptor.stop()
    beating.cancel()
    if settings.scratch:
        shutil.rmtree(settings.scratch, ignore_errors=True)
    return 0


def prepare(acceptor: Acceptor, values: dict[str, Any]) -> Callable[[], None]:
    """Return a function that puts a new configuration in force; raises ConfigError."""
    settings = from_map(AcceptorSettings, values)
    apply = acceptor.prepare(settings)

    def apply_all() -> None:
        apply()
        logs.set_level(settings.log)

    return apply_all


async def _beat(acceptor: Acceptor, inherited: Inherited, reloading: ReloadOrders) -> None:
    """Show the supervisor that this event loop runs, with what there is to tell."""
    while True:
        inherited.beat(beat={"revision": reloading.revision, **acceptor.facts()})
        await asyncio.sleep(BEAT)


def main() -> int:
    """Run the child process."""
    inherited = inherit()
    settings = from_map(AcceptorSettings, inherited.settings)
    logs.setup(settings.log, settings.name)
    spans.start(settings.name)
    keep_free_memory()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(serve(settings, inherited))


if __name__ == "__main__":
    sys.exit(main())
