"""One child that is kept running: started, listened to, and restarted when it dies.

Before a child was ready for the first time its failure may be one that no restart can mend: a wrong
setting, or a program that fails each time. From then on whatever ends it is temporary, and it is
restarted for ever, with a back-off. A child that lacks something says so and waits by itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from gateway.errors import GatewayError
from gateway.log import escape
from gateway.process import (
    EXIT_CONFIG,
    EXIT_FAILED,
    EXIT_REFUSED,
    EXIT_SUPERSEDED,
    Child,
    describe_exit,
    spawn,
)
from gateway.supervisor.restarts import Restarts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_log = logging.getLogger("gateway.supervisor")

RESTART_LIMIT = 30.0
"""Seconds in which a child that was killed for a restart has to be ready again."""
RESTARTED = "restarted by an operator"
CHECK_LIMIT = 10.0
"""Seconds that a child has to check a new configuration."""

_REPLACED = frozenset({EXIT_REFUSED, EXIT_SUPERSEDED})
"""Exit statuses of a worker whose events another one holds."""


def _ignore(_report: dict[str, Any]) -> None:
    """Do nothing: what every child reports is handled here."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """The data that is needed to start one child."""

    name: str
    module: str
    settings: dict[str, Any]
    fds: Mapping[str, int] = field(default_factory=dict)
    late_settings: Callable[[], dict[str, Any]] = dict
    """Returns settings that are only known when the child is started, or started again."""
    on_report: Callable[[dict[str, Any]], None] = _ignore
    """Called with each report of the child."""

    def with_settings(self, settings: dict[str, Any]) -> ChildSpec:
        return replace(self, settings=settings)


class ChildState(Enum):
    """What a child that is kept running does at present."""

    STARTING = "starting"
    WAITING = "waiting"
    """It runs, but something that it needs for its start is missing."""
    READY = "ready"
    SILENT = "silent"
    """It was ready, and has not reported for too long; it is being replaced."""
    RESTARTING = "restarting"
    """It died and will be started again."""
    STANDBY = "standby"
    """Another worker holds its events; it is started again once that has left."""
    ENDED = "ended"


_SETTLED = (ChildState.READY, ChildState.WAITING, ChildState.STANDBY, ChildState.ENDED)


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


@dataclass(frozen=True, slots=True)
class _ChildRun:
    """One run of a child, from its start to its exit."""

    status: int
    error: str
    healthy: float
    """Seconds for which it was ready."""
    holder: str = ""
    """The worker that holds its events, if it was replaced."""

    def __str__(self) -> str:
        return self.error or describe_exit(self.status)


class Standby(Protocol):
    """Knows when a worker that was replaced by another may be started again."""

    def is_for_good(self, spec: ChildSpec, holder: str) -> bool:
        """Return whether there is no use in waiting for the holder to leave."""

    async def wait(self, spec: ChildSpec, holder: str) -> ChildSpec:
        """Return how to start it again, once the holder has left."""


class ChildKeeper:
    """Keeps one child running; `on_change` is called when its state changes.

    Without `standby` a worker that was replaced by another is not started again.
    """

    def __init__(
        self, spec: ChildSpec, on_change: Callable[[], None], standby: Standby | None = None
    ) -> None:
        self.spec = spec
        self.child: Child | None = None
        self.ready = asyncio.Event()
        """Set when the child was ready for the first time."""
        self.state = ChildState.STARTING
        self.text = ""
        """Why it is in this state, in words."""
        self.restarts = 0
        self.last_end = ""
        """How the run before this one ended."""
        self.heard = time.monotonic()
        """When it was started or last reported."""
        self.facts: dict[str, Any] = {}
        """What it said of itself in its last sign of life."""
        self._on_change = on_change
        self._settled = asyncio.Event()
        """Set when it is ready again, or is in a state in which it stays."""
        self._is_to_restart = False
        self._standby = standby
        self._leaving = asyncio.Event()
        self._order: dict[str, Any] = {}
        self._run_revision = 0
        """The revision of the configuration with which the child that runs was started."""
        self._checked = 0
        """The revision that the child that runs has agreed to."""
        self._checks: dict[int, asyncio.Future[str]] = {}
        """Who waits for the child's opinion of a revision."""

    @property
    def is_watched(self) -> bool:
        """Whether its silence counts: it runs, and was not asked to leave."""
        return self.child is not None and not self._leaving.is_set()

    async def run(self) -> ChildEnd:
        """Run the child, again and again if it dies; return why it is not restarted."""
        restarts = Restarts()
        while True:
            run = await self._run_until_it_ends()
            if self._leaving.is_set():
                return self._end(ChildEndReason.ASKED, run)
            if run.status in _REPLACED:
                if not self._may_return(run):
                    return self._end(ChildEndReason.FINAL, run)
                if not await self._stand_by(run):
                    return self._end(ChildEndReason.ASKED, run)
                continue
            if run.status == EXIT_CONFIG and not self.ready.is_set():
                return self._end(ChildEndReason.FINAL, run)
            delay = restarts.died(
                time.monotonic(), healthy=run.healthy, was_ready=self.ready.is_set()
            )
            if delay is None:
                return self._end(ChildEndReason.GAVE_UP, run)
            _log.warning(
                "child=%s ended: %s; restarting it in %.1f s", *(self.spec.name, run, delay)
            )
            self.restarts, self.last_end = self.restarts + 1, str(run)
            self._enter(ChildState.RESTARTING, str(run))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), delay)
                return self._end(ChildEndReason.ASKED, run)

    def stand(self, **order: Any) -> None:
        """Give the child an order, and each later one when it is ready."""
        self._order = order
        if self.child and self.state is ChildState.READY:
            self.child.order(**order)

    async def check(self, spec: ChildSpec) -> str:
        """Have the child check other settings; return what is wrong, empty if it can use them.

        A child that is not ready has no opinion: it gets the settings in force when it is.
        """
        if self.child is None or self.state is not ChildState.READY:
            return ""
        revision = _revision_of(spec)
        opinion = self._checks[revision] = asyncio.get_running_loop().create_future()
        self.child.order(check=spec.settings, revision=revision)
        try:
            refused: str = await asyncio.wait_for(opinion, CHECK_LIMIT)
            self._checked = 0 if refused else revision
            return refused
        except TimeoutError:
            return f"no answer within {CHECK_LIMIT:g} s"
        finally:
            del self._checks[revision]

    def adopt(self, spec: ChildSpec) -> None:
        """Keep the child running with these settings, which it has checked."""
        self.spec = spec
        if self.child and self.state is ChildState.READY:
            self._catch_up(self.child)

    def leave(self) -> None:
        """Ask the child to leave, and do not restart it."""
        self._leaving.set()
        if self.child:
            self.child.terminate()

    async def restart(self, limit: float) -> None:
        """Have the child leave, and start it again; return when it is ready.

        It is killed if it does not leave within `limit` seconds. Raises GatewayError if it does not
        run, or does not become ready.
        """
        before = self.child
        if before is None and self.state is not ChildState.RESTARTING:
            raise GatewayError(f"{self.spec.name} is {self.state.value}: {self.text}")
        self._settled.clear()
        if before is not None:
            self._is_to_restart = True
            before.terminate()
        try:
            await asyncio.wait_for(self._settled.wait(), limit)
        except TimeoutError:
            if before is not None and self.child is before:
                _log.warning("child=%s did not leave in time: killed", self.spec.name)
                before.kill()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._settled.wait(), RESTART_LIMIT)
        if self.state is not ChildState.READY:
            raise GatewayError(f"{self.spec.name} is {self.state.value}: {self.text}")

    def replace(self, text: str) -> None:
        """Kill a child that is silent; `text` says for how long."""
        if self.child:
            self._enter(ChildState.SILENT, text)
            self.child.kill()

    def _may_return(self, run: _ChildRun) -> bool:
        """Return whether a worker that was replaced can be started again later.

        Two workers of one configuration that want the same event are a wrong setting at the start.
        """
        if self._standby is None:
            return False
        return self.ready.is_set() or not self._standby.is_for_good(self.spec, run.holder)

    async def _stand_by(self, run: _ChildRun) -> bool:
        """Wait until the holder has left; False if this child is to leave instead."""
        assert self._standby is not None
        text = f"worker {run.holder} answers in its place"
        _log.warning("child=%s ended: %s; %s", self.spec.name, run, text)
        self._enter(ChildState.STANDBY, text)
        self.ready.set()  # nobody has to wait for it
        waiting = asyncio.create_task(self._standby.wait(self.spec, run.holder))
        leaving = asyncio.create_task(self._leaving.wait())
        await asyncio.wait({waiting, leaving}, return_when="FIRST_COMPLETED")
        leaving.cancel()
        if self._leaving.is_set():
            waiting.cancel()
            return False
        generation = waiting.result().settings["generation"]
        self.spec = self.spec.with_settings({**self.spec.settings, "generation": generation})
        _log.info("child=%s worker %s has left: starting it again", self.spec.name, run.holder)
        return True

    async def _run_until_it_ends(self) -> _ChildRun:
        """Run the child, and once more each time that it was restarted on request."""
        while True:
            run = await self._run_once()
            if not self._is_to_restart or self._leaving.is_set():
                return run
            self._is_to_restart = False
            self.restarts, self.last_end = self.restarts + 1, RESTARTED
            self._enter(ChildState.RESTARTING, RESTARTED)

    async def _run_once(self) -> _ChildRun:
        spec = self.spec
        self.heard = time.monotonic()
        try:
            settings = {**spec.settings, **spec.late_settings()}
            child = await spawn(spec.module, name=spec.name, settings=settings, fds=spec.fds)
        except OSError as error:
            return _ChildRun(EXIT_FAILED, f"cannot start a process: {error.strerror}", 0.0)
        self.child, self._run_revision, self._checked = child, _revision_of(spec), 0
        if self.state is not ChildState.RESTARTING:  # that one says why it is not ready
            self.state = ChildState.STARTING
        self._on_change()
        if self._leaving.is_set():
            child.terminate()
        error_text, ready_at, holder = "", None, str(spec.settings.get("name", ""))
        while (report := await child.next_report()) is not None:
            spec.on_report(report)
            error_text = str(report.get("error", error_text))
            holder = str(report.get("holder", holder))
            if report.get("ready") and ready_at is None:
                ready_at = time.monotonic()
            self._take(child, report)
        status = await child.wait()
        healthy = time.monotonic() - ready_at if ready_at else 0.0
        if self.state is ChildState.SILENT:
            error_text = self.text
        self._is_gone()
        return _ChildRun(status, escape(error_text), healthy, escape(holder))

    def _take(self, child: Child, report: dict[str, Any]) -> None:
        self.heard = time.monotonic()
        if report.get("ready"):
            self.ready.set()
            _log.info("child=%s child_pid=%d ready", child.name, child.pid)
            if self._order:
                child.order(**self._order)
            self._catch_up(child)
            self._enter(ChildState.READY)
        elif text := report.get("waiting"):
            self._enter(ChildState.WAITING, escape(str(text)))
            _log.warning("child=%s is waiting: %s", child.name, self.text)
        elif isinstance(facts := report.get("beat"), dict):
            self.facts = facts
        elif (waits := self._checks.get(report.get("checked", 0))) and not waits.done():
            waits.set_result(escape(str(report.get("refused", ""))))
        elif "applied" in report:
            self.facts["revision"] = report["applied"]

    def _is_gone(self) -> None:
        self.child, self.facts = None, {}
        for opinion in self._checks.values():
            if not opinion.done():
                opinion.set_result("")
        self._on_change()

    def _catch_up(self, child: Child) -> None:
        """Have the child apply the settings in force, if it was started with others."""
        revision = _revision_of(self.spec)
        if self._run_revision == revision:
            return
        if self._checked != revision:
            child.order(check=self.spec.settings, revision=revision)
        child.order(apply=revision)
        self._run_revision = revision

    def _enter(self, state: ChildState, text: str = "") -> None:
        self.state, self.text = state, text
        if state in _SETTLED:
            self._settled.set()
        self._on_change()

    def _end(self, reason: ChildEndReason, run: _ChildRun) -> ChildEnd:
        text = str(run)
        if reason is ChildEndReason.GAVE_UP:
            text = f"died too often; last cause: {text}"
        _log.log(_LEVELS[reason], "child=%s ended: %s", self.spec.name, text)
        self._enter(ChildState.ENDED, text)
        return ChildEnd(self.spec.name, reason, run.status, text)


def _revision_of(spec: ChildSpec) -> int:
    return int(spec.settings.get("revision", 1))


_LEVELS = {
    ChildEndReason.ASKED: logging.INFO,
    ChildEndReason.FINAL: logging.WARNING,
    ChildEndReason.GAVE_UP: logging.ERROR,
}
