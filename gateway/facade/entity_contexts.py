"""The presentation contexts of an application entity: requested and supported."""

from __future__ import annotations

from gateway.facade import argument_checks as checks
from gateway.facade.presentation_contexts import PresentationContext, build_context
from gateway.ul.negotiation import MAX_CONTEXTS

TransferSyntaxes = str | list[str] | tuple[str, ...] | None


class EntityContexts:
    """The part of an AE that has the contexts of its associations (PS3.8 7.1.1.13).

    A transfer syntax is a UID, several are a list; None means implicit, explicit and deflated
    explicit VR little endian, and explicit VR big endian. A UID that is not valid is a ValueError.
    """

    def __init__(self) -> None:
        self._requested: list[PresentationContext] = []
        self._supported: dict[str, PresentationContext] = {}

    @property
    def requested_contexts(self) -> list[PresentationContext]:
        """The contexts that `associate` proposes by default, at most 128."""
        return self._requested

    @requested_contexts.setter
    def requested_contexts(self, contexts: list[PresentationContext]) -> None:
        checks.contexts(contexts or [])
        self._requested = []
        for context in contexts or []:
            self.add_requested_context(str(context.abstract_syntax), list(context.transfer_syntax))

    def add_requested_context(
        self, abstract_syntax: str, transfer_syntax: TransferSyntaxes = None
    ) -> None:
        """Propose a context too; raise ValueError for more than 128."""
        if len(self._requested) >= MAX_CONTEXTS:
            raise ValueError(
                "Failed to add the requested presentation context as there are already the "
                "maximum allowed number of requested contexts"
            )
        self._requested.append(_context(abstract_syntax, transfer_syntax))

    def remove_requested_context(
        self, abstract_syntax: str, transfer_syntax: TransferSyntaxes = None
    ) -> None:
        """Propose a context no longer, or not with these transfer syntaxes."""
        for context in [c for c in self._requested if c.abstract_syntax == abstract_syntax]:
            if _is_empty_without(context, transfer_syntax):
                self._requested = [c for c in self._requested if c is not context]

    @property
    def supported_contexts(self) -> list[PresentationContext]:
        """The contexts that servers accept, sorted by abstract syntax."""
        return sorted(self._supported.values(), key=lambda c: str(c.abstract_syntax))

    @supported_contexts.setter
    def supported_contexts(self, contexts: list[PresentationContext]) -> None:
        checks.contexts(contexts or [], limit=len(contexts or []))
        self._supported = {}
        for context in contexts or []:
            self.add_supported_context(str(context.abstract_syntax), list(context.transfer_syntax))

    def add_supported_context(
        self,
        abstract_syntax: str,
        transfer_syntax: TransferSyntaxes = None,
        scu_role: bool | None = None,
        scp_role: bool | None = None,
    ) -> None:
        """Accept a context too, or further transfer syntaxes for one that is accepted already.

        `scu_role` and `scp_role`: whether the requestor may have these roles (PS3.7 D.3.3.4); None
        for both leaves role selection unanswered.
        """
        for name, role in (("scu_role", scu_role), ("scp_role", scp_role)):
            if role is not None and not isinstance(role, bool):
                raise TypeError(f"`{name}` must be None or bool, not {role!r}")
        added = _context(abstract_syntax, transfer_syntax)
        context = self._supported.setdefault(str(abstract_syntax), added)
        for syntax in added.transfer_syntax:
            context.add_transfer_syntax(syntax)
        context.scu_role, context.scp_role = scu_role, scp_role

    def remove_supported_context(
        self, abstract_syntax: str, transfer_syntax: TransferSyntaxes = None
    ) -> None:
        """Accept a context no longer, or not with these transfer syntaxes."""
        context = self._supported.get(str(abstract_syntax))
        if context is not None and _is_empty_without(context, transfer_syntax):
            del self._supported[str(abstract_syntax)]


def _context(abstract_syntax: str, transfer_syntax: TransferSyntaxes) -> PresentationContext:
    context = build_context(checks.uid(abstract_syntax, "abstract_syntax"), transfer_syntax)
    for syntax in context.transfer_syntax:
        checks.uid(syntax, "transfer_syntax")
    return context


def _is_empty_without(context: PresentationContext, transfer_syntax: TransferSyntaxes) -> bool:
    """Remove transfer syntaxes from a context; tell whether none is left."""
    if transfer_syntax is None:
        return True
    gone = {transfer_syntax} if isinstance(transfer_syntax, str) else set(transfer_syntax)
    context.transfer_syntax = [s for s in context.transfer_syntax if s not in gone]
    return not context.transfer_syntax
