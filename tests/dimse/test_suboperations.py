"""The counters of a C-GET: true whatever was announced, and never more than a US holds."""

from __future__ import annotations

import pytest

from gateway.dimse.message import CGetRQ, CMoveRQ
from gateway.dimse.suboperations import COUNTERS, MOST, PendingResponses, SuboperationCounters

SUCCESS, WARNING, FAILURE, PENDING, CANCEL = 0x0000, 0xB000, 0xA700, 0xFF00, 0xFE00


def tally(announced: int, *statuses: int | None) -> SuboperationCounters:
    one = SuboperationCounters(announced)
    for number, status in enumerate(statuses):
        one.count(status, f"1.2.{number}")
    return one


def counters(one: SuboperationCounters) -> tuple[int, int, int, int]:
    return one.remaining, one.completed, one.failures, one.warnings


@pytest.mark.parametrize(
    ("announced", "statuses", "expected", "status"),
    [
        (0, [], (0, 0, 0, 0), SUCCESS),
        (2, [SUCCESS, SUCCESS], (0, 2, 0, 0), SUCCESS),
        (2, [SUCCESS, FAILURE], (0, 1, 1, 0), 0xB000),
        (2, [WARNING, FAILURE], (0, 0, 1, 1), 0xB000),
        (2, [SUCCESS, WARNING], (0, 1, 0, 1), 0xB000),
        (2, [FAILURE, None], (0, 0, 2, 0), 0xA702),
        (2, [PENDING, CANCEL], (0, 0, 2, 0), 0xA702),
        (1, [SUCCESS, SUCCESS], (0, 2, 0, 0), 0xB000),
    ],
)
def test_counting(announced, statuses, expected, status: int) -> None:
    one = tally(announced, *statuses)
    assert counters(one) == expected
    assert one.status() == status


def test_what_never_came_has_failed() -> None:
    one = tally(5, SUCCESS, FAILURE)
    assert one.remaining == 3
    one.give_up()
    assert counters(one) == (0, 1, 4, 0)
    assert one.status() == 0xB000


def test_nothing_came_although_announced() -> None:
    one = SuboperationCounters(3)
    one.give_up()
    assert one.status() == 0xA702


def test_failures_are_named_as_far_as_they_are_known() -> None:
    one = SuboperationCounters(3)
    for status, uid in ((FAILURE, "1.2"), (SUCCESS, "1.3"), (None, "")):
        one.count(status, uid)
    assert one.failed == ["1.2"]
    assert one.failures == 2


def test_remaining_stands_only_where_it_is_asked_for() -> None:
    one = tally(3, SUCCESS)
    assert "NumberOfRemainingSuboperations" not in one.elements(with_remaining=False)
    assert one.elements(with_remaining=True)["NumberOfRemainingSuboperations"] == 2


def test_counters_never_wrap() -> None:
    one = SuboperationCounters(MOST, completed=MOST + 5, failures=MOST + 5, warnings=MOST + 5)
    assert set(one.elements(with_remaining=True).values()) == {MOST, 0}


@pytest.mark.parametrize("request_", [CGetRQ(7, "1.2.3"), CMoveRQ(65535, "1.2.34", "THERE")])
@pytest.mark.parametrize("numbers", [(0, 0, 0, 0), (4, 3, 2, 1), (MOST,) * 4])
def test_pending_responses_are_those_that_are_encoded_one_by_one(request_, numbers) -> None:
    elements = dict(zip(COUNTERS, numbers, strict=True))
    whole = request_.response(PENDING, elements).encode(False)
    assert PendingResponses(request_).encode(*numbers) == whole


def test_a_pending_response_has_the_counters_and_none_wraps() -> None:
    pending = PendingResponses(CGetRQ(7, "1.2.3"))
    one = tally(6, SUCCESS, SUCCESS, WARNING, FAILURE)
    assert pending.of(one) == pending.encode(2, 2, 1, 1)
    many = SuboperationCounters(MOST, completed=MOST + 5, failures=MOST + 5, warnings=MOST + 5)
    assert pending.of(many) == pending.encode(0, MOST, MOST, MOST)
