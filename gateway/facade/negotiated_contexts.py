"""Presentation contexts between the user's objects and the wire's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.dimse.services import META_SOP_CLASSES
from gateway.facade.presentation import PresentationContext
from gateway.sdk.dataset import uid as any_uid
from gateway.uid import KEYWORDS, name_of
from gateway.ul.items import ContextResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydicom.uid import UID

    from gateway.ul.negotiation import AcceptedContext
    from gateway.ul.pdu import AAssociateAC, AAssociateRQ

_UPS_PUSH = KEYWORDS["UnifiedProcedureStepPush"]
_UPS = frozenset(KEYWORDS[f"UnifiedProcedureStep{n}"] for n in ("Pull", "Watch", "Event", "Query"))
_UNANSWERED = 2


def accepted(contexts: Iterable[AcceptedContext]) -> list[PresentationContext]:
    """The accepted contexts by their IDs, with this side's roles."""
    return [
        _context(c.id, c.abstract_syntax, (c.transfer_syntax,), 0, (c.as_scu, c.as_scp))
        for c in sorted(contexts, key=lambda c: c.id)
    ]


def rejected(request: AAssociateRQ, acceptance: AAssociateAC) -> list[PresentationContext]:
    """The contexts that were not accepted, and those that the peer did not speak of."""
    results = {c.id: int(c.result) for c in acceptance.presentation_contexts}
    return [
        _context(c.id, c.abstract_syntax, c.transfer_syntaxes, result)
        for c in request.presentation_contexts
        if (result := results.get(c.id, _UNANSWERED)) != ContextResult.ACCEPTANCE
    ]


def proposed(request: AAssociateRQ) -> list[PresentationContext]:
    """What was asked for."""
    return [
        _context(c.id, c.abstract_syntax, c.transfer_syntaxes, None)
        for c in request.presentation_contexts
    ]


def _context(
    context_id: int,
    abstract: str,
    transfer: Iterable[str],
    result: int | None,
    roles: tuple[bool, bool] | None = None,
) -> PresentationContext:
    context = PresentationContext()
    context.context_id = context_id
    context.abstract_syntax = abstract
    context.transfer_syntax.extend(any_uid(syntax) for syntax in transfer)  # type: ignore[misc]
    context.result = result
    if roles is not None:
        context.as_scu, context.as_scp = roles
    return context


def choose(
    contexts: Mapping[int, AcceptedContext],
    abstract_syntax: str,
    role: str | None = "scu",
    transfer_syntax: str | None = None,
    *,
    convert: bool = True,
) -> AcceptedContext:
    """The accepted context for messages of a SOP class; raises ValueError that names it.

    With a transfer syntax the context has that one or, if the data set may be converted, another
    one without compression in the same byte order.
    """
    possible = [
        context
        for context in _speaking_of(contexts, abstract_syntax)
        if role is None or (context.as_scu if role == "scu" else context.as_scp)
    ]
    if transfer_syntax is None:
        matches = possible
    else:
        matches = [c for c in possible if c.transfer_syntax == transfer_syntax]
        if not matches and convert:
            matches = [c for c in possible if _converts(transfer_syntax, c.transfer_syntax)]
    if matches:
        return matches[0]
    syntax = f" with '{name_of(transfer_syntax)}' transfer syntax" if transfer_syntax else ""
    raise ValueError(
        f"No presentation context for '{name_of(abstract_syntax)}' has been accepted by the peer"
        f"{syntax} for the {(role or 'scu').upper()} role"
    )


def _speaking_of(
    contexts: Mapping[int, AcceptedContext], abstract_syntax: str
) -> list[AcceptedContext]:
    exact = [c for c in contexts.values() if c.abstract_syntax == abstract_syntax]
    if exact:
        return exact
    others = _UPS if abstract_syntax == _UPS_PUSH else frozenset()
    return [
        context
        for context in contexts.values()
        if context.abstract_syntax in others
        or abstract_syntax in META_SOP_CLASSES.get(context.abstract_syntax, ())
    ]


def _converts(one: str, other: str) -> bool:
    """May a data set in one transfer syntax be written in another without touching its values?"""
    first, second = any_uid(one), any_uid(other)
    return all(_is_plain(syntax) for syntax in (first, second)) and (
        first.is_little_endian == second.is_little_endian
    )


def _is_plain(syntax: UID) -> bool:
    return bool(syntax.is_transfer_syntax and not syntax.is_compressed)
