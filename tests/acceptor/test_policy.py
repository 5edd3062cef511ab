"""Which contexts and roles are accepted, by what workers serve."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.acceptor.policy import policy_of
from gateway.policy_settings import PolicySettings
from gateway.settings import AcceptorSettings, ContextSettings
from gateway.uid import KEYWORDS
from gateway.ul.items import RoleSelection, UserInformation
from gateway.ul.negotiation import Answers, build_request, negotiate
from gateway.ul.pdu import AAssociateAC
from tests.peers import wire

VERIFICATION = wire.VERIFICATION
CT = KEYWORDS["CTImageStorage"]
STUDY_FIND = KEYWORDS["StudyRootQueryRetrieveInformationModelFind"]
STUDY_GET = KEYWORDS["StudyRootQueryRetrieveInformationModelGet"]
WORKLIST = KEYWORDS["ModalityWorklistInformationModelFind"]
COMMITMENT = KEYWORDS["StorageCommitmentPushModel"]
PRINT = KEYWORDS["BasicGrayscalePrintManagementMeta"]
UPS_EVENT = KEYWORDS["UnifiedProcedureStepEvent"]
UPS_PULL = KEYWORDS["UnifiedProcedureStepPull"]
PRIVATE = "1.2.840.99999.1"


class Workers:
    """Workers by event: the SOP classes that they name, or None."""

    def __init__(self, sends: tuple[str, ...] = (), **events: list[str] | None) -> None:
        self._events = {f"EVT_{name}": named for name, named in events.items()}
        self._sends = sends

    def serves(self, event: str, sop_class: str | None) -> bool:
        named = self._events.get(event, [])
        return named is None or (bool(named) if sop_class is None else sop_class in named)

    def sends(self, sop_class: str) -> bool:
        return sop_class in self._sends

    def names(self, sop_class: str) -> bool:
        return self.sends(sop_class) or any(sop_class in (n or ()) for n in self._events.values())


def answer(
    workers: Workers, *abstract: str, roles: dict[str, tuple[bool, bool]] | None = None, **more: Any
) -> tuple[list[int], dict[str, tuple[bool, bool]]]:
    """Return the results of the contexts, and the roles that were answered."""
    settings = AcceptorSettings(0, "GATEWAY", run_dir="", spool_dir="", **more)
    items = tuple(RoleSelection(uid, *wanted) for uid, wanted in (roles or {}).items())
    contexts = [(uid, (wire.IMPLICIT,)) for uid in abstract]
    request = build_request("GATEWAY", "PEER", contexts, UserInformation(0, roles=items))
    reply = negotiate(request, policy_of(settings, workers), Answers())
    assert isinstance(reply, AAssociateAC)
    granted = reply.user_information.roles
    return (
        [int(context.result) for context in reply.presentation_contexts],
        {role.sop_class_uid: (role.scu_role, role.scp_role) for role in granted},
    )


@pytest.mark.parametrize(
    ("workers", "sop_class", "result"),
    [
        (Workers(), VERIFICATION, 0),
        (Workers(), CT, 3),
        (Workers(C_STORE=None), CT, 0),
        (Workers(C_STORE=None), STUDY_FIND, 3),
        (Workers(C_STORE=None), PRIVATE, 3),
        (Workers(C_STORE=[PRIVATE]), PRIVATE, 0),
        (Workers(C_FIND=[STUDY_FIND]), STUDY_FIND, 0),
        (Workers(C_FIND=[STUDY_FIND]), WORKLIST, 3),
        (Workers(C_FIND=None), WORKLIST, 0),
        (Workers(C_FIND=None), STUDY_GET, 3),
        (Workers(C_GET=None), CT, 3),
        (Workers(N_ACTION=None), COMMITMENT, 0),
        (Workers(N_EVENT_REPORT=None), COMMITMENT, 3),
        (Workers(N_CREATE=None), PRINT, 0),
        (Workers(N_CREATE=[PRINT]), PRINT, 0),
        (Workers(C_FIND=None), UPS_PULL, 0),
        (Workers(N_SET=[UPS_PULL]), UPS_PULL, 0),
        (Workers(N_EVENT_REPORT=None), UPS_EVENT, 3),
        (Workers(sends=(UPS_EVENT,)), UPS_EVENT, 0),
        (Workers(sends=(CT,)), CT, 3),
    ],
)
def test_a_context_is_accepted_if_somebody_serves_it(
    workers: Workers, sop_class: str, result: int
) -> None:
    assert answer(workers, sop_class) == ([result], {})


@pytest.mark.parametrize(
    ("workers", "sop_class", "proposed", "result", "granted"),
    [
        (Workers(), VERIFICATION, (False, True), 0, None),
        (Workers(), VERIFICATION, (True, True), 0, (True, False)),
        (Workers(), VERIFICATION, (False, False), 0, None),
        (Workers(C_STORE=None), CT, (False, True), 0, None),
        (Workers(C_GET=[STUDY_GET]), CT, (False, True), 0, (False, True)),
        (Workers(C_GET=[STUDY_GET]), CT, (True, True), 0, (False, True)),
        (Workers(C_GET=[STUDY_GET]), CT, (True, False), 3, None),
        (Workers(C_GET=[STUDY_GET], C_STORE=None), CT, (True, True), 0, (True, True)),
        (Workers(C_GET=[STUDY_GET], C_STORE=None), STUDY_GET, (False, True), 0, None),
        (Workers(N_EVENT_REPORT=None), COMMITMENT, (False, True), 0, (False, True)),
        (Workers(N_EVENT_REPORT=[COMMITMENT]), COMMITMENT, (True, True), 0, (False, True)),
        (Workers(N_EVENT_REPORT=None), UPS_EVENT, (False, True), 0, (False, True)),
        (Workers(N_ACTION=None), COMMITMENT, (False, True), 0, None),
        (Workers(sends=(CT,)), CT, (False, True), 0, (False, True)),
        (Workers(sends=(COMMITMENT,)), COMMITMENT, (True, True), 0, (True, True)),
        (Workers(), CT, (False, True), 3, None),
    ],
)
def test_role_selection(
    workers: Workers,
    sop_class: str,
    proposed: tuple[bool, bool],
    result: int,
    granted: tuple[bool, bool] | None,
) -> None:
    found = answer(workers, sop_class, roles={sop_class: proposed})
    assert found == ([result], {} if granted is None else {sop_class: granted})


def test_unrestricted_lets_private_classes_in_only_for_storage_without_a_list() -> None:
    rules = PolicySettings(unrestricted=True)
    assert answer(Workers(C_STORE=None), PRIVATE, policy=rules) == ([0], {})
    assert answer(Workers(C_STORE=[CT]), PRIVATE, policy=rules) == ([3], {})
    assert answer(Workers(C_FIND=None), PRIVATE, policy=rules) == ([3], {})


def test_an_ae_decides_by_its_contexts_whatever_is_bound() -> None:
    contexts = (ContextSettings(WORKLIST, (wire.IMPLICIT,)),)
    workers = Workers(C_STORE=None)
    assert answer(workers, WORKLIST, CT, contexts=contexts) == ([0, 3], {})
