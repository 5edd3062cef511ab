"""The registry by stimulus and effect; the clock is an argument."""

from __future__ import annotations

import pytest

from gateway.fabric.acceptor.effects import Deliver
from gateway.fabric.acceptor.interventions import Intervention
from gateway.fabric.wire.terms import Binding
from gateway.settings import FabricSettings
from tests.fabric.bench import ECHO, FIND, STORE, Bench, Deaf

LOST_A = ["unwatch a", "lost"]


# -- registration


def test_a_registration_is_granted_and_told() -> None:
    assert Bench().register("a") == ["up", "a<GRANT"]


def test_a_local_process_is_watched() -> None:
    assert Bench().register("a", local=True) == ["watch a", "up", "a<GRANT"]


def test_another_name_is_refused_with_the_holders_name() -> None:
    bench = Bench()
    bench.register("a", "archive", STORE)
    assert bench.register("b", "rival", ECHO, STORE) == ["b<REFUSE held archive", "refused"]


def test_all_events_of_a_registration_or_none() -> None:
    bench = Bench()
    bench.register("a", "archive", STORE)
    bench.register("b", "rival", ECHO, STORE)
    assert bench.ask("EVT_C_ECHO") == ["fail NOBODY"]
    assert bench.register("c", "third", ECHO) == ["up", "c<GRANT"]


def test_a_vacant_name_still_holds_its_events() -> None:
    bench = Bench()
    bench.register("a", "archive")
    bench.die("a")
    assert bench.register("b", "rival") == ["b<REFUSE held archive", "refused"]
    bench.after(10)
    assert bench.register("b", "rival") == ["up", "b<GRANT"]


def test_a_name_that_left_holds_nothing() -> None:
    bench = Bench()
    bench.register("a", "archive")
    assert bench.bye("a") == ["unwatch a"]
    assert bench.register("b", "rival") == ["up", "b<GRANT"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"worker": ""},
        {"credit": 100_000},
        {"version": 99},
    ],
    ids=str,
)
def test_a_registration_that_is_wrong_in_itself(wrong: dict[str, object]) -> None:
    assert Bench().register("a", **wrong) == ["a<REFUSE invalid"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bindings", [(STORE, STORE), (Binding("EVT_RELEASED"),), (Binding("EVT_NONE"),)], ids=str
)
def test_bindings_that_are_wrong_in_themselves(bindings: tuple[Binding, ...]) -> None:
    assert Bench().register("a", "w", *bindings) == ["a<REFUSE invalid"]


def test_bind_and_unbind_live() -> None:
    bench = Bench()
    bench.register("a", "w", STORE)
    assert bench.register("a", "w", ECHO) == ["a<GRANT"]
    assert bench.ask("EVT_C_STORE") == ["fail NOBODY"]
    assert bench.ask("EVT_C_ECHO") == ["a<REQUEST1"]


def test_a_refused_change_leaves_the_old_grant() -> None:
    bench = Bench()
    bench.register("a", "w", STORE)
    bench.register("b", "other", ECHO)
    assert bench.register("a", "w", STORE, ECHO) == ["a<REFUSE held other", "refused"]
    assert bench.ask("EVT_C_STORE") == ["a<REQUEST1"]


def test_unbinding_fails_what_waits() -> None:
    bench = Bench()
    bench.register("a", "w", STORE, ECHO, credit=1)
    bench.ask("EVT_C_STORE")
    bench.ask("EVT_C_ECHO")
    assert bench.register("a", "w", STORE, credit=1) == ["fail NOBODY", "a<GRANT"]


def test_a_client_that_connects_anew_replaces_its_first_connection() -> None:
    bench = Bench()
    bench.register("a", instance="i")
    bench.ask()
    assert bench.register("b", instance="i") == [*LOST_A, "up", "b<GRANT", "b<REQUEST2"]


# -- giving out


def test_each_request_goes_to_the_member_with_most_free_credit() -> None:
    bench = Bench()
    bench.register("a", credit=2)
    bench.register("b", credit=3)
    assert [bench.ask()[0] for _ in range(5)] == [
        "b<REQUEST1",
        "a<REQUEST1",
        "b<REQUEST1",
        "a<REQUEST1",
        "b<REQUEST1",
    ]


def test_without_credit_requests_wait_in_order() -> None:
    bench = Bench()
    bench.register("a", "w", STORE, ECHO, credit=1)
    bench.ask()
    assert bench.ask("EVT_C_ECHO") == []
    assert bench.ask() == []
    assert bench.answer("a") == ["final", "a<REQUEST1"]
    assert bench.calls[1].member is not None
    assert bench.answer("a") == ["final", "a<REQUEST1"]
    assert bench.calls[2].member is not None


def test_a_member_gets_only_what_it_binds() -> None:
    bench = Bench()
    bench.register("a", "w", STORE)
    bench.register("b", "w", ECHO, credit=9)
    assert bench.ask("EVT_C_STORE") == ["a<REQUEST1"]


def test_nobody_is_a_failure_at_once() -> None:
    assert Bench().ask() == ["fail NOBODY"]


def test_a_full_queue_is_a_failure_at_once() -> None:
    bench = Bench(FabricSettings(queue=2))
    bench.register("a", credit=1)
    assert [bench.ask() for _ in range(4)] == [["a<REQUEST1"], [], [], ["fail BUSY"]]


def test_the_queue_is_bounded_by_event() -> None:
    bench = Bench(FabricSettings(queue=1))
    bench.register("a", "w", STORE, ECHO, credit=1)
    bench.ask()
    assert [bench.ask(), bench.ask("EVT_C_ECHO"), bench.ask()] == [[], [], ["fail BUSY"]]


# -- answers


def test_only_the_member_that_holds_the_token_can_answer() -> None:
    bench = Bench()
    bench.register("a", credit=2)
    bench.register("b", credit=1)
    bench.ask()
    assert bench.answer_token("b", bench.tokens["a"][0]) == []
    assert bench.answer("a") == ["final"]


def test_an_answer_without_a_lease_is_unknown() -> None:
    assert Bench().answer_token("a", "s.1.1") == ["a<UNKNOWN"]


def test_a_second_answer_changes_nothing() -> None:
    bench = Bench()
    bench.register("a")
    bench.ask()
    bench.answer("a")
    assert [bench.answer("a") for _ in range(5)] == [[]] * 5
    assert bench.ask() == ["a<REQUEST1"]


@pytest.mark.parametrize("token", ["", "nonsense", "s.9.1", "s.1.ff", "s.1.", "s.1.-1", "s.1.0"])
def test_three_foreign_tokens_in_a_minute_end_the_lease(token: str) -> None:
    bench = Bench()
    bench.register("a")
    bench.ask()
    assert bench.answer_token("a", token) == []
    assert bench.answer_token("a", token) == []
    assert bench.answer_token("a", token) == ["a<END", *LOST_A]
    assert bench.beat("a") == ["a<UNKNOWN"]
    assert bench.register("b") == ["up", "b<GRANT", "b<REQUEST2"]


def test_faults_that_are_far_apart_end_nothing() -> None:
    bench = Bench()
    bench.register("a")
    for _ in range(6):
        assert bench.seen(bench.registry.fault(b"a", bench.now)) == []
        bench.after(31, "a")


def test_an_undecodable_message_of_a_stranger_is_ignored() -> None:
    bench = Bench()
    assert bench.registry.fault(b"x", bench.now) == []


# -- several at once


def test_what_is_asked_at_once_goes_to_each_member_at_once() -> None:
    bench = Bench()
    bench.register("a", "w", STORE, ECHO, credit=2)
    bench.register("b", "w", STORE, ECHO, credit=2)
    asked = [Intervention("EVT_C_STORE", {}, b"", sink=Deaf()) for _ in range(5)]
    effects = bench.registry.ask(asked, bench.now)
    assert [type(effect) for effect in effects] == [Deliver, Deliver]
    assert bench.seen(effects) == ["a<REQUEST1"] * 2 + ["b<REQUEST1"] * 2
    assert asked[4].member is None
    assert bench.answer("b") == ["final", "b<REQUEST1"]


def test_each_of_several_has_its_own_deadline() -> None:
    bench = Bench()
    bench.register("a", "w", STORE, ECHO, credit=8)
    bench.ask_all("EVT_C_STORE", "EVT_C_ECHO", "EVT_C_STORE")
    assert bench.after(5, "a") == ["a<CANCEL late!", "fail LATE"]
    assert bench.answer("a", 0) == ["final"]
    assert bench.answer("a", 1) == []
    assert bench.after(25, "a") == ["a<CANCEL late!", "fail LATE"]


def test_several_answers_at_once() -> None:
    bench = Bench()
    bench.register("a", credit=3)
    bench.ask_all(*["EVT_C_STORE"] * 6)
    first, second, third = bench.tokens["a"]
    assert bench.answer_token("a", third, first) == ["final"] * 2 + ["a<REQUEST1"] * 2
    assert bench.answer_token("a", first, second, second) == ["final", "a<REQUEST1"]
    assert [call.closed for call in bench.calls] == [True] * 3 + [False] * 3


def test_of_several_answers_each_token_must_be_the_members_own() -> None:
    bench = Bench()
    bench.register("a", credit=4)
    bench.ask_all("EVT_C_STORE", "EVT_C_STORE")
    first, second = bench.tokens["a"]
    ended = ["final", "a<END", *LOST_A]
    assert bench.answer_token("a", first, "x", "y", "z", "0", second) == ended
    assert bench.register("b") == ["up", "b<GRANT", "b<REQUEST2"]


def test_what_is_lost_together_is_given_again_alone() -> None:
    bench = Bench()
    bench.register("a", credit=8)
    bench.register("b", credit=1)
    bench.ask_all(*["EVT_C_STORE"] * 3)
    assert bench.die("a") == [*LOST_A, "b<REQUEST2"]
    assert bench.answer("b") == ["final", "b<REQUEST2"]


def test_the_queue_is_bounded_for_several_as_well() -> None:
    bench = Bench(FabricSettings(queue=2))
    bench.register("a", credit=1)
    assert bench.ask_all(*["EVT_C_STORE"] * 4) == ["a<REQUEST1", "fail BUSY"]


def test_one_that_ended_before_it_was_given_goes_nowhere() -> None:
    bench = Bench()
    bench.register("a")
    asked = [Intervention("EVT_C_STORE", {}, b"", sink=Deaf()) for _ in range(2)]
    assert bench.registry.abandon(asked[0]) == []
    assert bench.seen(bench.registry.ask(asked, bench.now)) == ["a<REQUEST1"]
    assert asked[1].member is not None


# -- deadlines and cancels


def test_late_is_a_failure_with_a_cancel_and_costs_a_credit_until_it_is_put_down() -> None:
    bench = Bench()
    bench.register("a", "w", ECHO, credit=1)
    bench.ask("EVT_C_ECHO")
    assert bench.after(5, "a") == ["a<CANCEL late!", "fail LATE"]
    assert bench.ask("EVT_C_ECHO") == []
    assert bench.answer("a", 0) == ["a<REQUEST1"]


def test_a_late_answer_changes_nothing() -> None:
    bench = Bench()
    bench.register("a", "w", ECHO, credit=2)
    bench.ask("EVT_C_ECHO")
    bench.after(5, "a")
    assert bench.answer("a", 0, final=False) == []
    assert bench.answer("a", 0) == []
    assert bench.answer("a", 0) == []


def test_what_waits_is_late_too() -> None:
    bench = Bench()
    bench.register("a", "w", ECHO, credit=1)
    bench.ask("EVT_C_ECHO")
    bench.after(4, "a")
    bench.ask("EVT_C_ECHO")
    assert bench.after(1, "a") == ["a<CANCEL late!", "fail LATE"]
    assert bench.after(4, "a") == ["fail LATE"]


def test_an_abandoned_request_costs_a_credit_until_it_is_put_down() -> None:
    bench = Bench()
    bench.register("a", credit=1)
    bench.ask()
    bench.ask()
    assert bench.seen(bench.registry.abandon(bench.calls[0])) == ["a<CANCEL abandoned!"]
    assert bench.seen(bench.registry.abandon(bench.calls[0])) == []
    assert bench.answer("a", 0) == ["a<REQUEST1"]


def test_an_abandoned_request_that_waits_is_gone() -> None:
    bench = Bench()
    bench.register("a", credit=1)
    bench.ask()
    bench.ask()
    assert bench.seen(bench.registry.abandon(bench.calls[1])) == []
    assert bench.answer("a") == ["final"]


def test_a_cancel_still_awaits_the_answer() -> None:
    bench = Bench()
    bench.register("a", "w", FIND)
    bench.ask("EVT_C_FIND", window=4)
    assert bench.seen(bench.registry.cancel(bench.calls[0])) == ["a<CANCEL cancel"]
    assert bench.seen(bench.registry.cancel(bench.calls[0])) == []
    assert bench.answer("a", final=False) == ["part"]
    assert bench.answer("a") == ["final"]


def test_a_cancel_finds_a_request_that_still_waits() -> None:
    bench = Bench()
    bench.register("a", "w", FIND, credit=1)
    bench.ask("EVT_C_FIND", window=4)
    bench.ask("EVT_C_FIND", window=4)
    assert bench.seen(bench.registry.cancel(bench.calls[1])) == []
    assert bench.answer("a") == ["final", "a<REQUEST1", "a<CANCEL cancel"]


# -- streams


def test_the_deadline_runs_anew_at_each_answer() -> None:
    bench = Bench()
    bench.register("a", "w", FIND)
    bench.ask("EVT_C_FIND", window=9)
    for _ in range(4):
        assert bench.after(4, "a") == []
        assert bench.answer("a", final=False) == ["part"]
    assert bench.after(5, "a") == ["a<CANCEL late!", "fail LATE"]


def test_the_deadline_runs_anew_while_the_member_waits_for_others() -> None:
    bench = Bench()
    bench.register("a", "w", Binding("EVT_C_ECHO", deadline=5))
    bench.ask("EVT_C_ECHO")
    bench.after(4, "a")
    assert bench.extend("a") == []
    assert bench.after(4, "a") == []
    assert bench.after(1, "a") == ["a<CANCEL late!", "fail LATE"]
    assert bench.extend("a") == []
    assert bench.extend("b") == []


def test_a_member_without_credit_keeps_its_events_and_gets_nothing() -> None:
    bench = Bench()
    bench.register("a", "w", STORE)
    assert bench.register("a", "w", STORE, credit=0) == ["a<GRANT"]
    assert bench.ask() == []
    assert bench.register("b", "w", STORE) == ["up", "b<GRANT", "b<REQUEST1"]


def test_without_credit_no_member_is_late() -> None:
    bench = Bench()
    bench.register("a", "w", FIND)
    bench.ask("EVT_C_FIND", window=1)
    bench.answer("a", final=False)
    assert bench.after(60, "a") == []
    assert bench.seen(bench.registry.consumed(bench.calls[0], 1, bench.now)) == ["a<CREDIT 1"]
    assert bench.after(5, "a") == ["a<CANCEL late!", "fail LATE"]


def test_more_answers_than_credit_end_the_request() -> None:
    bench = Bench()
    bench.register("a", "w", FIND)
    bench.ask("EVT_C_FIND", window=1)
    assert bench.answer("a", final=False) == ["part"]
    assert bench.answer("a", final=False) == ["a<CANCEL abandoned!", "fail LOST"]


def test_a_single_answer_is_final() -> None:
    bench = Bench()
    bench.register("a")
    bench.ask()
    assert bench.answer("a", final=False) == ["a<CANCEL abandoned!", "fail LOST"]


def test_a_stream_that_began_is_not_given_again() -> None:
    bench = Bench()
    bench.register("a", "w", Binding("EVT_C_FIND", redeliver=True))
    bench.ask("EVT_C_FIND", window=4)
    bench.answer("a", final=False)
    assert bench.die("a") == [*LOST_A, "fail LOST"]


# -- takeover


def test_a_newer_generation_takes_over_at_once_and_the_old_one_finishes() -> None:
    bench = Bench()
    bench.register("a", credit=1)
    bench.ask()
    bench.ask()
    assert bench.register("b", generation=2) == [
        "a<SUPERSEDE",
        "superseded",
        "up",
        "b<GRANT",
        "b<REQUEST1",
    ]
    assert bench.answer("a") == ["final"]
    assert bench.ask() == ["b<REQUEST1"]
    assert bench.bye("a") == ["unwatch a"]
    assert bench.ask() == []


def test_an_older_generation_is_refused_also_after_the_newer_one_left() -> None:
    bench = Bench()
    bench.register("b", generation=2)
    assert bench.register("a", generation=1) == ["a<REFUSE superseded w"]
    bench.bye("b")
    assert bench.register("a", generation=1) == ["a<REFUSE superseded w"]


def test_a_superseded_member_that_dies_leaves_its_requests_to_the_newer_one() -> None:
    bench = Bench()
    bench.register("a")
    bench.ask()
    bench.register("b", generation=2)
    assert bench.die("a") == [*LOST_A, "b<REQUEST2"]


def test_promised_generations_are_never_the_same() -> None:
    bench = Bench()
    bench.register("a", generation=4)
    promise = bench.registry.generations.promise
    assert [promise("w"), promise("w"), promise("x")] == [5, 6, 1]
    assert bench.ask() == ["a<REQUEST1"]


# -- farewell


def test_after_a_bye_what_is_in_hand_is_answered_and_what_waits_fails() -> None:
    bench = Bench()
    bench.register("a", credit=1)
    bench.ask()
    bench.ask()
    assert bench.bye("a") == ["fail NOBODY"]
    assert bench.ask() == ["fail NOBODY"]
    assert bench.answer("a") == ["final", "unwatch a"]
    assert bench.beat("a") == ["a<UNKNOWN"]


def test_after_a_bye_the_other_members_go_on() -> None:
    bench = Bench()
    bench.register("a", credit=1)
    bench.ask()
    bench.register("b", credit=1)
    bench.ask()
    bench.ask()
    assert bench.bye("b") == []
    assert bench.answer("a") == ["final", "a<REQUEST1"]


def test_a_member_that_dies_after_its_bye_leaves_nothing_behind() -> None:
    bench = Bench()
    bench.register("a")
    bench.ask()
    bench.bye("a")
    assert bench.die("a") == [*LOST_A, "fail LOST"]


# -- death


@pytest.mark.parametrize("missed", [2.9, 3.0])
def test_three_missed_heartbeats_are_a_death(missed: float) -> None:
    bench = Bench()
    bench.register("a")
    assert bench.after(missed) == (LOST_A if missed >= 3 else [])


def test_every_message_is_a_sign_of_life() -> None:
    bench = Bench()
    bench.register("a")
    for _ in range(3):
        bench.ask()
        assert bench.after(2) == []
        bench.answer("a")
    assert bench.after(3) == LOST_A


def test_a_registry_that_was_held_up_blames_nobody() -> None:
    bench = Bench()
    bench.register("a")
    bench.now += 60
    assert bench.seen(bench.registry.tick(bench.now)) == []
    assert bench.after(3) == LOST_A


def test_after_a_death_new_requests_wait_for_the_restarted_worker() -> None:
    bench = Bench()
    bench.register("a", credit=8)
    assert bench.die("a") == LOST_A
    assert bench.ask() == []
    assert bench.register("b", credit=8) == ["up", "b<GRANT", "b<REQUEST1"]


def test_what_may_be_given_twice_is_given_again() -> None:
    bench = Bench()
    bench.register("a")
    bench.ask()
    bench.die("a")
    assert bench.register("b") == ["up", "b<GRANT", "b<REQUEST2"]
    assert bench.answer("b") == ["final"]


def test_what_may_not_be_given_twice_fails_at_once() -> None:
    bench = Bench()
    bench.register("a", "w", ECHO)
    bench.ask("EVT_C_ECHO")
    assert bench.die("a") == [*LOST_A, "fail LOST"]


def test_a_vacancy_ends() -> None:
    bench = Bench()
    bench.register("a")
    bench.ask()
    bench.die("a")
    bench.ask()
    assert bench.after(9.9) == []
    assert bench.after(0.2) == ["fail LOST", "fail LOST"]
    assert bench.ask() == ["fail NOBODY"]


def test_in_a_vacancy_each_request_keeps_its_own_deadline() -> None:
    bench = Bench()
    bench.register("a", "w", ECHO)
    bench.after(1, "a")
    bench.die("a")
    bench.ask("EVT_C_ECHO")
    assert bench.after(5) == ["fail LATE"]


def test_in_a_vacancy_the_queue_is_bounded() -> None:
    bench = Bench(FabricSettings(queue=1))
    bench.register("a")
    bench.die("a")
    assert [bench.ask(), bench.ask()] == [[], ["fail BUSY"]]


def test_the_binding_stands_while_its_worker_is_vacant() -> None:
    bench = Bench()
    bench.register("a")
    bench.die("a")
    assert bench.registry.binding("EVT_C_STORE", "", bench.now) == STORE
    bench.after(10)
    assert bench.registry.binding("EVT_C_STORE", "", bench.now) is None


def test_the_answer_of_a_dead_member_changes_nothing() -> None:
    bench = Bench()
    bench.register("a")
    bench.register("b", credit=1)
    bench.ask()
    token = bench.tokens["a"][0]
    bench.die("a")
    assert bench.answer_token("a", token) == ["a<UNKNOWN"]
    assert bench.answer("b") == ["final"]


def test_what_never_reached_a_dead_member_waits_for_another_one() -> None:
    """Whatever its binding says: nobody can have begun with it."""
    bench = Bench()
    bench.register("a", "w", ECHO)
    bench.ask_all("EVT_C_ECHO", "EVT_C_ECHO")
    reached, unsent = bench.calls
    unsent.unsent = True
    assert bench.die("a") == ["unwatch a", "lost", "fail LOST"]
    assert reached.closed
    assert not unsent.closed
    assert "b<REQUEST1" in bench.register("b", "w", ECHO)
    assert (unsent.deaths_alone, unsent.unsent) == (0, False)
    assert "fail LOST" in bench.die("b")


# -- suspects


def test_suspects_go_out_alone_and_nothing_beside_them() -> None:
    bench = Bench()
    bench.register("a", credit=3)
    for _ in range(3):
        bench.ask()
    bench.die("a")
    bench.ask()
    assert bench.register("b", credit=8) == ["up", "b<GRANT", "b<REQUEST2"]
    assert bench.ask() == []
    assert bench.answer("b") == ["final", "b<REQUEST2"]
    assert bench.answer("b") == ["final", "b<REQUEST2"]
    assert bench.answer("b") == ["final", "b<REQUEST1", "b<REQUEST1"]


def test_a_busy_member_is_kept_free_until_it_is_idle_and_the_others_go_on() -> None:
    bench = Bench()
    bench.register("a", credit=2)
    bench.ask()
    bench.ask()
    bench.register("b", credit=8)
    bench.ask()
    bench.register("c", credit=8)
    bench.ask()
    bench.ask()  # b and c have one or two in hand each
    bench.die("a")
    busy = bench.ask()
    assert busy == ["c<REQUEST1"] or busy == ["b<REQUEST1"]
    reserved = "b" if busy[0].startswith("c") else "c"
    last = []
    while "REQUEST2" not in "".join(last):
        last = bench.answer(reserved, 0)
        bench.tokens[reserved].pop(0)
    assert last == ["final", f"{reserved}<REQUEST2"]
    assert all(not word.startswith(reserved) for _ in range(4) for word in bench.ask())


def test_a_request_that_kills_two_members_alone_is_poisonous() -> None:
    bench = Bench()
    bench.register("a", credit=2)
    bench.ask()
    bench.ask()
    bench.die("a")
    bench.register("b")
    assert bench.die("b") == ["unwatch b", "lost"]
    assert bench.register("c") == ["up", "c<GRANT", "c<REQUEST2"]
    assert bench.answer("c") == ["final", "c<REQUEST3"]
    assert bench.die("c") == ["unwatch c", "lost", "fail LOST poisonous"]
    assert bench.register("d") == ["up", "d<GRANT"]


def test_a_member_that_hangs_does_not_keep_the_others_from_suspects() -> None:
    bench = Bench()
    bench.register("a", "w", STORE, ECHO, credit=8)
    bench.ask("EVT_C_ECHO")
    bench.after(5, "a")  # hangs
    bench.register("b", credit=1)
    bench.register("c", "w", STORE, ECHO, credit=9)
    bench.ask()
    assert bench.die("c") == ["unwatch c", "lost", "b<REQUEST2"]
    assert bench.ask() == ["a<REQUEST1"]


# -- starting


def test_expected_workers_are_waited_for() -> None:
    bench = Bench(expect=("w",))
    assert bench.registry.binding("EVT_C_STORE", "", bench.now) == Binding(
        "EVT_C_STORE", durable=True
    )
    assert bench.ask() == []
    assert bench.register("a") == ["up", "a<GRANT", "a<REQUEST1"]


def test_what_no_expected_worker_binds_fails_when_all_are_there() -> None:
    bench = Bench(expect=("w", "v"))
    bench.ask("EVT_C_FIND")
    assert bench.register("a") == ["up", "a<GRANT"]
    assert bench.register("b", "v", ECHO) == ["up", "b<GRANT", "fail NOBODY"]
    assert bench.registry.binding("EVT_C_FIND", "", bench.now) is None


def test_expectation_ends_with_the_grace() -> None:
    bench = Bench(expect=("w",))
    bench.ask()
    assert bench.after(10) == ["fail NOBODY"]
    assert bench.ask() == ["fail NOBODY"]


def test_an_expected_workers_queue_is_bounded() -> None:
    bench = Bench(FabricSettings(queue=1), expect=("w",))
    assert [bench.ask(), bench.ask()] == [[], ["fail BUSY"]]


def test_while_joining_only_incumbents_are_granted() -> None:
    bench = Bench(joining=True)
    assert bench.register("a", "rival") == ["a<REFUSE joining"]
    assert bench.ask() == []
    assert bench.register("b", "archive", incumbent=True) == ["up", "b<GRANT", "b<REQUEST1"]
    assert bench.register("a", "rival") == ["a<REFUSE held archive", "refused"]


def test_joining_ends_after_three_heartbeats() -> None:
    bench = Bench(joining=True)
    bench.after(3)
    assert bench.register("a") == ["up", "a<GRANT"]


def test_closing_fails_everything_that_is_open() -> None:
    bench = Bench()
    bench.register("a", credit=1)
    bench.ask()
    bench.ask()
    effects = bench.seen(bench.registry.close())
    assert effects == ["a<CANCEL abandoned!", "fail LOST", "fail LOST"]


def test_a_request_that_cannot_be_encoded_costs_nothing() -> None:
    bench = Bench()
    bench.register("a", credit=1)
    bench.ask()
    bench.ask()
    token = bench.tokens["a"][0]
    unsent = bench.registry.unsent(b"a", token, "too large", bench.now)
    assert bench.seen(unsent) == ["fail LOST", "a<REQUEST1"]


def test_the_next_due_time_is_never_later_than_a_heartbeat() -> None:
    bench = Bench()
    assert bench.registry.next_due(bench.now) == bench.now + 1
    bench.register("a", "w", Binding("EVT_C_ECHO", deadline=0.25))
    bench.ask("EVT_C_ECHO")
    assert bench.registry.next_due(bench.now) == bench.now + 0.25
    assert bench.registry.next_deadline() == bench.now + 0.25


# -- what is told


def test_the_queue_and_the_credit_of_a_worker_are_told() -> None:
    bench = Bench()
    bench.register("a", credit=2)
    assert bench.registry.describe()["w"] | {"generation": 0} == {
        "generation": 0,
        "members": 1,
        "waiting": 0,
        "credit": 2,
        "left": False,
        "events": ["EVT_C_STORE"],
    }
    bench.ask_all(*["EVT_C_STORE"] * 5)
    told = bench.registry.describe()["w"]
    assert (told["waiting"], told["credit"]) == (3, 0)
    assert [call.given_at for call in bench.calls] == [bench.now] * 2 + [0.0] * 3
    bench.now += 4
    bench.answer("a", 0)
    assert bench.calls[2].given_at == bench.now
    bench.die("a")
    told = bench.registry.describe()["w"]
    assert (told["members"], told["waiting"], told["credit"]) == (0, 4, 0)
