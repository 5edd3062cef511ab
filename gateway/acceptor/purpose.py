"""What an association is for, as far as its request tells: only to store, or for something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.dimse.command_elements import CommandField
from gateway.dimse.services import service_of
from gateway.uid import VERIFICATION

if TYPE_CHECKING:
    from gateway.ul.pdu import AAssociateRQ


def only_stores(request: AAssociateRQ) -> bool:
    """Return whether it proposes storage by the requestor, and nothing else but Verification.

    A storage class that the requestor takes as SCP is for a C-GET.
    """
    as_scp_only = {
        role.sop_class_uid for role in request.user_information.roles if not role.scu_role
    }
    classes = {context.abstract_syntax for context in request.presentation_contexts}
    classes.discard(VERIFICATION)
    return bool(classes) and all(
        CommandField.C_STORE_RQ in service_of(uid).operations and uid not in as_scp_only
        for uid in classes
    )
