"""The admission of associations, before and after a worker was asked: only True admits."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.acceptor import admission
from gateway.acceptor.shares import Holder
from gateway.errors import Reason, Unanswered
from gateway.events import (
    EVT_ASSOCIATE,
    EVT_ASYNC_OPS,
    EVT_SOP_COMMON,
    EVT_SOP_EXTENDED,
    EVT_USER_ID,
)
from gateway.fabric import Answer, Binding
from gateway.policy_rules import Verdict
from gateway.ul.items import (
    AsyncOperationsWindow,
    SopClassCommonExtended,
    SopClassExtended,
    UserIdentityRQ,
    UserInformation,
)
from gateway.ul.negotiation import (
    LOCAL_LIMIT_EXCEEDED,
    TEMPORARY_CONGESTION,
    Answers,
    Policy,
    build_request,
)
from gateway.ul.pdu import AAssociateRJ
from tests.peers import wire

IDENTITY = UserIdentityRQ(2, True, b"me", b"secret")
NOT_ANSWERS = [None, 7, "yes", b"yes", {}, [], [True], [True, None, 1], {"value": True}, 1.0]


class Fabric:
    """Workers hold `held`; they answer with `answer`, or not at all."""

    def __init__(self, held=(), *, lost=(), answer: Any = None) -> None:
        self.held, self.lost, self.answer = held, lost, answer
        self.asked: list[str] = []

    def binding(self, event: str) -> Binding | None:
        return Binding(event) if event in self.held else None

    awaits_workers = False

    def is_held(self, event: str) -> bool:
        return event in self.held

    def is_lost(self, event: str) -> bool:
        return event in self.lost

    async def ask_once(
        self, event: str, payload: dict[str, Any], *, assoc: bytes, asker: str
    ) -> Answer:
        self.asked.append(event)
        if isinstance(self.answer, Exception):
            raise self.answer
        return Answer(self.answer, None, True)


def house(fabric: Fabric, *, draining=False, drained=False, is_low=False, require=()) -> Any:
    settings = SimpleNamespace(policy=SimpleNamespace(require=require), contexts=())
    policy = Policy(ae_title="GATEWAY", supported={wire.VERIFICATION: (wire.IMPLICIT,)}, max_pdu=0)
    return SimpleNamespace(
        fabric=fabric,
        draining=draining,
        drained=drained,
        watermark=SimpleNamespace(is_passed=is_low),
        settings=settings,
        policy=policy,
    )


def request(**information: Any):
    user = UserInformation(16384, "1.2", **information)
    return build_request("GATEWAY", "PEER", [(wire.VERIFICATION, (wire.IMPLICIT,))], user)


async def ask(event, answer: Any) -> Answers | AAssociateRJ:
    """Return the result of one answer to one event."""
    actor = SimpleNamespace(
        shared=house(Fabric(answer=answer)),
        engine=SimpleNamespace(name="test"),
        holder=Holder("10.0.0.1"),
        description=lambda: b"",
    )
    outcome = await admission.ask(actor, {event: {}})
    if isinstance(outcome, admission.Explained):
        assert outcome.why
        return outcome.rejection
    return outcome


def turn_away(place: Any, asked: Any) -> AAssociateRJ | None:
    """Return the rejection without asking a worker; it must be explained."""
    refusal = admission.turn_away(place, asked, Verdict("let in"))
    if refusal is None:
        return None
    assert refusal.why
    return refusal.rejection


@pytest.mark.parametrize("event", [EVT_ASSOCIATE, EVT_USER_ID], ids=str)
@pytest.mark.parametrize("value", NOT_ANSWERS, ids=repr)
def test_what_is_no_answer_lets_nobody_in(event, value: Any) -> None:
    assert asyncio.run(ask(event, {"value": value})) == TEMPORARY_CONGESTION


@pytest.mark.parametrize("event", [EVT_ASSOCIATE, EVT_USER_ID], ids=str)
@pytest.mark.parametrize("reason", [Reason.BUSY, Reason.LOST, Reason.LATE])
def test_no_answer_lets_nobody_in(event, reason: Reason) -> None:
    assert asyncio.run(ask(event, Unanswered(reason, "why"))) == TEMPORARY_CONGESTION


@pytest.mark.parametrize("event", [EVT_ASSOCIATE, EVT_USER_ID], ids=str)
def test_a_handler_that_failed_lets_nobody_in(event) -> None:
    answer = {"failed": "raised", "value": [True, None]}
    assert asyncio.run(ask(event, answer)) == TEMPORARY_CONGESTION


@pytest.mark.parametrize(
    ("value", "rejection"),
    [
        (False, (1, 1, 1)),
        ([1, 1, 3], (1, 1, 3)),
        ([2, 3, 1], (2, 3, 1)),
        ([3, 1, 1], (2, 3, 1)),
        ([1, 4, 1], (2, 3, 1)),
        ([1, 1, 256], (2, 3, 1)),
        ([0, 0, 0], (2, 3, 1)),
        ([1, 1], (2, 3, 1)),
    ],
)
def test_admission_refused(value: Any, rejection) -> None:
    outcome = asyncio.run(ask(EVT_ASSOCIATE, {"value": value}))
    assert outcome == AAssociateRJ(*rejection)


def test_admitted() -> None:
    assert asyncio.run(ask(EVT_ASSOCIATE, {"value": True})) == Answers()


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("reply", [None, b"", b"token"])
def test_identity(verified: bool, reply) -> None:
    outcome = asyncio.run(ask(EVT_USER_ID, {"value": [verified, reply]}))
    assert outcome == Answers(user_identity=(verified, reply))


@pytest.mark.parametrize("event", [EVT_ASYNC_OPS, EVT_SOP_EXTENDED, EVT_SOP_COMMON], ids=str)
@pytest.mark.parametrize("value", [v for v in NOT_ANSWERS if v != {}], ids=repr)
def test_what_may_be_agreed_on_is_not(event, value: Any) -> None:
    outcome = asyncio.run(ask(event, {"value": value}))
    assert isinstance(outcome, Answers)
    assert outcome.async_ops is None
    assert not outcome.sop_extended


def test_nobody_bound_any_more_leaves_it_to_the_policy() -> None:
    assert asyncio.run(ask(EVT_ASSOCIATE, Unanswered(Reason.NOBODY, "left"))) == Answers()


def test_only_what_is_proposed_is_asked_about_and_admission_first() -> None:
    everything = [
        EVT_USER_ID,
        EVT_ASYNC_OPS,
        EVT_SOP_EXTENDED,
        EVT_SOP_COMMON,
        EVT_ASSOCIATE,
    ]
    place = house(Fabric([event.name for event in everything]))
    assert list(admission.questions(place, request())) == [EVT_ASSOCIATE]
    full = request(
        user_identity=IDENTITY,
        async_ops=AsyncOperationsWindow(8, 1),
        sop_class_extended=(SopClassExtended(wire.CT, b"x"),),
        sop_class_common_extended=(SopClassCommonExtended(wire.CT, "1.2", ()),),
    )
    asked = list(admission.questions(place, full))
    assert asked[0] is EVT_ASSOCIATE
    assert set(asked) == set(everything)
    assert not admission.questions(house(Fabric()), full)
    one = request(async_ops=AsyncOperationsWindow(1, 1))
    assert list(admission.questions(place, one)) == [EVT_ASSOCIATE]


@pytest.mark.parametrize(
    ("place", "rejection"),
    [
        (house(Fabric()), None),
        (house(Fabric(), draining=True), TEMPORARY_CONGESTION),
        (house(Fabric(), drained=True), TEMPORARY_CONGESTION),
        (house(Fabric(), is_low=True), None),
        (house(Fabric(), require=["EVT_ASSOCIATE"]), TEMPORARY_CONGESTION),
        (house(Fabric(["EVT_ASSOCIATE"]), require=["EVT_ASSOCIATE"]), None),
        (house(Fabric(lost=["EVT_ASSOCIATE"])), TEMPORARY_CONGESTION),
        (house(Fabric(lost=["EVT_USER_ID"])), None),
        (house(Fabric(lost=["EVT_C_STORE", "EVT_ASYNC_OPS"])), None),
    ],
)
def test_turned_away_without_asking(place, rejection) -> None:
    assert turn_away(place, request()) == rejection


def test_a_low_disk_turns_away_those_that_only_store() -> None:
    storing = build_request(
        "GATEWAY",
        "PEER",
        [(wire.VERIFICATION, (wire.IMPLICIT,)), (wire.CT, (wire.IMPLICIT,))],
        UserInformation(16384, "1.2"),
    )
    assert turn_away(house(Fabric(), is_low=True), storing) == LOCAL_LIMIT_EXCEEDED


def test_an_identity_is_not_taken_on_trust_once_who_checked_it_was_killed() -> None:
    place = house(Fabric(lost=["EVT_USER_ID"]))
    assert turn_away(place, request(user_identity=IDENTITY)) == TEMPORARY_CONGESTION
