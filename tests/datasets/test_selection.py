"""Which accepted context messages of each SOP class go out on, the same for everyone who sends."""

from __future__ import annotations

from types import SimpleNamespace

import msgpack
import pytest

from gateway.datasets import NoContext, select_context
from gateway.datasets.syntaxes import UNCOMPRESSED, usable_syntaxes
from gateway.dimse.services import META_SOP_CLASSES, SERVICES
from gateway.requestor import NotAccepted, RequestorAssociation
from gateway.sdk import assoc
from gateway.uid import KEYWORDS, VERIFICATION
from gateway.ul.negotiation import AcceptedContext
from tests.peers import wire

UPS = {KEYWORDS[f"UnifiedProcedureStep{name}"] for name in ("Watch", "Pull", "Event", "Query")}
UPS_PUSH = KEYWORDS["UnifiedProcedureStepPush"]
ROLES = {"scu": (True, False), "scp": (False, True), "both": (True, True)}


def context(number: int, sop_class: str, syntax: str = wire.IMPLICIT, role: str = "scu"):
    return AcceptedContext(number, sop_class, syntax, *ROLES[role])


def carriers(sop_class: str) -> set[str]:
    """The other SOP classes whose contexts have its messages."""
    metas = {meta for meta, members in META_SOP_CLASSES.items() if sop_class in members}
    trials = {KEYWORDS[f"UnifiedProcedureStep{name}Trial"] for name in ("Watch", "Pull", "Event")}
    if sop_class == KEYWORDS["UnifiedProcedureStepPushTrial"]:
        return trials
    return UPS if sop_class == UPS_PUSH else metas


def by_selection(contexts: list[AcceptedContext], sop_class: str) -> int | None:
    try:
        return select_context(contexts, sop_class).id
    except NoContext:
        return None


def by_requestor(contexts: list[AcceptedContext], sop_class: str) -> int | None:
    told = SimpleNamespace(
        accepted_contexts={one.id: one for one in contexts}, _why_not=lambda *_: "not accepted"
    )
    try:
        return RequestorAssociation.context_for(told, sop_class).id  # type: ignore[arg-type]
    except NotAccepted:
        return None


def by_sdk(contexts: list[AcceptedContext], sop_class: str) -> int | None:
    chosen: list[int] = []

    def call(*args, **_more):
        chosen.append(args[3]["context_id"])
        return Results()

    described = {
        "id": "0-1",
        "state": "established",
        "accepted_contexts": [
            [c.id, c.abstract_syntax, c.transfer_syntax, c.as_scu, c.as_scp] for c in contexts
        ],
    }
    seen = assoc.decode(msgpack.packb(described), call)
    try:
        seen.send_n_delete(sop_class, "1.2")
    except NoContext:
        return None
    return chosen[0]


class Results:
    """One response."""

    def __iter__(self):
        return iter([SimpleNamespace(payload={"status": 0}, data=None)])

    def close(self) -> None:
        pass


USERS = pytest.mark.parametrize("choose", [by_selection, by_requestor, by_sdk])


@USERS
@pytest.mark.parametrize("sop_class", sorted(SERVICES))
def test_every_service_has_its_own_context(choose, sop_class: str) -> None:
    contexts = [context(1, "1.2.3"), context(3, sop_class), context(5, sop_class)]
    assert choose(contexts, sop_class) == 3
    assert choose(contexts[:1], sop_class) is None


@USERS
@pytest.mark.parametrize("sop_class", sorted(SERVICES))
def test_what_carries_a_service_besides(choose, sop_class: str) -> None:
    for other in SERVICES:
        if other != sop_class:
            found = choose([context(1, other)], sop_class)
            assert found == (1 if other in carriers(sop_class) else None), other


@USERS
@pytest.mark.parametrize("other", sorted(UPS))
def test_a_context_of_its_own_comes_first(choose, other: str) -> None:
    contexts = [context(1, other), context(3, UPS_PUSH)]
    assert choose(contexts, UPS_PUSH) == 3
    assert choose(contexts[:1], UPS_PUSH) == 1


@USERS
def test_a_context_in_the_other_role_is_not_taken(choose) -> None:
    contexts = [context(1, VERIFICATION, role="scp"), context(3, VERIFICATION, role="both")]
    assert choose(contexts, VERIFICATION) == 3
    assert choose(contexts[:1], VERIFICATION) is None


@pytest.mark.parametrize(
    ("role", "expected"), [("scu", 3), ("scp", 1), (None, 1)], ids=["scu", "scp", "any"]
)
def test_roles(role, expected: int) -> None:
    contexts = [context(1, VERIFICATION, role="scp"), context(3, VERIFICATION)]
    assert select_context(contexts, VERIFICATION, role=role).id == expected


def test_the_first_transfer_syntax_that_is_accepted() -> None:
    contexts = [
        context(1, wire.CT, wire.JPEG_BASELINE),
        context(3, wire.CT, wire.IMPLICIT),
        context(5, wire.MR, wire.EXPLICIT),
        context(7, wire.CT, wire.DEFLATED),
    ]
    for own, expected in {wire.JPEG_BASELINE: 1, wire.EXPLICIT: 3, wire.DEFLATED: 7}.items():
        assert select_context(contexts, wire.CT, usable_syntaxes(own)).id == expected
    with pytest.raises(NoContext, match=r"MR Image Storage.*JPEG Baseline.* for the SCU role"):
        select_context(contexts, wire.MR, usable_syntaxes(wire.JPEG_BASELINE))


@pytest.mark.parametrize("syntax", UNCOMPRESSED)
def test_an_uncompressed_instance_can_be_sent_in_each_uncompressed_syntax(syntax: str) -> None:
    assert usable_syntaxes(syntax)[0] == syntax
    assert set(usable_syntaxes(syntax)) == set(UNCOMPRESSED)
    assert usable_syntaxes(wire.JPEG_BASELINE) == (wire.JPEG_BASELINE,)
