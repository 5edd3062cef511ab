"""Who gives way when something runs short: addresses first, titles within one address."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from gateway.acceptor.budget import MUCH, Budget, UnfinishedAsk
from gateway.acceptor.places import Board, Places
from gateway.acceptor.requests import _slow_down
from gateway.acceptor.shares import Holder, Ledger, Origins, Pace
from gateway.memory import give_back_memory
from gateway.settings import LimitsSettings
from tests.patience import WALL

if TYPE_CHECKING:
    from pathlib import Path

A, B, C = Holder("10.0.0.1", "A"), Holder("10.0.0.2", "B"), Holder("10.0.0.3", "C")
TRUSTED = Holder("", "T")


def ledger(**amounts: int) -> Ledger:
    """Return a ledger with amounts by `address_title`."""
    made = Ledger()
    for name, amount in amounts.items():
        made.add(Holder(*name.split("_")), amount)
    return made


@pytest.mark.parametrize(
    ("held", "newcomer", "gives_way"),
    [
        ({}, "a_x", None),
        ({"a_x": 5}, "b_y", ("a", "x")),
        ({"a_x": 5, "c_z": 9}, "b_y", ("c", "z")),
        ({"a_x": 3, "a_y": 4, "c_z": 6}, "b_y", ("a", "y")),
        ({"a_x": 5}, "a_x", None),
        ({"a_x": 5}, "a_y", ("a", "x")),
        ({"a_x": 1, "a_z": 1}, "a_y", None),
        ({"a_x": 5, "b_y": 4}, "b_y", None),
        ({"a_x": 6, "b_y": 4}, "b_y", ("a", "x")),
        ({"a_x": 5, "b_y": 5}, "b_z", ("b", "y")),
    ],
)
def test_the_greediest_gives_way_if_it_has_more_than_the_newcomer_would(
    held: dict[str, int], newcomer: str, gives_way: tuple[str, str] | None
) -> None:
    assert ledger(**held).greediest(Holder(*newcomer.split("_")), 1) == gives_way


def test_what_is_given_back_leaves_nothing() -> None:
    book = ledger(a_x=2, a_y=1)
    book.add(Holder("a", "x"), -2)
    book.add(Holder("a", "y"), -1)
    assert (book.total, book._addresses, book._titles) == (0, {}, {})


def test_trusted_addresses_give_way_to_nobody_but_get_in() -> None:
    book = Ledger()
    book.add(TRUSTED, 100)
    assert book.greediest(A, 1) is None
    book.add(A, 3)
    assert book.greediest(TRUSTED, 1) == A


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("192.168.1.9", "192.168.1.9"),
        ("::ffff:192.168.1.9", "192.168.1.9"),
        ("10.1.2.3", ""),
        ("::ffff:10.1.2.3", ""),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::2%eth0", "2001:db8::/64"),
        ("fd00::1", ""),
        ("", ""),
    ],
)
def test_the_address_that_a_peer_is_counted_by(host: str, origin: str) -> None:
    assert Origins(["10.0.0.0/8", "fd00::/16"]).of(host) == origin


class Sender:
    """Something that gathers, and may have to give way."""

    def __init__(self, holder: Holder) -> None:
        self.holder = holder
        self.gave_way = False

    def give_way(self) -> None:
        self.gave_way = True


def test_the_budget_is_shared_and_never_exceeded() -> None:
    budget = Budget(100)
    greedy = [Sender(A) for _ in range(10)]
    assert all(budget.take(one, 10) for one in greedy)
    assert not budget.take(greedy[0], 1), "it has most itself"
    modest = Sender(B)
    assert budget.take(modest, 15)
    assert sum(one.gave_way for one in greedy) == 2
    assert budget.used == 95
    for one in (*greedy, modest, modest):
        budget.give_back(one)
    assert budget.used == 0


def test_another_title_of_the_same_address_has_a_share_too() -> None:
    budget, greedy, other = Budget(100), Sender(A), Sender(Holder(A.address, "OTHER"))
    assert budget.take(greedy, 100)
    assert budget.take(other, 10)
    assert greedy.gave_way


def test_what_a_worker_has_cannot_give_way() -> None:
    budget, greedy = Budget(100), Sender(A)
    assert budget.take(greedy, 100)
    budget.complete(greedy)
    assert not budget.take(Sender(B), 10)
    assert not greedy.gave_way


def test_memory_is_given_back_once_much_of_it_is_free() -> None:
    released: list[int] = []
    budget = Budget(4 * MUCH, lambda: released.append(budget.used))
    big, small = Sender(A), Sender(B)
    for _ in range(3):
        assert budget.take(small, 10)
        budget.give_back(small)
    assert released == []
    assert budget.take(big, 2 * MUCH)
    assert budget.take(small, 10)
    budget.give_back(big)
    assert released == []
    budget.give_back(small)
    assert released == [0]
    give_back_memory()


def test_an_unfinished_request_for_an_association_is_in_the_budget() -> None:
    budget, closed = Budget(100), []
    asks = [UnfinishedAsk(budget, Holder("a"), lambda n=n: closed.append(n)) for n in range(3)]
    for ask in asks:
        ask.grown(20)
        ask.grown(40)
    assert closed == [2]
    asks[2].over()
    UnfinishedAsk(budget, Holder("b"), lambda: closed.append("b")).grown(30)
    assert len(closed) == 2
    assert "b" not in closed


class Seat:
    """An association with a place."""

    def __init__(self, places: Places, holder: Holder, heard: float = 0.0) -> None:
        self.holder = holder
        self.transport: Any = SimpleNamespace(last_received=heard)
        self.why = ""
        self._places = places

    def abort(self, why: str) -> None:
        self.why = why
        self._places.leave(self)


def seated(places: Places, holder: Holder, *heard: float) -> list[Seat]:
    seats = [Seat(places, holder, time) for time in heard]
    for seat in seats:
        assert places.find_room(holder)
        places.take(seat)
    return seats


def test_the_limit_is_that_of_all_acceptors(tmp_path: Path) -> None:
    limits = LimitsSettings()
    one, two = (Places(Board(tmp_path / "run", n, 2), 3, limits) for n in (0, 1))
    seated(one, A, 1.0)
    seated(two, B, 1.0)
    (last,) = seated(two, C, 1.0)
    assert not one.find_room(Holder("10.0.0.9", "D"))
    two.leave(last)
    assert one.find_room(Holder("10.0.0.9", "D"))
    again = Places(Board(tmp_path / "run", 1, 2), 3, limits)
    assert again._board.all == 1, "what a killed acceptor had is not counted"


def test_places_of_acceptors_that_a_killed_gateway_had_are_free(tmp_path: Path) -> None:
    for index in range(4):
        seated(Places(Board(tmp_path, index, 4), 100, LimitsSettings()), A, 1.0, 2.0)
    assert Board(tmp_path, 0, 4).all == 6
    places = Places(Board(tmp_path, 0, 1), 1, LimitsSettings())
    assert places.find_room(B)


def test_at_the_limit_the_one_silent_longest_of_the_greediest_gives_way(tmp_path: Path) -> None:
    places = Places(Board(tmp_path, 0), 4, LimitsSettings())
    seats = seated(places, A, 5.0, 2.0, 7.0)
    (healthy,) = seated(places, Holder(A.address, "HEALTHY"), 1.0)
    assert places.find_room(B)
    assert [bool(seat.why) for seat in (*seats, healthy)] == [False, True, False, False]
    assert "4 of 4 associations are from 10.0.0.1" in seats[1].why


def test_a_fixed_limit_holds_while_there_are_places(tmp_path: Path) -> None:
    limits = LimitsSettings(associations_per_address=3, associations_per_title=2)
    places = Places(Board(tmp_path, 0), 100, limits)
    seated(places, A, 1.0, 2.0)
    assert not places.find_room(A)
    seated(places, Holder(A.address, "OTHER"), 1.0)
    assert not places.find_room(Holder(A.address, "THIRD"))
    assert places.find_room(B)
    seated(places, TRUSTED, 1.0, 2.0, 3.0, 4.0)


def test_a_pace_lets_a_second_of_steps_pass_and_then_one_after_another() -> None:
    pace = Pace(4.0)
    assert all(pace.wait("a", 10.0) <= 0 for _ in range(4))
    assert [pace.wait("a", 10.0) for _ in range(3)] == [0.25, 0.5, 0.75]
    assert pace.wait("b", 10.0) <= 0, "each address has its own"
    assert pace.wait("a", 10.75) == 0.25, "it has waited, and took one step more"
    assert all(pace.wait("a", 60.0) <= 0 for _ in range(4)), "no more than a second is saved"
    assert pace.wait("a", 60.0) > 0


def test_a_trusted_network_has_no_pace_and_old_addresses_are_forgotten() -> None:
    pace = Pace(1.0)
    assert [pace.wait("", 0.0) for _ in range(9)] == [0.0] * 9
    for number in range(10_000):
        pace.wait(str(number), float(number))
    assert len(pace._due) <= 4096


def test_who_stores_too_fast_is_read_more_slowly() -> None:
    """Reading pauses, and goes on by itself; nothing is refused."""

    async def run() -> list[str]:
        seen: list[str] = []
        resumed = asyncio.Event()

        def resume(reason: str) -> None:
            seen.append(f"on {reason}")
            resumed.set()

        transport = SimpleNamespace(
            pause_reading=lambda reason: seen.append(f"off {reason}"), resume_reading=resume
        )
        peer: Any = SimpleNamespace(holder=A, engine=SimpleNamespace(transport=transport))
        pace = Pace(1000.0)
        for _ in range(1000):
            _slow_down(peer, pace)
        assert seen == []
        for _ in range(100):
            _slow_down(peer, pace)
            if seen:
                break
        async with asyncio.timeout(WALL):
            await resumed.wait()
        return seen

    assert asyncio.run(run()) == ["off pace", "on pace"]
