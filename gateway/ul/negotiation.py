"""Association negotiation (PS3.8 7.1, annex B; PS3.7 annex D): pure functions.

The acceptor's answer is a function of the request, the policy, and the workers' answers to the
negotiation events. `provider_rejection` is the decision of the protocol machine itself (AE-6),
`check_request` adds the checks that need no worker, and `negotiate` makes the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gateway.errors import LocalProtocolError
from gateway.uid import APPLICATION_CONTEXT, is_tolerable
from gateway.ul.items import (
    AsyncOperationsWindow,
    ContextResult,
    PresentationContextAC,
    PresentationContextRQ,
    RoleSelection,
    SopClassExtended,
    UserIdentityAC,
    UserIdentityRQ,
    UserInformation,
)
from gateway.ul.pdu import AAssociateAC, AAssociateRJ, AAssociateRQ

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

MAX_CONTEXTS = 128
"""There are 128 odd numbers below 256 (PS3.8 9.3.2.2)."""

PROTOCOL_VERSION_NOT_SUPPORTED = AAssociateRJ(1, 2, 2)
MALFORMED_CONTEXTS = AAssociateRJ(1, 2, 1)
APPLICATION_CONTEXT_NOT_SUPPORTED = AAssociateRJ(1, 1, 2)
CALLED_AE_TITLE_NOT_RECOGNIZED = AAssociateRJ(1, 1, 7)
CALLING_AE_TITLE_NOT_RECOGNIZED = AAssociateRJ(1, 1, 3)
USER_IDENTITY_FAILED = AAssociateRJ(2, 2, 1)
TEMPORARY_CONGESTION = AAssociateRJ(2, 3, 1)
LOCAL_LIMIT_EXCEEDED = AAssociateRJ(2, 3, 2)


def _no_syntaxes(_sop_class_uid: str) -> Collection[str]:
    return ()


def _both_roles(_sop_class_uid: str) -> tuple[bool, bool]:
    return True, True


def _all_syntaxes(syntaxes: Collection[str]) -> Collection[str]:
    return syntaxes


def _as_proposed(_sop_class_uid: str) -> tuple[bool, bool] | None:
    return True, True


@dataclass(frozen=True, slots=True)
class Policy:
    """The configured rules of what an acceptor accepts."""

    ae_title: str
    supported: Mapping[str, Collection[str]]
    """The transfer syntaxes that are accepted, by abstract syntax."""
    unrestricted: Collection[str] = ()
    """The transfer syntaxes that are accepted for any other abstract syntax; empty: such contexts
    are refused."""
    preference: Sequence[str] = ()
    """Transfer syntaxes, the preferred one first; empty: the requestor's order decides."""
    require_called_ae_title: bool = False
    """Reject requests that call another AE title than `ae_title`."""
    calling_ae_titles: Collection[str] = ()
    """The calling AE titles that are admitted; empty: any."""
    own_order: bool = False
    """If the transfer syntaxes in `supported` are a tuple, their order decides, and not the
    requestor's."""
    roles: Callable[[str], tuple[bool, bool] | None] = _as_proposed
    """Returns the (SCU, SCP) roles that the requestor may have for a SOP class, if it proposes
    them; None: role selection is not answered."""
    refuse_without_role: bool = False
    """Refuse a context if none of the roles that the requestor would have there is granted."""
    only_served: bool = False
    """Accept a context only if the requestor has one of its `roles` there, by role selection or by
    default; role selection that grants none of them is not answered (PS3.7 D.3.3.4)."""
    named: Callable[[str], Collection[str]] = _no_syntaxes
    """Returns the transfer syntaxes that are accepted for an abstract syntax that `supported` does
    not have, whatever `unrestricted` says."""
    permits: Callable[[str], tuple[bool, bool]] = _both_roles
    """Returns whether this requestor may be (SCU, SCP) for a SOP class at all; a context in which
    it would have none of its roles is refused by the user (PS3.8 table 9-18)."""
    permitted_syntaxes: Callable[[Collection[str]], Collection[str]] = _all_syntaxes
    """Returns those of the transfer syntaxes that this requestor may use."""
    max_pdu: int = field(kw_only=True)
    """The maximum length to announce (PS3.8 D.1)."""
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    max_invoked: int = 0
    """The maximum number of operations that this side invokes at once; 0: no limit of its own."""
    max_performed: int = 0
    """The maximum number of operations that this side performs at once; 0: no limit of its own."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The workers' answers to the negotiation events; the defaults hold if there is no worker."""

    admission: tuple[int, int, int] | None = None
    """None: admitted; otherwise the result, source and reason of the A-ASSOCIATE-RJ."""
    user_identity: tuple[bool, bytes | None] | None = None
    """Whether the identity is valid, and the server response; None: no worker verifies it."""
    async_ops: tuple[int, int] | None = None
    """The numbers of operations that the requestor may invoke and perform at once; None: no reply,
    which means (1, 1)."""
    sop_extended: Mapping[str, bytes] = field(default_factory=dict)
    """The service class application information of the reply, by SOP class."""


@dataclass(frozen=True, slots=True)
class AcceptedContext:
    """A presentation context that both sides agreed on, and this side's roles in it."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    as_scu: bool
    as_scp: bool


def provider_rejection(request: AAssociateRQ) -> AAssociateRJ | None:
    """Return the rejection by the service provider itself, whatever the policy (AE-6), if any."""
    if not request.protocol_version & 1:
        return PROTOCOL_VERSION_NOT_SUPPORTED
    ids = [context.id for context in request.presentation_contexts]
    if len(ids) > MAX_CONTEXTS or len(ids) != len(set(ids)) or not all(i % 2 for i in ids):
        return MALFORMED_CONTEXTS
    return None


def check_request(request: AAssociateRQ, policy: Policy) -> AAssociateRJ | None:
    """Return the rejection that needs no worker's answer; None: continue with `negotiate`."""
    if rejection := provider_rejection(request):
        return rejection
    if request.application_context_name != APPLICATION_CONTEXT:
        return APPLICATION_CONTEXT_NOT_SUPPORTED
    called, calling = request.called_ae_title, request.calling_ae_title
    if not called or (policy.require_called_ae_title and called != policy.ae_title):
        return CALLED_AE_TITLE_NOT_RECOGNIZED
    if not calling or (policy.calling_ae_titles and calling not in policy.calling_ae_titles):
        return CALLING_AE_TITLE_NOT_RECOGNIZED
    return None


def negotiate(
    request: AAssociateRQ, policy: Policy, answers: Answers
) -> AAssociateAC | AAssociateRJ:
    """Return the acceptor's answer to a request."""
    if rejection := check_request(request, policy):
        return rejection
    if answers.admission is not None:
        return AAssociateRJ(*answers.admission)
    proposed = request.user_information
    identity = _answer_identity(proposed, answers.user_identity)
    if isinstance(identity, AAssociateRJ):
        return identity
    used = {context.abstract_syntax for context in request.presentation_contexts}
    roles = {role.sop_class_uid: role for role in proposed.roles if role.sop_class_uid in used}
    granted = _granted_roles(roles.values(), policy)
    contexts = tuple(
        _without_role(
            _answer_context(c, policy, granted.get(c.abstract_syntax)),
            policy,
            roles.get(c.abstract_syntax),
        )
        for c in request.presentation_contexts
    )
    return AAssociateAC(
        presentation_contexts=contexts,
        user_information=UserInformation(
            maximum_length=policy.max_pdu,
            implementation_class_uid=policy.implementation_class_uid,
            implementation_version_name=policy.implementation_version_name,
            async_ops=_answer_async_ops(proposed.async_ops, answers.async_ops, policy),
            roles=_answer_roles(request, contexts, granted),
            sop_class_extended=_answer_extended(proposed.sop_class_extended, answers.sop_extended),
            user_identity=identity,
        ),
        raw_header=request.echo,
    )


def _answer_context(
    context: PresentationContextRQ, policy: Policy, role: RoleSelection | None
) -> PresentationContextAC:
    proposed, abstract_syntax = context.transfer_syntaxes, context.abstract_syntax
    acceptable = policy.supported.get(abstract_syntax)
    if acceptable is None and is_tolerable(abstract_syntax):
        acceptable = policy.unrestricted or policy.named(abstract_syntax)
    if policy.only_served and not _is_served(role, policy.roles(abstract_syntax)):
        acceptable = ()
    # The field must be present; its value is not significant in a refusal.
    any_syntax = proposed[0] if proposed else ""
    if not acceptable:
        result = ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED
        return PresentationContextAC(context.id, result, any_syntax)
    if not _is_served(_of_use(role), policy.permits(abstract_syntax)):
        return PresentationContextAC(context.id, ContextResult.USER_REJECTION, any_syntax)
    acceptable = policy.permitted_syntaxes(acceptable)
    common = [syntax for syntax in proposed if syntax in acceptable]
    if not common:
        result = ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
        return PresentationContextAC(context.id, result, any_syntax)
    is_ordered = policy.own_order and isinstance(acceptable, tuple)
    order = acceptable if is_ordered else (*policy.preference, *common)
    best = next(syntax for syntax in order if syntax in common)
    return PresentationContextAC(context.id, ContextResult.ACCEPTANCE, best)


def _of_use(role: RoleSelection | None) -> RoleSelection | None:
    """Return the role selection if it grants a role; else the defaults hold (PS3.7 D.3.3.4)."""
    return role if role is not None and (role.scu_role or role.scp_role) else None


def _is_served(role: RoleSelection | None, served: tuple[bool, bool] | None) -> bool:
    """Return whether the requestor has a role that is served; without selection it is the SCU."""
    as_scu, as_scp = served or (False, False)
    if role is None:
        return as_scu
    return (role.scu_role and as_scu) or (role.scp_role and as_scp)


def _without_role(
    answer: PresentationContextAC, policy: Policy, proposed: RoleSelection | None
) -> PresentationContextAC:
    if not policy.refuse_without_role or proposed is None:
        return answer
    if answer.result is not ContextResult.ACCEPTANCE:
        return answer
    granted = policy.roles(proposed.sop_class_uid)
    wanted = (proposed.scu_role, proposed.scp_role)
    if granted is None:
        return answer
    if any(may and wants for may, wants in zip(granted, wanted, strict=True)):
        return answer
    return replace(answer, result=ContextResult.USER_REJECTION)


def _answer_identity(
    proposed: UserInformation, answer: tuple[bool, bytes | None] | None
) -> UserIdentityAC | AAssociateRJ | None:
    asked = proposed.user_identity
    if not isinstance(asked, UserIdentityRQ) or answer is None:
        return None
    verified, response = answer
    if not verified:
        return USER_IDENTITY_FAILED
    return UserIdentityAC(response or b"") if asked.positive_response_requested else None


def _answer_async_ops(
    proposed: AsyncOperationsWindow | None, answer: tuple[int, int] | None, policy: Policy
) -> AsyncOperationsWindow | None:
    if proposed is None or answer is None:
        return None
    # This side performs what the requestor invokes, and vice versa.
    return AsyncOperationsWindow(
        invoked=least(proposed.invoked, answer[0], policy.max_performed),
        performed=least(proposed.performed, answer[1], policy.max_invoked),
    )


def least(*limits: int) -> int:
    """Return the lowest of some limits, of which 0 means none (PS3.7 D.3.3.3)."""
    return min((limit for limit in limits if limit), default=0)


def _granted_roles(proposed: Iterable[RoleSelection], policy: Policy) -> dict[str, RoleSelection]:
    """Return the answers to role selection, by SOP class (PS3.7 D.3.3.4)."""
    answers = {}
    for role in proposed:
        uid = role.sop_class_uid
        if (may := policy.roles(uid)) is None:
            continue
        permitted = policy.permits(uid)
        as_scu, as_scp = (mine and its for mine, its in zip(may, permitted, strict=True))
        answer = RoleSelection(uid, role.scu_role and as_scu, role.scp_role and as_scp)
        if answer.scu_role or answer.scp_role or not policy.only_served:
            answers[uid] = answer
    return answers


def _answer_roles(
    request: AAssociateRQ,
    contexts: Iterable[PresentationContextAC],
    granted: Mapping[str, RoleSelection],
) -> tuple[RoleSelection, ...]:
    """Return the roles granted for the abstract syntaxes of accepted contexts."""
    accepted = {answer.id for answer in contexts if answer.result is ContextResult.ACCEPTANCE}
    uids = {c.abstract_syntax for c in request.presentation_contexts if c.id in accepted}
    return tuple(answer for uid, answer in granted.items() if uid in uids)


def _answer_extended(
    proposed: Iterable[SopClassExtended], answers: Mapping[str, bytes]
) -> tuple[SopClassExtended, ...]:
    uids = dict.fromkeys(item.sop_class_uid for item in proposed)
    return tuple(SopClassExtended(uid, answers[uid]) for uid in uids if uid in answers)


def build_request(
    called_ae_title: str,
    calling_ae_title: str,
    contexts: Sequence[tuple[str, Iterable[str]]],
    user_information: UserInformation,
) -> AAssociateRQ:
    """Return a request that proposes (abstract syntax, transfer syntaxes) as contexts 1, 3, 5...

    Raises:
        LocalProtocolError: no context or more than 128, or one that has no transfer syntax.
    """
    if not 1 <= len(contexts) <= MAX_CONTEXTS:
        raise LocalProtocolError(f"an association has 1 to 128 contexts, not {len(contexts)}")
    proposed = tuple(
        PresentationContextRQ(2 * number + 1, abstract, tuple(transfer))
        for number, (abstract, transfer) in enumerate(contexts)
    )
    if not all(context.transfer_syntaxes for context in proposed):
        raise LocalProtocolError("a presentation context needs a transfer syntax")
    return AAssociateRQ(called_ae_title, calling_ae_title, proposed, user_information)
