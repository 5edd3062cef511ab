"""Negotiation of presentation contexts without an association, for programs that predict it.

Public as `presentation.negotiate_as_acceptor` and so on. The rules are those of associations:
`gateway.ul.negotiation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.datasets.coding import any_uid
from gateway.dimse.services import service_of
from gateway.facade.negotiation_items import SCP_SCU_RoleSelectionNegotiation
from gateway.facade.presentation_contexts import PresentationContext
from gateway.ul.agreement import accepted_contexts
from gateway.ul.fsm import Side
from gateway.ul.items import (
    PresentationContextAC,
    PresentationContextRQ,
    RoleSelection,
    UserInformation,
)
from gateway.ul.negotiation import Answers, Policy, negotiate
from gateway.ul.pdu import AAssociateAC, AAssociateRQ

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.ul.negotiation import AcceptedContext

Contexts = Sequence[PresentationContext]
Roles = Mapping[str, tuple[bool | None, bool | None]] | None
Negotiated = tuple[list[PresentationContext], list[SCP_SCU_RoleSelectionNegotiation]]

DEFAULT_ROLE = (True, False, False, True)
"""Whether the requestor is SCU and SCP of a context, and whether the acceptor is."""
BOTH_SCU_SCP_ROLE = (True, True, True, True)
INVERTED_ROLE = (False, True, True, False)
CONTEXT_REJECTED = (False, False, False, False)

_NO_REASON = 2
"""The result of a context that the acceptor did not answer (PS3.8 table 9-18)."""
_ID = 1  # each context is negotiated alone


def negotiate_as_acceptor(
    rq_contexts: Contexts, ac_contexts: Contexts, roles: Roles = None
) -> Negotiated:
    """Return what an acceptor answers to proposed contexts (PS3.8 annex B, PS3.7 D.3.3.4).

    Args:
        rq_contexts: the proposed contexts.
        ac_contexts: the supported contexts; the order of their transfer syntaxes decides.
        roles: the roles that the requestor proposes, by SOP class: (SCU, SCP).

    Returns:
        The answered contexts, sorted by ID, with `result`, `as_scu` and `as_scp` of the acceptor;
        and the role selection items of the answer.
    """
    supported = {str(c.abstract_syntax): tuple(map(str, c.transfer_syntax)) for c in ac_contexts}
    allowed = {str(c.abstract_syntax): (c.scu_role, c.scp_role) for c in ac_contexts}
    answered, granted = _answered(rq_contexts, _policy(supported, allowed), roles)
    for uid in {str(c.abstract_syntax) for c in answered if c.result == 0}:
        scu, scp = allowed[uid]
        if uid in (roles or {}) and not _selection(uid, roles) and None not in {scu, scp}:
            # named without a role: the answer is what is supported
            granted.append(SCP_SCU_RoleSelectionNegotiation(any_uid(uid), scu, scp))
    return answered, granted


def negotiate_unrestricted(
    rq_contexts: Contexts, ac_contexts: Contexts, roles: Roles = None
) -> Negotiated:
    """Return what an acceptor answers if `config_flags.UNRESTRICTED_STORAGE_SERVICE` is True.

    Storage, private and unknown SOP classes are accepted in the transfer syntax that is proposed
    first, and for both roles unless the requestor selects roles. Others are negotiated as
    `negotiate_as_acceptor` does it.
    """
    stored = [c for c in rq_contexts if service_of(str(c.abstract_syntax)).name == "Storage"]
    others = [c for c in rq_contexts if c not in stored]
    proposed = {c.abstract_syntax: set(map(str, c.transfer_syntax)) for c in stored}
    for context in stored:
        proposed[context.abstract_syntax].update(map(str, context.transfer_syntax))
    any_role = dict.fromkeys(map(str, proposed), (True, True))
    policy = _policy({str(uid): syntaxes for uid, syntaxes in proposed.items()}, any_role, True)
    accepted, granted = _answered(stored, policy, roles)
    for context in accepted:
        if context.abstract_syntax not in {role.sop_class_uid for role in granted}:
            context._as_scu = context._as_scp = True
    answered, more = negotiate_as_acceptor(others, ac_contexts, roles)
    return sorted([*accepted, *answered], key=_by_id), granted + more


def negotiate_as_requestor(
    rq_contexts: Contexts, ac_contexts: Contexts, roles: Roles = None
) -> list[PresentationContext]:
    """Return the proposed contexts as an acceptor's answer leaves them, sorted by ID.

    Args:
        rq_contexts: the proposed contexts, with `scu_role` and `scp_role` if they were proposed.
        ac_contexts: the answered contexts, with `result` and the same IDs.
        roles: the roles that the acceptor granted, by SOP class: (SCU, SCP).

    Returns:
        Contexts with `result`, `as_scu` and `as_scp` of the requestor.

    Raises:
        ValueError: no context was proposed.
    """
    if not rq_contexts:
        raise ValueError("Requestor contexts are required")
    answers = {context.context_id: context for context in ac_contexts}
    return sorted(
        (_concluded(context, answers.get(context.context_id), roles) for context in rq_contexts),
        key=_by_id,
    )


def _concluded(
    proposed: PresentationContext, answer: PresentationContext | None, granted: Roles
) -> PresentationContext:
    if answer is None or answer.result != 0:
        result = _NO_REASON if answer is None or answer.result is None else answer.result
        syntaxes = proposed.transfer_syntax if answer is None else answer.transfer_syntax
        return _context(proposed, list(map(str, syntaxes))[:1], result, None)
    uid = str(proposed.abstract_syntax)
    syntax = str(answer.transfer_syntax[0]) if answer.transfer_syntax else ""
    request = _request(proposed, {uid: (proposed.scu_role, proposed.scp_role)})
    acceptance = AAssociateAC(
        (PresentationContextAC(_ID, 0, syntax),),
        UserInformation(0, roles=_selection(uid, granted)),
    )
    found = accepted_contexts(request, acceptance, Side.REQUESTOR).get(_ID)
    return _context(proposed, [syntax], 0, found)


def _answered(rq_contexts: Contexts, policy: Policy, roles: Roles) -> Negotiated:
    """Return the acceptor's answers, and its role selection items, one for each SOP class."""
    contexts = []
    granted = {}
    for proposed in rq_contexts:
        request = _request(proposed, roles)
        acceptance = negotiate(request, policy, Answers())
        assert isinstance(acceptance, AAssociateAC)  # the policy admits every requestor
        answer = acceptance.presentation_contexts[0]
        found = accepted_contexts(request, acceptance, Side.ACCEPTOR).get(_ID)
        contexts.append(_context(proposed, [answer.transfer_syntax], int(answer.result), found))
        for role in acceptance.user_information.roles:
            granted[role.sop_class_uid] = SCP_SCU_RoleSelectionNegotiation(
                role.sop_class_uid, bool(role.scu_role), bool(role.scp_role)
            )
    return sorted(contexts, key=_by_id), list(granted.values())


def _policy(
    supported: Mapping[str, Collection[str]],
    allowed: Mapping[str, tuple[bool | None, bool | None]],
    unrestricted: bool = False,
) -> Policy:
    def roles(uid: str) -> tuple[bool, bool] | None:
        scu, scp = allowed.get(uid, (None, None))
        return None if scu is None or scp is None else (scu, scp)

    return Policy(
        "ACCEPTOR",
        supported,
        own_order=True,
        roles=roles,
        refuse_without_role=not unrestricted,
        max_pdu=0,
    )


def _request(proposed: PresentationContext, roles: Roles) -> AAssociateRQ:
    uid = str(proposed.abstract_syntax)
    context = PresentationContextRQ(_ID, uid, tuple(map(str, proposed.transfer_syntax)))
    return AAssociateRQ(
        "ACCEPTOR", "REQUESTOR", (context,), UserInformation(0, roles=_selection(uid, roles))
    )


def _selection(uid: str, roles: Roles) -> tuple[RoleSelection, ...]:
    """Return the role selection item of a SOP class, if both of its roles are stated."""
    scu, scp = (roles or {}).get(uid, (None, None))
    return () if scu is None or scp is None else (RoleSelection(uid, scu, scp),)


def _context(
    proposed: PresentationContext,
    syntaxes: Sequence[str],
    result: int,
    accepted: AcceptedContext | None,
) -> PresentationContext:
    context = PresentationContext()
    context.context_id = proposed.context_id
    context.abstract_syntax = str(proposed.abstract_syntax)
    context.transfer_syntax = [any_uid(syntax) for syntax in syntaxes if syntax]
    context.result = result
    context._as_scu = accepted is not None and accepted.as_scu
    context._as_scp = accepted is not None and accepted.as_scp
    return context


def _by_id(context: PresentationContext) -> int:
    return context.context_id or 0
