"""What a request and its A-ASSOCIATE-AC agree on, for either side (PS3.8 7.1, PS3.7 D.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.ul.fsm import Side
from gateway.ul.items import ContextResult
from gateway.ul.negotiation import AcceptedContext, least

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.ul.items import PresentationContextAC, PresentationContextRQ, RoleSelection
    from gateway.ul.pdu import AAssociateAC, AAssociateRQ


def misplaced_answers(request: AAssociateRQ, acceptance: AAssociateAC) -> list[str]:
    """Return what is wrong in an A-ASSOCIATE-AC with answers to contexts, a sentence for each.

    Each costs its context, and not the association (`accepted_contexts`).
    """
    proposed = {context.id: context for context in request.presentation_contexts}
    texts = []
    for context_id, answers in _answers_by_id(acceptance).items():
        if context_id not in proposed:
            texts.append(f"context {context_id} was not proposed")
        elif len(answers) > 1:
            texts.append(f"context {context_id} has {len(answers)} different answers")
        elif not _is_usable(proposed[context_id], answers[0]) and not answers[0].result:
            texts.append(f"context {context_id}: its transfer syntax was not proposed")
    return texts


def _answers_by_id(acceptance: AAssociateAC) -> dict[int, list[PresentationContextAC]]:
    """Return the different answers to each context: there should be one."""
    by_id: dict[int, list[PresentationContextAC]] = {}
    for answer in acceptance.presentation_contexts:
        answers = by_id.setdefault(answer.id, [])
        if answer not in answers:
            answers.append(answer)
    return by_id


def _is_usable(proposed: PresentationContextRQ, answer: PresentationContextAC) -> bool:
    is_accepted = answer.result == ContextResult.ACCEPTANCE
    return is_accepted and answer.transfer_syntax in proposed.transfer_syntaxes


def accepted_contexts(
    request: AAssociateRQ, acceptance: AAssociateAC, side: Side
) -> dict[int, AcceptedContext]:
    """Return the accepted contexts by their ID, with the roles of `side` (PS3.7 D.3.3.4).

    A context is not among them if it was not proposed, is accepted with a transfer syntax that was
    not, or has two different answers: the peer's error costs that context only.
    """
    proposed = {context.id: context for context in request.presentation_contexts}
    roles = _agreed_roles(request.user_information.roles, acceptance.user_information.roles)
    accepted = {}
    for context_id, answers in _answers_by_id(acceptance).items():
        context, answer = proposed.get(context_id), answers[0]
        if context is None or len(answers) > 1 or not _is_usable(context, answer):
            continue
        # Without role selection the requestor is SCU and the acceptor is SCP.
        scu, scp = roles.get(context.abstract_syntax, (True, False))
        if side is Side.ACCEPTOR:
            scu, scp = scp, scu
        accepted[answer.id] = AcceptedContext(
            answer.id, context.abstract_syntax, answer.transfer_syntax, scu, scp
        )
    return accepted


def _agreed_roles(
    proposed: Iterable[RoleSelection], answered: Iterable[RoleSelection]
) -> dict[str, tuple[bool, bool]]:
    """Return the requestor's roles by SOP class: those that it proposed and was granted."""
    granted = {role.sop_class_uid: role for role in answered}
    return {
        role.sop_class_uid: (
            role.scu_role and granted[role.sop_class_uid].scu_role,
            role.scp_role and granted[role.sop_class_uid].scp_role,
        )
        for role in proposed
        if role.sop_class_uid in granted
    }


def agreed_async_ops(request: AAssociateRQ, acceptance: AAssociateAC) -> tuple[int, int]:
    """Return how many operations the requestor may (invoke, perform) at once; 0: any number
    (PS3.7 D.3.3.3).
    """
    proposed = request.user_information.async_ops
    answered = acceptance.user_information.async_ops
    if proposed is None or answered is None:
        return 1, 1
    return (
        least(proposed.invoked, answered.invoked),
        least(proposed.performed, answered.performed),
    )
