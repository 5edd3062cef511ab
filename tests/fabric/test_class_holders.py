"""Workers that share an event by SOP class."""

from __future__ import annotations

import pytest

from gateway.fabric.acceptor.class_holders import ClassHolders
from gateway.fabric.acceptor.lease import EventOwner
from gateway.fabric.wire.terms import Binding
from tests.fabric.bench import FIND, Bench

WORKLIST, STUDY, OTHER = "1.2.840.10008.5.1.4.31", "1.2.840.10008.5.1.4.1.2.2.1", "1.2.3"


def find(*sop_classes: str) -> Binding:
    return Binding("EVT_C_FIND", sop_classes=sop_classes)


def ask(bench: Bench, sop_class: str) -> list[str]:
    return bench.ask("EVT_C_FIND", sop_class=sop_class)


def test_the_sop_class_chooses_the_worker() -> None:
    bench = Bench()
    bench.register("a", "worklist", find(WORKLIST))
    bench.register("b", "query", find(STUDY))
    assert ask(bench, WORKLIST) == ["a<REQUEST1"]
    assert ask(bench, STUDY) == ["b<REQUEST1"]
    assert ask(bench, OTHER) == ["fail NOBODY"]
    assert bench.registry.binding("EVT_C_FIND", OTHER, bench.now) is None


@pytest.mark.parametrize("first", [0, 1])
def test_without_a_list_a_worker_takes_what_no_other_names(first: int) -> None:
    bench = Bench()
    both = [("a", "all", FIND), ("b", "worklist", find(WORKLIST))]
    for registration in (both[first], both[1 - first]):
        assert f"{registration[0]}<GRANT" in bench.register(*registration)
    assert ask(bench, WORKLIST) == ["b<REQUEST1"]
    assert ask(bench, STUDY) == ask(bench, OTHER) == ["a<REQUEST1"]


@pytest.mark.parametrize(
    ("held", "asked"),
    [
        (find(WORKLIST, STUDY), find(STUDY, OTHER)),
        (find(STUDY), find(STUDY)),
        (FIND, FIND),
    ],
)
def test_an_overlap_is_refused_with_the_holders_name(held: Binding, asked: Binding) -> None:
    bench = Bench()
    bench.register("a", "holder", held)
    assert bench.register("b", "rival", asked) == ["b<REFUSE held holder", "refused"]
    bench.bye("a")
    assert "b<GRANT" in bench.register("b", "rival", asked)


def test_the_same_worker_may_name_other_classes() -> None:
    bench = Bench()
    bench.register("a", "w", find(WORKLIST))
    bench.register("a", "w", find(STUDY))
    assert ask(bench, WORKLIST) == ["fail NOBODY"]
    assert ask(bench, STUDY) == ["a<REQUEST1"]
    assert "b<GRANT" in bench.register("b", "v", find(WORKLIST))
    bench.bye("b")
    assert ask(bench, WORKLIST) == ["fail NOBODY"]
    assert ask(bench, STUDY) == ["a<REQUEST1"]


def test_a_class_that_another_worker_gives_up_goes_to_the_one_without_a_list() -> None:
    bench = Bench()
    bench.register("a", "all", FIND)
    bench.register("b", "worklist", find(WORKLIST))
    bench.bye("b")
    assert ask(bench, WORKLIST) == ["a<REQUEST1"]


def test_what_waits_for_expected_workers_goes_to_the_one_that_names_it() -> None:
    bench = Bench(expect=("query", "worklist"))
    assert ask(bench, WORKLIST) == ask(bench, STUDY) == []
    assert bench.register("a", "query", find(STUDY)) == ["up", "a<GRANT", "a<REQUEST1"]
    assert bench.register("b", "worklist", find(WORKLIST)) == ["up", "b<GRANT", "b<REQUEST1"]


@pytest.mark.parametrize(
    ("binding", "sends"),
    [
        (find(), ()),
        (find("1" * 65), ()),
        (find(""), ()),
        (Binding("EVT_ASSOCIATE", sop_classes=(STUDY,)), ()),
        (Binding("EVT_STORE_TRANSFORM", sop_classes=(STUDY,)), ()),
        (find(*(f"1.{n}" for n in range(2049))), ()),
        (FIND, tuple(f"1.{n}" for n in range(2049))),
        (FIND, ("",)),
    ],
    ids=[
        "empty",
        "long",
        "empty UID",
        "negotiation",
        "transform",
        "many",
        "many sent",
        "empty sent",
    ],
)
def test_lists_that_are_wrong(binding: Binding, sends: tuple[str, ...]) -> None:
    assert Bench().register("a", "w", binding, sends=sends) == ["a<REFUSE invalid"]


def test_what_is_kept_for_private_classes_is_bounded() -> None:
    holders, owner = ClassHolders(), EventOwner("w", 1)
    holders.add(owner, FIND)
    assert all(holders[f"1.2.{n}"] is owner for n in range(2000))
    assert len(holders) < 1000


def test_several_workers_hold_an_event_each_under_its_own_name() -> None:
    bench = Bench()
    transform = Binding("EVT_STORE_TRANSFORM")
    assert "a<GRANT" in bench.register("a", "coerce", transform)
    assert "b<GRANT" in bench.register("b", "deidentify", transform)
    assert bench.ask("EVT_STORE_TRANSFORM", sop_class="deidentify") == ["b<REQUEST1"]
    assert bench.ask("EVT_STORE_TRANSFORM", sop_class="coerce") == ["a<REQUEST1"]
    assert bench.ask("EVT_STORE_TRANSFORM", sop_class="other") == ["fail NOBODY"]
    assert bench.ask("EVT_STORE_TRANSFORM", sop_class="") == ["fail NOBODY"]
    bench.bye("a")
    assert bench.ask("EVT_STORE_TRANSFORM", sop_class="coerce") == ["fail NOBODY"]
