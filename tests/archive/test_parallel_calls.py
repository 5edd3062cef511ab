from __future__ import annotations

import threading

import pytest

from workers.archive.parallel_calls import ParallelCalls


@pytest.fixture
def threads():
    made = ParallelCalls(3, "test")
    yield made
    made.close()


@pytest.mark.parametrize("count", [1, 2, 4, 50])
def test_results_are_in_the_order_of_the_items(threads, count):
    for _ in range(20):
        assert threads.map(lambda n: n * n, range(count)) == [n * n for n in range(count)]


def test_the_caller_and_all_threads_work_at_once(threads):
    met = threading.Barrier(4)
    threads.map(lambda _: met.wait(10), range(4))


def test_an_exception_is_raised_once_all_items_are_done(threads):
    done = []

    def work(number: int) -> None:
        if number == 2:
            raise ValueError("two")
        done.append(number)

    with pytest.raises(ValueError, match="two"):
        threads.map(work, range(10))
    assert sorted(done) == [0, 1, 3, 4, 5, 6, 7, 8, 9]


def test_callers_in_several_threads_get_their_own_results(threads):
    results = {}

    def call(base: int) -> None:
        results[base] = threads.map(lambda n: base + n, range(20))

    callers = [threading.Thread(target=call, args=(base,)) for base in (100, 200, 300)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert results == {base: [base + n for n in range(20)] for base in (100, 200, 300)}


def test_without_a_further_thread_the_work_is_done_all_the_same(threads, monkeypatch):
    threads.map(lambda n: n, range(2))

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        assert threads.map(lambda n: n * n, range(10)) == [n * n for n in range(10)]
    met = threading.Barrier(4)
    threads.map(lambda _: met.wait(10), range(4))
