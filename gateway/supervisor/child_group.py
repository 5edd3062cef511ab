"""Child processes that are kept running: started, watched, and restarted when they die.

Keeping a child running ends in one of three ways: the child was asked to leave; it exited with a
status after which a restart cannot help; or it died too often.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from gateway.errors import ConfigError, GatewayError
from gateway.log import escape
from gateway.process import EXIT_FAILED, FINAL, Child, describe_exit, spawn
from gateway.supervisor.restarts import Restarts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

START_LIMIT = 30.0
"""Seconds within which children must become ready."""
STOP_MARGIN = 2.0
"""Seconds beyond `drain_timeout` after which children are killed."""

_log = logging.getLogger("gateway.supervisor")


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """The data that is needed to start one child."""

    name: str
    module: str
    settings: dict[str, Any]
    fds: Mapping[str, int] = field(default_factory=dict)


class ChildEndReason(Enum):
    """The reason why a child is no longer kept running."""

    ASKED = "asked"
    FINAL = "final"
    GAVE_UP = "gave up"


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """The end of a child that is not restarted."""

    name: str
    reason: ChildEndReason
    status: int
    text: str
    """A description in one line, without the name."""

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


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


@dataclass(frozen=True, slots=True)
class _ChildRun:
    """One run of a child, from its start to its exit."""

    status: int
    error: str
    healthy: float
    """Seconds for which it was ready."""


class ChildKeeper:
    """Keeps one child running; `on_change` is called when its process starts or ends."""

    def __init__(self, spec: ChildSpec, on_change: Callable[[], None]) -> None:
        self.spec = spec
        self.child: Child | None = None
        self.ready = asyncio.Event()
        """Set when the child was ready for the first time."""
        self._on_change = on_change
        self._leaving = asyncio.Event()

    async def run(self) -> ChildEnd:
        """Run the child, again and again if it dies; return why it is not restarted."""
        restarts = Restarts()
        while True:
            run = await self._run_once()
            if self._leaving.is_set():
                return self._end(ChildEndReason.ASKED, run)
            if run.status in FINAL:
                return self._end(ChildEndReason.FINAL, run)
            delay = restarts.died(
                time.monotonic(), healthy=run.healthy, was_ready=self.ready.is_set()
            )
            if delay is None:
                return self._end(ChildEndReason.GAVE_UP, run)
            _log.warning(
                "child=%s ended: %s; restarting it in %.1f s",
                *(self.spec.name, _describe(run), delay),
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), delay)
                return self._end(ChildEndReason.ASKED, run)

    def leave(self) -> None:
        """Ask the child to leave, and do not restart it."""
        self._leaving.set()
        if self.child:
            self.child.terminate()

    async def _run_once(self) -> _ChildRun:
        spec = self.spec
        try:
            child = await spawn(spec.module, name=spec.name, settings=spec.settings, fds=spec.fds)
        except OSError as error:
            return _ChildRun(EXIT_FAILED, f"cannot start a process: {error.strerror}", 0.0)
        self.child = child
        self._on_change()
        if self._leaving.is_set():
            child.terminate()
        error_text, ready_at = "", None
        while (report := await child.next_report()) is not None:
            error_text = str(report.get("error", error_text))
            if report.get("ready") and ready_at is None:
                ready_at = time.monotonic()
                self.ready.set()
                _log.info("child=%s pid=%d ready", child.name, child.pid)
        status = await child.wait()
        healthy = time.monotonic() - ready_at if ready_at else 0.0
        self.child = None
        self._on_change()
        return _ChildRun(status, escape(error_text), healthy)

    def _end(self, reason: ChildEndReason, run: _ChildRun) -> ChildEnd:
        text = _describe(run)
        if reason is ChildEndReason.GAVE_UP:
            text = f"died too often; last cause: {text}"
        _log.log(_LEVELS[reason], "child=%s ended: %s", self.spec.name, text)
        return ChildEnd(self.spec.name, reason, run.status, text)


_LEVELS = {
    ChildEndReason.ASKED: logging.INFO,
    ChildEndReason.FINAL: logging.WARNING,
    ChildEndReason.GAVE_UP: logging.ERROR,
}


def _describe(run: _ChildRun) -> str:
    return run.error or describe_exit(run.status)


class ChildGroup:
    """Children that start, become ready and leave together."""

    def __init__(self, specs: Iterable[ChildSpec], on_change: Callable[[], None]) -> None:
        self._keepers = [ChildKeeper(spec, on_change) for spec in specs]
        self._tasks: list[asyncio.Task[ChildEnd]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(keeper.run()) for keeper in self._keepers]

    @property
    def pids(self) -> dict[str, int]:
        return {k.spec.name: k.child.pid for k in self._keepers if k.child}

    async def ready(self, limit: float) -> None:
        """Wait until every child was ready; raises StartFailed as soon as one cannot become so."""
        moment = asyncio.get_running_loop().time() + limit
        for keeper, task in zip(self._keepers, self._tasks, strict=True):
            waiting = asyncio.create_task(keeper.ready.wait())
            left = moment - asyncio.get_running_loop().time()
            await asyncio.wait({waiting, task}, timeout=left, return_when="FIRST_COMPLETED")
            waiting.cancel()
            if keeper.ready.is_set():
                continue
            if task.done():
                raise StartFailed(task.result())
            text = f"not ready after {limit:g} s"
            raise StartFailed(ChildEnd(keeper.spec.name, ChildEndReason.GAVE_UP, EXIT_FAILED, text))

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

    async def leave(self, limit: float, hurry: asyncio.Event) -> None:
        """Ask all to leave and wait; kill them after `limit` seconds or when `hurry` is set."""
        for keeper in self._keepers:
            keeper.leave()
        if not self._tasks:
            return
        gone: asyncio.Future[Any] = asyncio.gather(*self._tasks)
        hurried: asyncio.Future[Any] = asyncio.create_task(hurry.wait())
        await asyncio.wait({gone, hurried}, timeout=limit, return_when="FIRST_COMPLETED")
        hurried.cancel()
        for keeper in self._keepers:
            if keeper.child:
                _log.warning("child=%s did not leave in time: killed", keeper.spec.name)
                keeper.child.kill()
        await gone
