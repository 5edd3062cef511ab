"""Totals over processes that come, go and start anew."""

from gateway.collector import SILENCE, Collector
from gateway.metrics import Distribution, Metrics
from tests.clock import Clock


def told(count: int, gauge: float = 0) -> list:
    made = Metrics()
    made.counter("c_total", "Some.", "peer").add(count, "A")
    made.gauge("g", "Now.", "process").set(gauge, "p")
    for _ in range(count):
        made.histogram("h_seconds", "Time.").observe(0.5)
    return made.tell()


def total(collector: Collector) -> float:
    (found,) = (m for m in collector.metrics() if m.name == "c_total")
    (value,) = found.series.values()
    assert not isinstance(value, Distribution)
    return value


def durations(collector: Collector) -> int:
    (found,) = (m for m in collector.metrics() if m.name == "h_seconds")
    (value,) = found.series.values()
    assert isinstance(value, Distribution)
    return value.count


def test_a_later_total_of_a_process_replaces_the_former() -> None:
    collector = Collector()
    collector.take("acceptor-0", 1.0, told(2))
    collector.take("acceptor-0", 1.0, told(5))
    assert total(collector) == durations(collector) == 5


def test_processes_are_added() -> None:
    collector = Collector()
    collector.take("acceptor-0", 1.0, told(2))
    collector.take("acceptor-1", 1.5, told(3))
    assert total(collector) == durations(collector) == 5
    assert collector.processes() == ["acceptor-0", "acceptor-1"]


def test_a_total_never_falls_when_a_process_starts_anew() -> None:
    collector = Collector()
    collector.take("acceptor-0", 1.0, told(7))
    collector.take("acceptor-0", 2.0, told(1))
    collector.take("acceptor-0", 3.0, told(1))
    assert total(collector) == durations(collector) == 9


def test_a_gauge_of_a_process_that_is_gone_is_not_told_for_ever() -> None:
    clock = Clock()
    collector = Collector(clock)
    collector.take("acceptor-0", 1.0, told(1, gauge=4))
    assert "g" in {m.name for m in collector.metrics()}
    clock.now += SILENCE + 1
    assert "g" not in {m.name for m in collector.metrics()}
    assert total(collector) == 1
    assert collector.processes() == []


def test_a_metric_that_contradicts_another_changes_nothing() -> None:
    collector = Collector()
    collector.take("acceptor-0", 1.0, told(2))
    other = Metrics()
    other.counter("c_total", "Some.", "another label").add(100, "A")
    collector.take("stranger-0", 1.0, other.tell())
    assert total(collector) == 2
