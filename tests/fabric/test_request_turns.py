"""What a worker can do is shared between the addresses that ask."""

from __future__ import annotations

import pytest

from gateway.settings import FabricSettings
from tests.fabric.bench import Bench
from tests.fabric.world import ECHO, FIND

GREEDY, OTHER, THIRD = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def find(bench: Bench, asker: str) -> list[str]:
    return bench.ask("EVT_C_FIND", asker=asker)


def in_hand(bench: Bench) -> list[str]:
    members = bench.registry.members.values()
    return sorted(one.asker for member in members for one in member.in_hand.values())


def test_requests_of_one_address_never_use_up_a_worker() -> None:
    bench = Bench()
    bench.register("a", "w", FIND, credit=8)
    for _ in range(20):
        find(bench, GREEDY)
    assert in_hand(bench) == [GREEDY] * 7
    assert find(bench, OTHER) == ["a<REQUEST1"]
    assert in_hand(bench) == [GREEDY] * 7 + [OTHER]


def test_the_last_place_is_kept_over_all_members() -> None:
    bench = Bench()
    for peer in "ab":
        bench.register(peer, "w", FIND, credit=3)
    for _ in range(9):
        find(bench, GREEDY)
    assert in_hand(bench) == [GREEDY] * 5
    find(bench, OTHER)
    assert in_hand(bench) == [GREEDY] * 5 + [OTHER]


def test_requests_that_nobody_awaits_any_more_count_as_their_peers() -> None:
    bench = Bench()
    bench.register("a", "w", FIND, credit=4)
    for _ in range(3):
        find(bench, GREEDY)
        bench.seen(bench.registry.abandon(bench.calls[-1]))
    assert find(bench, GREEDY) == []
    assert find(bench, OTHER) == ["a<REQUEST1"]


@pytest.mark.parametrize("credit", [1, 2])
@pytest.mark.parametrize("peers", ["a", "abcd"])
def test_members_of_few_places_keep_none(credit: int, peers: str) -> None:
    bench = Bench()
    for peer in peers:
        bench.register(peer, "w", FIND, credit=credit)
    for _ in range(9):
        find(bench, GREEDY)
    assert in_hand(bench) == [GREEDY] * credit * len(peers)


def test_an_address_that_is_not_counted_may_use_every_place() -> None:
    bench = Bench()
    bench.register("a", "w", FIND, credit=8)
    for _ in range(20):
        find(bench, "")
    assert in_hand(bench) == [""] * 8


def test_addresses_are_served_in_turn_and_each_in_its_order() -> None:
    bench = Bench()
    bench.register("a", "w", FIND, credit=1)
    find(bench, GREEDY)
    for _ in range(3):
        find(bench, GREEDY)
    find(bench, OTHER)
    find(bench, THIRD)
    find(bench, OTHER)
    served = []
    for _ in range(6):
        assert bench.answer("a") == ["final", "a<REQUEST1"]
        served += [bench.calls.index(one) for one in bench.registry.members[b"a"].in_hand.values()]
    #  1 to 3 are of the greedy one, 4 and 6 of the other, 5 of the third
    assert served == [1, 4, 5, 2, 6, 3]


def test_a_kept_place_does_not_stop_what_may_go_out() -> None:
    """The greedy address waits, at the head of the queue; others pass it by."""
    bench = Bench()
    bench.register("a", "w", FIND, ECHO, credit=3)
    for _ in range(4):
        find(bench, GREEDY)
    assert in_hand(bench) == [GREEDY] * 2
    assert find(bench, OTHER) == ["a<REQUEST1"]
    assert bench.ask("EVT_C_ECHO", asker=THIRD) == []
    assert bench.answer("a", 0) == ["final", "a<REQUEST1"]
    assert in_hand(bench) == [GREEDY, OTHER, THIRD]


def test_in_a_full_queue_the_newest_of_the_greediest_gives_way() -> None:
    bench = Bench(FabricSettings(queue=3))
    bench.register("a", "w", FIND, credit=1)
    for _ in range(4):
        find(bench, GREEDY)
    assert find(bench, GREEDY) == ["fail BUSY"]
    assert bench.calls[4].closed
    assert find(bench, OTHER) == ["fail BUSY"]
    assert [one.closed for one in bench.calls] == [False, False, False, True, True, False]
    find(bench, THIRD)
    assert [one.closed for one in bench.calls] == [False] * 2 + [True] * 3 + [False] * 2
    assert find(bench, "10.0.0.4") == ["fail BUSY"]  # nobody has more than it would have
    assert bench.calls[-1].closed
