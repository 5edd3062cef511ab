"""Children that give no sign of life are replaced; those that cannot be blamed are not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from gateway.supervisor.child_keeper import ChildKeeper, ChildSpec, ChildState
from gateway.supervisor.hang_watch import LATE, SLOW_START, TICK, HangWatch, process_state

if TYPE_CHECKING:
    from collections.abc import Callable

PID = 4711


class KilledChild:
    """A child whose only use is to be killed."""

    name, pid = "child-0", PID

    def __init__(self) -> None:
        self.kills = 0

    def kill(self) -> None:
        self.kills += 1


class Scene:
    """A watch over one keeper, with a clock and a process state of the test's choice."""

    def __init__(self, limit: float = 15.0) -> None:
        self.now = 100.0
        self.state = "S"
        self.child: Any = KilledChild()
        self.keeper = ChildKeeper(ChildSpec("child-0", "", {}), lambda: None)
        self.keeper.child, self.keeper.heard = self.child, self.now
        self.keeper.state = ChildState.READY
        self.watch = HangWatch(
            [self.keeper], limit, clock=lambda: self.now, state_of=lambda _: self.state
        )

    def tick(self, ticks: int = 1, late: float = 0.0) -> None:
        for _ in range(ticks):
            self.watch._due = self.now + TICK
            self.now += TICK + late
            self.watch.look()


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_silence_up_to_the_limit_is_allowed(scene: Scene) -> None:
    scene.tick(15)
    assert scene.child.kills == 0
    scene.keeper.heard = scene.now
    scene.tick(15)
    assert scene.keeper.state is ChildState.READY


def test_a_child_that_is_silent_is_killed_once(scene: Scene, caplog: Any) -> None:
    scene.tick(20)
    assert scene.child.kills == 1
    assert scene.keeper.state is ChildState.SILENT
    assert scene.keeper.text == "was silent for 16 s"
    assert "child=child-0 was silent for 16 s: it is killed and replaced" in caplog.text


def test_a_disk_that_does_not_answer_is_named(scene: Scene) -> None:
    scene.state = "D"
    scene.tick(16)
    assert scene.keeper.text == "was silent for 16 s (in uninterruptible disk wait)"


def test_a_paused_machine_excuses_all_children(scene: Scene) -> None:
    scene.tick(10)
    scene.tick(1, late=LATE + 600)
    scene.tick(15)
    assert scene.child.kills == 0
    scene.tick()
    assert scene.child.kills == 1


def test_0_means_never(caplog: Any) -> None:
    scene = Scene(limit=0.0)
    scene.tick(1000)
    assert scene.child.kills == 0


@pytest.mark.parametrize("state", [ChildState.STARTING, ChildState.RESTARTING, ChildState.WAITING])
def test_a_start_may_take_its_time(scene: Scene, state: ChildState, caplog: Any) -> None:
    scene.keeper.state = state
    scene.tick(int(SLOW_START) + 100)
    assert scene.child.kills == 0
    assert caplog.text.count("child=child-0 is not ready after 31 s") == 1
    assert caplog.records[0].levelno == logging.WARNING


def test_a_start_that_is_stopped_is_replaced(scene: Scene) -> None:
    scene.keeper.state, scene.state = ChildState.STARTING, "T"
    scene.tick(16)
    assert scene.child.kills == 1
    assert scene.keeper.text == "was stopped for 16 s while it started"


@pytest.mark.parametrize(
    "spare",
    [
        pytest.param(lambda keeper: keeper.leave(), id="was asked to leave"),
        pytest.param(lambda keeper: setattr(keeper, "child", None), id="between two runs"),
    ],
)
def test_what_is_not_watched(scene: Scene, spare: Callable[[ChildKeeper], None]) -> None:
    scene.child.terminate = lambda: None
    spare(scene.keeper)
    scene.tick(100)
    assert scene.child.kills == 0


def test_the_state_of_a_process_is_read_from_proc() -> None:
    assert process_state(1) in "RSDTI"
    assert process_state(2**22 + 1) == ""
