"""What becomes of an instance after each response and error, and how long a destination rests."""

from __future__ import annotations

import pytest

from gateway.datasets import DatasetError, NoContext
from gateway.requestor import SourceFailed, TimedOut
from gateway.sdk.move.destination import NoRoute
from tests.clock import Clock
from workers.archive.index.records import IndexFailure
from workers.archive.pauses import pause_after
from workers.forward.breaker import Breaker
from workers.forward.outcomes import SendVerdict, of_error, of_status


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (0x0000, SendVerdict.DONE),
        (0xB000, SendVerdict.DONE),
        (0xB007, SendVerdict.DONE),
        (0x0111, SendVerdict.DONE),
        (0xA700, SendVerdict.FULL),
        (0x0213, SendVerdict.FULL),
        (0x0122, SendVerdict.PARK),
        (0xA900, SendVerdict.PARK),
        (0xC000, SendVerdict.AGAIN),
        (0x0110, SendVerdict.AGAIN),
        (0x0124, SendVerdict.AGAIN),
        (0xFF00, SendVerdict.AGAIN),
        (0x7777, SendVerdict.AGAIN),
    ],
)
def test_what_a_status_means(status: int, verdict: SendVerdict) -> None:
    outcome = of_status(status)
    assert outcome.verdict is verdict
    assert outcome.responded is (verdict is not SendVerdict.FULL)
    assert verdict is SendVerdict.DONE or f"{status:04X}" in outcome.reason


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (NoRoute("away"), SendVerdict.NO_ROUTE),
        (NoContext("no context"), SendVerdict.PARK),
        (DatasetError("not a data set"), SendVerdict.PARK),
        (TimedOut("no response"), SendVerdict.LOST),
        (SourceFailed("the file became shorter"), SendVerdict.AGAIN),
        (OSError("no file"), SendVerdict.AGAIN),
        (LookupError("no destination"), SendVerdict.AGAIN),
        (IndexFailure("away"), SendVerdict.LATER),
    ],
)
def test_what_an_error_means(error: Exception, verdict: SendVerdict) -> None:
    assert of_error(error).verdict is verdict
    assert of_error(error).reason


def test_pauses_grow_to_their_limit_and_vary() -> None:
    found = [pause_after(number, 5, 300) for number in (1, 2, 3, 7, 1000)]
    expected = [5, 10, 20, 300, 300]
    assert all(0.9 * want <= got <= 1.1 * want for got, want in zip(found, expected, strict=True))
    assert len({pause_after(1, 5, 300) for _ in range(20)}) > 1


def test_after_a_failure_one_lane_tries_when_the_pause_is_over() -> None:
    clock = Clock()
    breaker = Breaker(10, 100, clock)
    assert breaker.wait_for("a") == breaker.wait_for("b") == 0.0
    breaker.failed("away")
    breaker.failed("away too")  # of another lane, in the same pause
    assert (breaker.failures, breaker.reason) == (1, "away")
    assert 9 <= breaker.wait_for("a") <= 11
    clock.now += 12
    assert breaker.wait_for("a") == 0.0
    assert breaker.wait_for("b") > 0
    breaker.failed("still away")
    assert 18 <= breaker.wait_for("a") <= 22
    clock.now += 23
    assert breaker.wait_for("b") == 0.0
    assert breaker.responded()
    assert not breaker.responded()
    assert breaker.wait_for("a") == 0.0


def test_an_operator_ends_a_pause_for_one_attempt() -> None:
    clock = Clock()
    breaker = Breaker(10, 100, clock)
    breaker.failed("away")
    breaker.hurry()
    assert breaker.wait_for("a") == 0.0
    assert breaker.wait_for("b") > 0
    breaker.failed("still away")
    assert 18 <= breaker.wait_for("a") <= 22


def test_a_lane_with_nothing_to_send_leaves_the_attempt_to_others() -> None:
    clock = Clock()
    breaker = Breaker(10, 100, clock)
    breaker.failed("away")
    clock.now += 12
    assert breaker.wait_for("a") == 0.0
    breaker.spare("b")
    assert breaker.wait_for("b") > 0
    breaker.spare("a")
    assert breaker.wait_for("b") == 0.0
