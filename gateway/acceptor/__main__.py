"""`python -m gateway.acceptor NAME`: an acceptor as a child of the supervisor."""

from __future__ import annotations

import asyncio
import gc
import logging
import shutil
import signal
import socket
import sys

from gateway import log as logs
from gateway.acceptor.server import Acceptor
from gateway.errors import GatewayError
from gateway.memory import keep_free_memory
from gateway.process import EXIT_CONFIG, Inherited, inherit
from gateway.settings import AcceptorSettings, from_map

log = logging.getLogger("gateway.acceptor")

BEAT = 1.0
"""Seconds between two signs of life."""


async def serve(settings: AcceptorSettings, inherited: Inherited) -> int:
    """Serve until SIGTERM or the end of the supervisor; return the exit status."""
    loop = asyncio.get_running_loop()
    leave = asyncio.Event()

    def take_orders() -> None:
        if (orders := inherited.read_orders()) is None:
            loop.remove_reader(inherited.lifeline)
            leave.set()
            return
        for order in orders:
            acceptor.drain(bool(order.get("drain")))

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
    beating = asyncio.create_task(_beat(acceptor, inherited))
    await leave.wait()
    await acceptor.stop()
    beating.cancel()
    if settings.scratch:
        shutil.rmtree(settings.scratch, ignore_errors=True)
    return 0


async def _beat(acceptor: Acceptor, inherited: Inherited) -> None:
    """Show the supervisor that this event loop runs, with what there is to tell."""
    while True:
        inherited.beat(beat=acceptor.facts())
        await asyncio.sleep(BEAT)


def main() -> int:
    """Run the child process."""
    inherited = inherit()
    settings = from_map(AcceptorSettings, inherited.settings)
    logs.setup(settings.log, settings.name)
    keep_free_memory()
    return asyncio.run(serve(settings, inherited))


if __name__ == "__main__":
    sys.exit(main())
