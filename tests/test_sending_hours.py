"""When something is sent: hours of days of the week, also over midnight."""

from __future__ import annotations

from datetime import datetime

import pytest

from gateway.sending_hours import is_hours, parse_hours, seconds_until

MONDAY = datetime(2026, 11, 30)


@pytest.mark.parametrize(
    ("hours", "day", "time", "seconds"),
    [
        ("09:00-17:00", 0, "09:00", 0),
        ("09:00-17:00", 0, "16:59", 0),
        ("09:00-17:00", 0, "17:00", 16 * 3600),
        ("09:00-17:00", 0, "08:30", 1800),
        ("19:00-07:00", 0, "23:00", 0),
        ("19:00-07:00", 0, "06:59", 0),
        ("19:00-07:00", 0, "07:00", 12 * 3600),
        ("Mon-Fri 19:00-07:00", 5, "06:00", 0),
        ("Mon-Fri 19:00-07:00", 0, "06:00", 13 * 3600),
        ("Mon-Fri 19:00-07:00", 5, "19:00", 48 * 3600),
        ("Sat 00:00-24:00", 5, "12:00", 0),
        ("fri-mon 08:00-09:00", 6, "08:30", 0),
        ("fri-mon 08:00-09:00", 1, "08:30", 3 * 86_400 - 1800),
        ("00:00-00:00", 3, "12:00", 0),
    ],
)
def test_the_time_until_the_hours_begin(hours: str, day: int, time: str, seconds: int) -> None:
    hour, minute = map(int, time.split(":"))
    now = MONDAY.replace(day=30, hour=hour, minute=minute)
    now = datetime.fromtimestamp(now.timestamp() + day * 86_400)
    assert seconds_until([parse_hours(hours)], now) == seconds


def test_the_earliest_of_several_counts_and_none_is_always() -> None:
    both = [parse_hours("12:00-13:00"), parse_hours("Mon 10:00-11:00")]
    assert seconds_until(both, MONDAY.replace(hour=9)) == 3600
    assert seconds_until([], MONDAY) == 0.0


@pytest.mark.parametrize("text", ["", "9:00-10:00", "Xyz 09:00-10:00", "09:00", "25:00-26:00"])
def test_what_is_not_a_time_is_refused(text: str) -> None:
    assert not is_hours(text)
