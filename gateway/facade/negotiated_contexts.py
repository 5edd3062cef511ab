"""The presentation contexts of an association, as objects for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.datasets.coding import any_uid
from gateway.facade.presentation_contexts import PresentationContext
from gateway.ul.agreement import accepted_contexts
from gateway.ul.fsm import Side

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.ul.negotiation import AcceptedContext
    from gateway.ul.pdu import AAssociateAC, AAssociateRQ

_UNANSWERED = 2


def accepted(contexts: Iterable[AcceptedContext]) -> list[PresentationContext]:
    """Return the accepted contexts in the order of their IDs, with this side's roles."""
    return [
        _context(c.id, c.abstract_syntax, (c.transfer_syntax,), 0, (c.as_scu, c.as_scp))
        for c in sorted(contexts, key=lambda c: c.id)
    ]


def rejected(request: AAssociateRQ, acceptance: AAssociateAC) -> list[PresentationContext]:
    """Return the contexts that were rejected, not mentioned, or answered in an invalid way."""
    results = {c.id: int(c.result) for c in acceptance.presentation_contexts if c.result}
    usable = accepted_contexts(request, acceptance, Side.REQUESTOR)
    return [
        _context(c.id, c.abstract_syntax, c.transfer_syntaxes, results.get(c.id, _UNANSWERED))
        for c in request.presentation_contexts
        if c.id not in usable
    ]


def proposed(request: AAssociateRQ) -> list[PresentationContext]:
    """Return the contexts that a request proposes."""
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
    context.transfer_syntax.extend(any_uid(syntax) for syntax in transfer)
    context.result = result
    if roles is not None:
        context._as_scu, context._as_scp = roles
    return context
