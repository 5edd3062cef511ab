"""Children that die are restarted, and given up if they die too often."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import ConfigError
from gateway.process import EXIT_CONFIG, EXIT_SUPERSEDED
from gateway.supervisor import restarts
from gateway.supervisor.child_group import ChildGroup, StartFailed
from gateway.supervisor.child_keeper import ChildEndReason, ChildSpec, ChildState
from tests.patience import WALL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIMIT = WALL


def group(
    *scripts: list[dict[str, Any]],
    module: str = "tests.supervisor.child",
    on_change: Callable[[], None] = lambda: None,
) -> ChildGroup:
    posts = [
        ChildSpec(f"child-{index}", module, {"script": script})
        for index, script in enumerate(scripts)
    ]
    return ChildGroup(posts, on_change)


class Changes:
    """What a group calls at each change of a child; a test can wait for one."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def __call__(self) -> None:
        self._changed.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT):
            while not reached():
                await self._changed.wait()
                self._changed.clear()


def test_a_child_that_was_ready_is_restarted_whatever_ends_it(tmp_path: Path) -> None:
    async def run() -> None:
        again = {"do": "leave once", "file": str(tmp_path / "left"), "status": EXIT_CONFIG}
        changes = Changes()
        keeping = group([{"do": "ready"}, again], on_change=changes)
        keeping.start()
        await keeping.ready()
        (keeper,) = keeping.keepers
        await changes.until(lambda: keeper.restarts == 1 and keeper.state is ChildState.READY)
        assert keeper.last_end == "exit status 2"
        assert set(keeping.pids) == {"child-0"}
        await keeping.leave(LIMIT, asyncio.Event())
        assert keeping.pids == {}
        assert keeper.state is ChildState.ENDED

    asyncio.run(run())


def test_a_group_that_is_needed_fails_when_nobody_is_left() -> None:
    async def run() -> None:
        script = [{"do": "ready"}, {"do": "leave", "status": EXIT_SUPERSEDED}]
        keeping = group(script, script)
        keeping.start()
        await keeping.ready()
        ending = await asyncio.wait_for(keeping.failure(needed=True), LIMIT)
        assert ending.reason is ChildEndReason.FINAL
        await keeping.leave(LIMIT, asyncio.Event())

    asyncio.run(run())


def test_a_child_that_lacks_something_is_waited_for_and_says_what(tmp_path: Path) -> None:
    async def run() -> None:
        there = tmp_path / "there"
        lacks = [{"do": "report", "waiting": "no disk"}, {"do": "wait", "file": str(there)}]
        changes = Changes()
        keeping = group([*lacks, {"do": "ready"}], on_change=changes)
        keeping.start()
        (keeper,) = keeping.keepers
        await changes.until(lambda: keeper.state is ChildState.WAITING)
        assert keeper.text == "no disk"
        there.touch()
        await asyncio.wait_for(keeping.ready(), LIMIT)
        assert (keeper.state, keeper.text, keeper.restarts) == (ChildState.READY, "", 0)
        await keeping.leave(LIMIT, asyncio.Event())

    asyncio.run(run())


def test_a_child_that_cannot_start_is_not_hidden_by_one_that_waits() -> None:
    async def run() -> None:
        keeping = group(
            [{"do": "report", "waiting": "no disk"}], [{"do": "leave", "status": EXIT_CONFIG}]
        )
        keeping.start()
        with pytest.raises(StartFailed, match="child-1: exit status 2"):
            await asyncio.wait_for(keeping.ready(), LIMIT)
        await keeping.leave(LIMIT, asyncio.Event())

    asyncio.run(run())


def test_what_a_child_tells_at_each_sign_of_life_is_kept() -> None:
    async def run() -> None:
        keeping = group([{"do": "report", "beat": {"in_hand": 3}}, {"do": "ready"}])
        keeping.start()
        await asyncio.wait_for(keeping.ready(), LIMIT)
        (keeper,) = keeping.keepers
        assert keeper.facts == {"in_hand": 3}
        await keeping.leave(LIMIT, asyncio.Event())
        assert keeper.facts == {}

    asyncio.run(run())


def test_a_module_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        keeping = group([], module="gateway.no_such_module")
        keeping.start()
        with pytest.raises(StartFailed, match="child-0: died too often"):
            await asyncio.wait_for(keeping.ready(), LIMIT)
        await keeping.leave(LIMIT, asyncio.Event())

    asyncio.run(run())


def test_final_failures_are_configuration_errors() -> None:
    async def run() -> None:
        keeping = group([{"do": "report", "error": "a\nb"}, {"do": "leave", "status": 2}])
        keeping.start()
        with pytest.raises(StartFailed) as caught:
            await asyncio.wait_for(keeping.ready(), LIMIT)
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
            await asyncio.wait_for(keeping.ready(), LIMIT)
        await keeping.leave(LIMIT, asyncio.Event())

    asyncio.run(run())


def test_told_to_leave_between_two_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        changed = asyncio.Event()
        lives = []

        def on_change() -> None:
            lives.append(1)
            if keeping.keepers[0].restarts == 2:  # the next start is due in 600 s
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
        await asyncio.wait_for(keeping.ready(), LIMIT)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(keeping.failure(needed=False), 0.01)
        await keeping.leave(LIMIT, asyncio.Event())

    asyncio.run(run())
