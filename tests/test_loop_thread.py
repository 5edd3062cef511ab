"""An event loop in a thread."""

import asyncio

import pytest

from gateway.loop_thread import LoopThread


@pytest.fixture
def loop():
    made = LoopThread("tested")
    yield made
    if not made.is_stopped:
        made.stop()
        made.join()


async def add(one, other):
    return one + other


def test_results_and_errors(loop):
    assert loop.run(add(1, 2)) == 3
    assert loop.begin(add(3, 4)).result() == 7
    with pytest.raises(TypeError):
        loop.run(add(1, "2"))


def test_its_own_thread_must_not_wait(loop):
    async def wait():
        loop.run(add(1, 2))

    with pytest.raises(RuntimeError, match="its own thread"):
        loop.run(wait())


def test_tasks_are_cancelled_at_the_end(loop):
    ends = []

    async def last():
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cancelled")

    async def begin():
        running = asyncio.create_task(last())
        await asyncio.sleep(0)
        return running

    assert loop.run(begin())
    loop.stop()
    loop.join()
    assert ends == ["cancelled"]
    assert loop.is_stopped
