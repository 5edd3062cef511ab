"""Waking at a moment, with and without the kernel's help."""

from __future__ import annotations

import asyncio

import pytest

from gateway.load.timer import Timer
from tests.patience import WALL


@pytest.mark.parametrize("has_kernel_timer", [True, False])
def test_nobody_is_woken_early(has_kernel_timer: bool) -> None:
    async def run() -> list[float]:
        timer, loop = Timer(), asyncio.get_running_loop()
        if not has_kernel_timer:
            timer.close()
        begin = loop.time()
        woken = []
        for offset in (0.0, 0.005, 0.01, 0.0105):
            await asyncio.wait_for(timer.until(begin + offset), WALL)
            woken.append(loop.time() - begin - offset)
        timer.close()
        timer.close()
        return woken

    assert all(late >= 0 for late in asyncio.run(run()))


def test_a_moment_that_has_passed_is_not_waited_for() -> None:
    async def run() -> None:
        timer = Timer()
        try:
            await asyncio.wait_for(timer.until(0.0), WALL)
        finally:
            timer.close()

    asyncio.run(run())
