"""A child's part in a reload: it checks, and applies only what it has agreed to."""

from __future__ import annotations

from typing import Any

from gateway.errors import ConfigError
from gateway.orders import ReloadOrders


class Child:
    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self.in_force: dict[str, Any] = {}
        self.orders = ReloadOrders(1, self.report, self.prepare)

    def report(self, **fields: Any) -> None:
        self.reports.append(fields)

    def prepare(self, settings: dict[str, Any]) -> Any:
        if settings.get("wrong"):
            raise ConfigError("it is wrong")
        return lambda: self.in_force.update(settings)


def test_checked_and_then_applied() -> None:
    child = Child()
    child.orders.take({"check": {"a": 1}, "revision": 2})
    assert (child.in_force, child.orders.revision) == ({}, 1)
    child.orders.take({"apply": 2})
    assert (child.in_force, child.orders.revision) == ({"a": 1}, 2)
    assert child.reports == [{"checked": 2, "refused": ""}, {"applied": 2}]


def test_what_was_refused_or_replaced_by_another_is_never_applied() -> None:
    child = Child()
    child.orders.take({"check": {"wrong": True}, "revision": 2})
    child.orders.take({"apply": 2})
    child.orders.take({"check": {"a": 1}, "revision": 2})
    child.orders.take({"check": {"a": 3}, "revision": 3})
    child.orders.take({"apply": 2})
    assert child.in_force == {}
    assert child.reports[0] == {"checked": 2, "refused": "it is wrong"}


def test_other_orders_are_ignored() -> None:
    child = Child()
    child.orders.take({"drain": True})
    assert child.reports == []
