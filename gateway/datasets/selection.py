"""The choice of the presentation context that a message is sent on."""

from __future__ import annotations

from operator import eq
from typing import TYPE_CHECKING, Literal

from gateway.datasets.errors import NoContext
from gateway.dimse.services import carries
from gateway.uid import name_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gateway.ul.negotiation import AcceptedContext

    Role = Literal["scu", "scp"]


def select_context(
    contexts: Collection[AcceptedContext],
    sop_class_uid: str,
    transfer_syntaxes: Sequence[str] = (),
    *,
    role: Role | None = "scu",
) -> AcceptedContext:
    """Return the accepted context for messages of a SOP class; raise NoContext if there is none.

    A context of the SOP class itself comes first, then one that carries it: of a meta SOP class
    (PS3.7 D.1), or for UPS Push of another UPS SOP class (PS3.4 CC.3.1.1). Of several that fit, the
    one with the first of the `transfer_syntaxes` is taken, then the one that was proposed first.

    Args:
        contexts: the accepted contexts of one association, in the order of their IDs.
        sop_class_uid: of the message, or the meta SOP class that was negotiated in its place.
        transfer_syntaxes: the ones that are possible, best first; empty: any.
        role: of this side on the context; None: any.
    """
    for fits in (eq, carries):
        for syntax in transfer_syntaxes or (None,):
            for context in contexts:
                if (
                    syntax in (None, context.transfer_syntax)
                    and _has_role(context, role)
                    and fits(context.abstract_syntax, sop_class_uid)
                ):
                    return context
    text = f"No presentation context for '{name_of(sop_class_uid)}' has been accepted by the peer"
    if transfer_syntaxes:
        text += f" with '{name_of(transfer_syntaxes[0])}' transfer syntax"
    raise NoContext(f"{text} for the {(role or 'scu').upper()} role")


def _has_role(context: AcceptedContext, role: Role | None) -> bool:
    return role is None or (context.as_scu if role == "scu" else context.as_scp)
