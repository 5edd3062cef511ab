"""The hours in which something is sent, such as "Mon-Fri 19:00-07:00", in local time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? )?"
    r"(?P<from>[0-9]{2}:[0-9]{2})-(?P<to>[0-9]{2}:[0-9]{2})",
    re.IGNORECASE,
)
_MINUTES = 24 * 60
_WEEK = 8
"""Days within which the next time begins, if there is any."""


class Hours(NamedTuple):
    """A time of certain days of the week; one that ends before it begins ends on the next day."""

    days: frozenset[int]
    """0: Monday. The days on which it begins."""
    begin: int
    """In minutes of the day."""
    end: int


def parse_hours(text: str) -> Hours:
    """Return the hours that a text states; raise ValueError."""
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a time such as 19:00-07:00")
    first = _day(found["first"] or "mon")
    last = _day(found["last"] or found["first"] or "sun")
    length = (last - first) % 7 + 1
    days = frozenset((first + number) % 7 for number in range(length))
    return Hours(days, _minutes(found["from"]), _minutes(found["to"]))


def is_hours(text: str) -> bool:
    """Return whether a text states hours."""
    try:
        parse_hours(text)
    except ValueError:
        return False
    return True


def seconds_until(hours: Sequence[Hours], now: datetime) -> float:
    """Return how long it takes until one of the hours has begun; 0.0: now, or there are none."""
    if not hours or any(_is_in(one, now) for one in hours):
        return 0.0
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    begins = (
        midnight + timedelta(days=ahead, minutes=one.begin)
        for ahead in range(_WEEK)
        for one in hours
        if (midnight + timedelta(days=ahead)).weekday() in one.days
    )
    return min((one - now).total_seconds() for one in begins if one > now)


def _is_in(hours: Hours, now: datetime) -> bool:
    minute = now.hour * 60 + now.minute
    length = (hours.end - hours.begin) % _MINUTES or _MINUTES
    for ago in (0, 1):
        since = minute + ago * _MINUTES - hours.begin
        if (now.weekday() - ago) % 7 in hours.days and 0 <= since < length:
            return True
    return False


def _day(name: str) -> int:
    try:
        return _DAYS.index(name.lower())
    except ValueError:
        raise ValueError(f"{name!r} is not a day of the week, such as Mon") from None


def _minutes(text: str) -> int:
    hour, minute = (int(part) for part in text.split(":"))
    if hour * 60 + minute > _MINUTES or minute > 59:
        raise ValueError(f"{text} is not a time of the day")
    return hour * 60 + minute
