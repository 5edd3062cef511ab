"""Lists of what comes one by one: their lengths, their time, and an error."""

from __future__ import annotations

from itertools import count

import pytest

from workers.archive.in_batches import MOST, SECONDS, in_batches


def stopped() -> float:
    return 0.0


def test_lists_grow_to_the_most():
    lengths = [len(batch) for batch in in_batches(range(100), stopped)]
    assert lengths == [1, 2, 4, 8, 16, MOST, MOST, 5]


def test_nothing_is_lost_or_moved():
    assert [one for batch in in_batches(range(50), stopped) for one in batch] == list(range(50))


def test_a_list_ends_after_its_time():
    ticks = count()
    batches = in_batches(range(6), lambda: next(ticks) * 2 * SECONDS)
    assert [len(batch) for batch in batches] == [1] * 6


def test_what_came_before_an_error_is_given():
    def items():
        yield from range(4)
        raise ValueError("gone")

    given = []
    with pytest.raises(ValueError, match="gone"):
        given.extend(in_batches(items(), stopped))
    assert given == [[0], [1, 2], [3]]
