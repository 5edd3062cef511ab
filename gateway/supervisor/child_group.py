"""Children that start, become ready and leave together."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from gateway.errors import ConfigError, GatewayError
from gateway.supervisor.child_keeper import ChildEnd, ChildEndReason, ChildKeeper, ChildSpec
from gateway.supervisor.hang_watch import HangWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from gateway.supervisor.child_keeper import Standby

STOP_MARGIN = 2.0
"""Seconds beyond `drain_timeout` after which children are killed."""

_log = logging.getLogger("gateway.supervisor")


class StartFailed(Exception):  # noqa: N818 - what happened, in words
    """A child did not become ready."""

    def __init__(self, ending: ChildEnd) -> None:
        super().__init__(str(ending))
        self.ending = ending

    def as_error(self) -> GatewayError:
        """Return the error for the user: ConfigError if another attempt cannot help."""
        if self.ending.reason is ChildEndReason.FINAL:
            return ConfigError(str(self))
        return GatewayError(f"cannot start: {self}")


class ChildGroup:
    """Children that are kept running; `hang_timeout`: seconds of silence, 0: any."""

    def __init__(
        self,
        specs: Iterable[ChildSpec],
        on_change: Callable[[], None],
        *,
        hang_timeout: float = 0.0,
        standby: Standby | None = None,
    ) -> None:
        self.keepers = [ChildKeeper(spec, on_change, standby) for spec in specs]
        self._tasks: list[asyncio.Task[ChildEnd]] = []
        self._watch = HangWatch(self.keepers, hang_timeout)
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._tasks = [asyncio.create_task(keeper.run()) for keeper in self.keepers]
        self._watching = asyncio.create_task(self._watch.run())

    @property
    def pids(self) -> dict[str, int]:
        return {k.spec.name: k.child.pid for k in self.keepers if k.child}

    async def ready(self) -> None:
        """Wait until every child was ready; raises StartFailed as soon as one cannot become so.

        A child that lacks something is waited for, however long it takes.
        """
        pending = dict(zip(self._tasks, self.keepers, strict=True))
        while pending:
            waits = {asyncio.create_task(k.ready.wait()) for k in pending.values()}
            await asyncio.wait({*waits, *pending}, return_when="FIRST_COMPLETED")
            for wait in waits:
                wait.cancel()
            for task, keeper in tuple(pending.items()):
                if keeper.ready.is_set():
                    del pending[task]
                elif task.done():
                    raise StartFailed(task.result())

    async def failure(self, *, needed: bool) -> ChildEnd:
        """Return when a child died too often or, if the group is needed, when none is left."""
        pending = set(self._tasks)
        last: ChildEnd | None = None
        while pending:
            done, pending = await asyncio.wait(pending, return_when="FIRST_COMPLETED")
            for task in done:
                last = task.result()
                if last.reason is ChildEndReason.GAVE_UP:
                    return last
        if needed and last is not None:
            return last
        return await asyncio.Future()  # never

    def absorb(self, other: ChildGroup) -> None:
        """Keep the children of another group, which are ready, from now on."""
        if other._watching is not None:
            other._watching.cancel()
        self.keepers += other.keepers
        self._tasks += other._tasks

    async def dismiss(self, keepers: Collection[ChildKeeper], limit: float) -> None:
        """Ask some of the children to leave, wait, and forget them; kill them after `limit`."""
        those = [pair for pair in zip(self.keepers, self._tasks, strict=True) if pair[0] in keepers]
        for keeper, _ in those:
            keeper.leave()
        if those:
            await asyncio.wait([task for _, task in those], timeout=limit)
        for keeper, task in those:
            if keeper.child:
                _log.warning("child=%s did not leave in time: killed", keeper.spec.name)
                keeper.child.kill()
            await task
            self.keepers.remove(keeper)
            self._tasks.remove(task)

    async def leave(self, limit: float, hurry: asyncio.Event) -> None:
        """Ask all to leave and wait; kill them after `limit` seconds or when `hurry` is set."""
        if self._watching is not None:
            self._watching.cancel()
        for keeper in self.keepers:
            keeper.leave()
        if not self._tasks:
            return
        gone: asyncio.Future[Any] = asyncio.gather(*self._tasks)
        hurried: asyncio.Future[Any] = asyncio.create_task(hurry.wait())
        await asyncio.wait({gone, hurried}, timeout=limit, return_when="FIRST_COMPLETED")
        hurried.cancel()
        for keeper in self.keepers:
            if keeper.child:
                _log.warning("child=%s did not leave in time: killed", keeper.spec.name)
                keeper.child.kill()
        await gone
