from __future__ import annotations

import threading

import pytest

from tests.patience import WALL
from tests.peers import procfs
from workers.archive.in_batches import within
from workers.archive.work_ahead import work_ahead


def test_the_next_ones_are_ready_before_they_are_asked_for_and_no_more() -> None:
    done: list[int] = []
    results = work_ahead(lambda n: done.append(n) or n * n, iter(range(9)), 2)
    assert next(results) == (0, 0)
    procfs.until(lambda: len(done) == 3, what="two that are ready")
    assert list(results) == [(n, n * n) for n in range(1, 9)]
    assert done == list(range(9))


def test_items_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []
    results = work_ahead(lambda n: n, (taken.append(n) or n for n in range(100)), 3)
    next(results)
    assert taken == [0, 1, 2, 3]


def test_an_error_comes_in_place_of_the_item() -> None:
    def work(number: int) -> int:
        if number == 1:
            raise OSError("gone")
        return number

    results = work_ahead(work, range(3))
    assert next(results) == (0, 0)
    with pytest.raises(OSError, match="gone"):
        next(results)


def test_closed_it_does_not_wait_and_begins_no_more() -> None:
    begun, go_on = threading.Event(), threading.Event()
    done: list[int] = []

    def work(number: int) -> None:
        if number:
            begun.set()
            assert go_on.wait(WALL)
        done.append(number)

    results = work_ahead(work, range(9))
    next(results)
    assert begun.wait(WALL)
    results.close()
    go_on.set()
    procfs.until(lambda: done == [0, 1], what="the end of what was begun")


def test_lists_within_a_number_of_bytes() -> None:
    parts = within([[1, 2, 3], [9, 1], [], [4]], lambda n: n, 4)
    assert list(parts) == [[1, 2], [3], [9], [1], [4]]
