"""What counts as served, and for how long."""

from __future__ import annotations

from typing import Any

from gateway.fabric.acceptor.effects import AllKnown, Effect, WorkerKnown, WorkerLeft
from gateway.fabric.wire.terms import Binding
from gateway.settings import FabricSettings, RememberedWorker
from tests.fabric.bench import FIND, STORE, Bench

GRACE = 10.0
WORKLIST = "1.2.840.10008.5.1.4.31"
UPS_EVENT = "1.2.840.10008.5.1.4.34.6.4"
NAMED = Binding("EVT_C_FIND", sop_classes=(WORKLIST,))
RIS = RememberedWorker("ris", {"EVT_C_FIND": [WORKLIST]})


class Recording(Bench):
    """A registry, and what it reports."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(FabricSettings(lease_grace=GRACE), **kw)
        self.reports: list[Effect] = []

    def seen(self, effects: list[Effect]) -> list[str]:
        kinds = WorkerKnown | WorkerLeft | AllKnown
        self.reports += [effect for effect in effects if isinstance(effect, kinds)]
        return super().seen(effects)

    def serves(self, event: str, sop_class: str | None) -> bool:
        return self.registry.served.serves(event, sop_class, self.now)


def test_what_is_registered_is_served_and_reported_once() -> None:
    bench = Recording()
    bench.register("a", "ris", NAMED, sends=(UPS_EVENT,))
    bench.register("b", "ris", NAMED, sends=(UPS_EVENT,))
    assert bench.serves("EVT_C_FIND", WORKLIST)
    assert bench.serves("EVT_C_FIND", None)
    assert not bench.serves("EVT_C_FIND", "1.2.3")
    assert not bench.serves("EVT_C_MOVE", WORKLIST)
    assert bench.registry.served.sends(UPS_EVENT, bench.now)
    assert bench.registry.served.names(UPS_EVENT, bench.now)
    assert not bench.registry.served.sends(WORKLIST, bench.now)
    (known,) = bench.reports
    assert known == WorkerKnown(RememberedWorker("ris", {"EVT_C_FIND": [WORKLIST]}, (UPS_EVENT,)))


def test_without_a_list_everything_is_served() -> None:
    bench = Recording()
    bench.register("a", "all", FIND)
    assert bench.serves("EVT_C_FIND", "1.2.3")


def test_after_a_bye_it_is_served_for_the_grace() -> None:
    bench = Recording()
    bench.register("a", "ris", NAMED)
    bench.bye("a")
    assert bench.reports[-1] == WorkerLeft("ris")
    assert bench.serves("EVT_C_FIND", WORKLIST)
    bench.now += GRACE
    assert not bench.serves("EVT_C_FIND", WORKLIST)


def test_a_configured_worker_counts_for_ever() -> None:
    bench = Recording(expect=("ris",))
    bench.register("a", "ris", NAMED)
    bench.bye("a")
    bench.now += 100 * GRACE
    assert bench.serves("EVT_C_FIND", WORKLIST)


def test_a_death_changes_nothing() -> None:
    bench = Recording()
    bench.register("a", "ris", NAMED)
    bench.die("a")
    bench.after(GRACE + 1)
    assert "ris" not in bench.registry.owners
    assert bench.serves("EVT_C_FIND", WORKLIST)


def test_a_worker_that_comes_back_with_other_classes() -> None:
    bench = Recording()
    bench.register("a", "ris", NAMED)
    bench.bye("a")
    bench.register("b", "ris", STORE, generation=2)
    assert not bench.serves("EVT_C_FIND", WORKLIST)
    assert bench.serves("EVT_C_STORE", "1.2.3")


def test_what_an_earlier_acceptor_knew_is_served_from_the_start() -> None:
    leaving = RememberedWorker("old", {"EVT_C_STORE": None}, seconds=3.0)
    bench = Recording(expect=("ris",), remembered=(RIS, leaving))
    assert bench.registry.knows_all
    assert bench.serves("EVT_C_FIND", WORKLIST)
    assert bench.serves("EVT_C_STORE", "1.2.3")
    assert bench.ask("EVT_C_FIND", sop_class=WORKLIST) == [], "it waits for the worker"
    assert "a<REQUEST1" in bench.register("a", "ris", NAMED)
    bench.now += 3.0
    assert not bench.serves("EVT_C_STORE", "1.2.3")


def test_unknown_workers_are_waited_for_until_the_grace_is_over() -> None:
    bench = Recording(expect=("ris", "v"))
    assert not bench.registry.knows_all
    bench.register("a", "ris", NAMED)
    assert not bench.registry.knows_all
    bench.register("b", "v", STORE)
    assert bench.registry.knows_all
    assert bench.reports[-1] == AllKnown()
    late = Recording(expect=("ris",))
    late.after(GRACE)
    assert late.reports == [AllKnown()]
