"""Children that die are restarted, and given up if they die too often."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.errors import ConfigError
from gateway.process import EXIT_CONFIG
from gateway.supervisor import restarts
from gateway.supervisor.child_group import ChildEndReason, ChildGroup, ChildSpec, StartFailed
from tests.patience import WALL

LIMIT = WALL


def group(*scripts: list[dict[str, Any]], module: str = "tests.supervisor.child") -> ChildGroup:
    posts = [
        ChildSpec(f"child-{index}", module, {"script": script})
        for index, script in enumerate(scripts)
    ]
    return ChildGroup(posts, lambda: None)


def test_a_child_that_keeps_dying_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "LIMIT_IF_READY", 4)

    async def run() -> None:
        keeping = group([{"do": "ready"}], [{"do": "ready"}, {"do": "leave", "status": 1}])
        keeping.start()
        await keeping.ready(LIMIT)
        ending = await asyncio.wait_for(keeping.failure(needed=False), LIMIT)
        assert str(ending) == "child-1: died too often; last cause: exit status 1"
        assert ending.reason is ChildEndReason.GAVE_UP
        assert set(keeping.pids) == {"child-0"}
        await keeping.leave(LIMIT, asyncio.Event())
        assert keeping.pids == {}

    asyncio.run(run())


def test_a_group_that_is_needed_fails_when_nobody_is_left() -> None:
    async def run() -> None:
        script = [{"do": "ready"}, {"do": "leave", "status": EXIT_CONFIG}]
        keeping = group(script, script)
        keeping.start()
        await keeping.ready(LIMIT)
        ending = await asyncio.wait_for(keeping.failure(needed=True), LIMIT)
        assert ending.reason is ChildEndReason.FINAL
        await keeping.leave(LIMIT, asyncio.Event())

    asyncio.run(run())


def test_a_child_that_is_slow_to_start_is_named() -> None:
    async def run() -> None:
        keeping = group([{"do": "ready"}], [{"do": "report", "hello": 1}])
        keeping.start()
        with pytest.raises(StartFailed, match=r"child-\d: not ready after 0\.01 s"):
            await keeping.ready(0.01)
        await keeping.leave(LIMIT, asyncio.Event())

    asyncio.run(run())


def test_a_module_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        keeping = group([], module="gateway.no_such_module")
        keeping.start()
        with pytest.raises(StartFailed, match="child-0: died too often"):
            await keeping.ready(LIMIT)
        await keeping.leave(LIMIT, asyncio.Event())

    asyncio.run(run())


def test_final_failures_are_configuration_errors() -> None:
    async def run() -> None:
        keeping = group([{"do": "report", "error": "a\nb"}, {"do": "leave", "status": 2}])
        keeping.start()
        with pytest.raises(StartFailed) as caught:
            await keeping.ready(LIMIT)
        error = caught.value.as_error()
        assert isinstance(error, ConfigError)
        assert str(error) == r"child-0: a\x0ab"
        await keeping.leave(LIMIT, asyncio.Event())

    asyncio.run(run())


def test_a_process_that_cannot_be_started_is_tried_again() -> None:
    async def run() -> None:
        keeping = ChildGroup(
            [ChildSpec("child-0", "tests.supervisor.child", {}, {"listen": 4000})], lambda: None
        )
        keeping.start()
        with pytest.raises(StartFailed, match="cannot start a process"):
            await keeping.ready(LIMIT)
        await keeping.leave(LIMIT, asyncio.Event())

    asyncio.run(run())


def test_told_to_leave_between_two_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        changed = asyncio.Event()
        lives = []

        def on_change() -> None:
            lives.append(1)
            if len(lives) == 4:  # started, ended, started, ended: the next start is due in 600 s
                changed.set()

        monkeypatch.setattr(restarts, "FIRST_DELAY", 600.0)
        monkeypatch.setattr(restarts, "LONGEST_DELAY", 600.0)
        script = [{"do": "ready"}, {"do": "leave", "status": 1}]
        keeping = ChildGroup(
            [ChildSpec("child-0", "tests.supervisor.child", {"script": script})], on_change
        )
        keeping.start()
        await asyncio.wait_for(changed.wait(), LIMIT)
        await asyncio.wait_for(keeping.leave(LIMIT, asyncio.Event()), LIMIT)

    asyncio.run(run())


def test_an_empty_group() -> None:
    async def run() -> None:
        keeping = group()
        keeping.start()
        await keeping.ready(LIMIT)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(keeping.failure(needed=False), 0.01)
        await keeping.leave(LIMIT, asyncio.Event())

    asyncio.run(run())
