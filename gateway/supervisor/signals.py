"""The signals that stop a gateway or a worker."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

Result = TypeVar("Result")

_log = logging.getLogger("gateway.supervisor")


class Signals:
    """SIGTERM or SIGINT sets `leave`, a second one `hurry`; SIGHUP calls `on_hangup`.

    Without `on_hangup` SIGHUP does what SIGTERM does.
    """

    def __init__(self, on_hangup: Callable[[], None] | None = None) -> None:
        self.on_hangup = on_hangup
        self.leave = asyncio.Event()
        self.hurry = asyncio.Event()
        self._taken: list[signal.Signals] = []

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # ignored under nohup
                loop.add_signal_handler(number, self.received, number)
                self._taken.append(number)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in self._taken:
            loop.remove_signal_handler(number)

    def received(self, number: signal.Signals) -> None:
        if number is signal.SIGHUP and self.on_hangup is not None:
            _log.info("signal=%s reloading", number.name)
            self.on_hangup()
        elif self.leave.is_set():
            _log.info("signal=%s leaving without waiting", number.name)
            self.hurry.set()
        else:
            _log.info("signal=%s leaving", number.name)
            self.leave.set()

    async def unless_told(self, work: Coroutine[Any, Any, None]) -> bool:
        """Await `work`; cancel it and return False if a signal arrives first."""
        working = asyncio.create_task(work)
        asked = asyncio.create_task(self.leave.wait())
        await asyncio.wait({asked, working}, return_when="FIRST_COMPLETED")
        asked.cancel()
        if working.done():
            working.result()
            return True
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        return False


async def first_of(event: asyncio.Event, *watches: Coroutine[Any, Any, Result]) -> Result | None:
    """Return the result of the first coroutine to finish; None if the event is set before."""
    asked = asyncio.create_task(event.wait())
    watching = [asyncio.create_task(watch) for watch in watches]
    await asyncio.wait({asked, *watching}, return_when="FIRST_COMPLETED")
    done = [task for task in watching if task.done()]
    for task in (asked, *watching):
        task.cancel()
    return done[0].result() if done else None
