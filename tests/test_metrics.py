"""Counters, gauges and histograms, and the form in which they travel."""

import math

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import metrics
from gateway.metrics import BOUNDS, MOST_SERIES, OTHER, Distribution, Metric, Metrics, bucket_of

DURATIONS = st.floats(0, 1000, allow_nan=False)


@given(DURATIONS)
def test_a_duration_is_in_the_bucket_below_whose_bound_it_is(seconds: float) -> None:
    bound = metrics.upper_bound(bucket_of(seconds))
    index = BOUNDS.index(bound)
    assert seconds < bound
    assert index == 0 or seconds >= BOUNDS[index - 1]


def test_bounds_rise_from_microseconds_to_infinity() -> None:
    assert list(BOUNDS) == sorted(set(BOUNDS))
    assert BOUNDS[0] < 20e-6
    assert BOUNDS[-2] == 48
    assert math.isinf(BOUNDS[-1])


@given(st.lists(DURATIONS), st.lists(DURATIONS))
def test_merged_distributions_are_that_of_all(first: list[float], second: list[float]) -> None:
    one, two, both = Distribution(), Distribution(), Distribution()
    for into, seconds in ((one, first), (two, second), (both, first + second)):
        for value in seconds:
            into.observe(value)
    one.merge(two)
    assert (one.buckets, one.count) == (both.buckets, both.count)
    assert one.total == pytest.approx(both.total)
    assert list(one.cumulative())[-1] == (math.inf, len(first + second))


def test_a_quantile_is_the_bound_of_its_bucket() -> None:
    found = Distribution()
    for _ in range(99):
        found.observe(0.001)
    found.observe(10.0)
    assert 0.001 < found.quantile(0.5) <= 0.0015
    assert found.quantile(0.99) == found.quantile(0.5)
    assert 10 < found.quantile(1) <= 12
    assert Distribution().quantile(0.5) == 0.0


def test_what_was_told_is_what_was_measured() -> None:
    made = Metrics()
    made.counter("c_total", "Some.", "calling").add(2, "A")
    made.gauge("g", "Other.").set(3)
    made.histogram("h_seconds", "Third.", "event").observe(0.25, "EVT_C_STORE")
    told = msgpack.unpackb(msgpack.packb(made.tell()))
    counter, gauge, histogram = metrics.read_all(told)
    assert (counter.kind, counter.name, counter.text) == ("counter", "c_total", "Some.")
    assert counter.series == {("A",): 2}
    assert gauge.series == {(): 3}
    found = histogram.series["EVT_C_STORE",]
    assert isinstance(found, Distribution)
    assert (found.count, found.total, found.buckets) == (1, 0.25, {bucket_of(0.25): 1})


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        ["counter", "n", "t", []],
        ["meter", "n", "t", [], []],
        ["counter", "n", "t", ["a"], [["x"]]],
        ["counter", "n", "t", ["a"], [["x", "no number"]]],
        ["histogram", "n", "t", [], [[1, 2.0]]],
        ["histogram", "n", "t", [], [[1, 2.0, [["x", "y"]]]]],
    ],
)
def test_what_is_no_metric_is_left_out(told: object) -> None:
    sound = ["gauge", "g", "t", [], [[1]]]
    assert [metric.name for metric in metrics.read_all([told, sound])] == ["g"]


def test_a_peer_cannot_make_a_metric_grow_without_end() -> None:
    counter = Metric("counter", "c_total", "Some.", ("calling", "called"))
    for number in range(2 * MOST_SERIES):
        counter.add(1, f"AE{number}", "GATEWAY")
    assert len(counter.series) == MOST_SERIES + 1
    assert counter.series[OTHER, OTHER] == MOST_SERIES
    counter.add(1, "AE0", "GATEWAY")
    assert counter.series["AE0", "GATEWAY"] == 2


def test_a_name_stands_for_one_metric() -> None:
    made = Metrics()
    counter = made.counter("c_total", "Some.", "a")
    assert made.counter("c_total", "Some.", "a") is counter
    with pytest.raises(ValueError, match="c_total is a counter with the labels"):
        made.gauge("c_total", "Some.", "a")
    with pytest.raises(ValueError, match="c_total is a counter with the labels"):
        made.counter("c_total", "Some.", "b")


def test_many_durations_are_counted_together_as_one_by_one():
    durations = [0.0, 1e-9, 1e-5, 0.003, 0.003, 0.75, 1.0, 63.9, 1e6]
    one_by_one, together = Distribution(), Distribution()
    for seconds in durations:
        one_by_one.observe(seconds)
    together.observe_all(durations)
    assert together.buckets == one_by_one.buckets
    assert (together.count, together.total) == (one_by_one.count, one_by_one.total)
