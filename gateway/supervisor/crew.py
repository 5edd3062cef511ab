"""Children that are kept alive: each has a keeper, which starts it, listens, and starts it again.

A keeper ends in one of three ways: the child was asked to leave; it left with a status after which
starting again cannot help; or it died too often.
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
"""Seconds in which children become ready."""
STOP_MARGIN = 2.0
"""Seconds beyond `drain_timeout` after which children are killed."""

_log = logging.getLogger("gateway.supervisor")


@dataclass(frozen=True, slots=True)
class Post:
    """What is needed to start one child."""

    name: str
    module: str
    settings: dict[str, Any]
    fds: Mapping[str, int] = field(default_factory=dict)


class Why(Enum):
    ASKED = "asked"
    FINAL = "final"
    GAVE_UP = "gave up"


@dataclass(frozen=True, slots=True)
class Ending:
    """How the keeping of a child ended."""

    name: str
    why: Why
    status: int
    text: str
    """One line, without the name."""

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


class StartFailed(Exception):  # noqa: N818 - what happened, in words
    """A child did not become ready."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(str(ending))
        self.ending = ending

    def as_error(self) -> GatewayError:
        """The same for who started it: ConfigError if starting again cannot help."""
        if self.ending.why is Why.FINAL:
            return ConfigError(str(self))
        return GatewayError(f"cannot start: {self}")


@dataclass(frozen=True, slots=True)
class _Life:
    status: int
    error: str
    healthy: float


class Keeper:
    """Keeps one child alive."""

    def __init__(self, post: Post, on_change: Callable[[], None]) -> None:
        self.post = post
        self.child: Child | None = None
        self.ready = asyncio.Event()
        """Set when it was ready for the first time."""
        self._on_change = on_change
        self._leaving = asyncio.Event()

    async def run(self) -> Ending:
        restarts = Restarts()
        while True:
            life = await self._live()
            if self._leaving.is_set():
                return self._end(Why.ASKED, life)
            if life.status in FINAL:
                return self._end(Why.FINAL, life)
            delay = restarts.died(
                time.monotonic(), healthy=life.healthy, was_ready=self.ready.is_set()
            )
            if delay is None:
                return self._end(Why.GAVE_UP, life)
            _log.warning(
                "child=%s ended: %s; starting it again in %.1f s",
                *(self.post.name, _in_words(life), delay),
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), delay)
                return self._end(Why.ASKED, life)

    def leave(self) -> None:
        """Ask the child to leave, and do not start it again."""
        self._leaving.set()
        if self.child:
            self.child.terminate()

    async def _live(self) -> _Life:
        """One life of the child, from its start to its end."""
        post = self.post
        try:
            child = await spawn(post.module, name=post.name, settings=post.settings, fds=post.fds)
        except OSError as error:
            return _Life(EXIT_FAILED, f"cannot start a process: {error.strerror}", 0.0)
        self.child = child
        self._on_change()
        if self._leaving.is_set():
            child.terminate()
        said, ready_at = "", None
        while (report := await child.next_report()) is not None:
            said = str(report.get("error", said))
            if report.get("ready") and ready_at is None:
                ready_at = time.monotonic()
                self.ready.set()
                _log.info("child=%s pid=%d ready", child.name, child.pid)
        status = await child.wait()
        healthy = time.monotonic() - ready_at if ready_at else 0.0
        self.child = None
        self._on_change()
        return _Life(status, escape(said), healthy)

    def _end(self, why: Why, life: _Life) -> Ending:
        text = _in_words(life)
        if why is Why.GAVE_UP:
            text = f"died too often, the last time: {text}"
        level = {Why.ASKED: logging.INFO, Why.FINAL: logging.WARNING, Why.GAVE_UP: logging.ERROR}
        _log.log(level[why], "child=%s ended: %s", self.post.name, text)
        return Ending(self.post.name, why, life.status, text)


def _in_words(life: _Life) -> str:
    return life.error or describe_exit(life.status)


class Crew:
    """Children that start together, become ready together and leave together."""

    def __init__(self, posts: Iterable[Post], on_change: Callable[[], None]) -> None:
        self._keepers = [Keeper(post, on_change) for post in posts]
        self._tasks: list[asyncio.Task[Ending]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(keeper.run()) for keeper in self._keepers]

    @property
    def pids(self) -> dict[str, int]:
        return {k.post.name: k.child.pid for k in self._keepers if k.child}

    async def ready(self, limit: float) -> None:
        """Return when each was ready; raises StartFailed as soon as one cannot be."""
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
            raise StartFailed(Ending(keeper.post.name, Why.GAVE_UP, EXIT_FAILED, text))

    async def failure(self, *, needed: bool) -> Ending:
        """Return when a child died too often and, if the crew is needed, when nobody is left."""
        pending = set(self._tasks)
        last: Ending | None = None
        while pending:
            done, pending = await asyncio.wait(pending, return_when="FIRST_COMPLETED")
            for task in done:
                last = task.result()
                if last.why is Why.GAVE_UP:
                    return last
        if needed and last is not None:
            return last
        return await asyncio.Future()  # never

    async def leave(self, limit: float, hurry: asyncio.Event) -> None:
        """Ask all to leave and see them gone: after `limit` seconds, or in a hurry, by force."""
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
                _log.warning("child=%s did not leave in time: killed", keeper.post.name)
                keeper.child.kill()
        await gone
