"""The services that an A-ASSOCIATE-RQ asks for, and whether they are available now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.acceptor.policy import EVENT_NAMES
from gateway.dimse.command_elements import CommandField
from gateway.dimse.services import service_of
from gateway.uid import VERIFICATION

if TYPE_CHECKING:
    from gateway.ul.pdu import AAssociateRQ


class WorkersPresent(Protocol):
    """The part of the fabric that knows which workers are registered."""

    @property
    def awaits_workers(self) -> bool: ...
    def is_held(self, event: str) -> bool: ...
    def is_lost(self, event: str) -> bool: ...
    def serves(self, event: str, sop_class: str | None) -> bool: ...


def only_stores(request: AAssociateRQ) -> bool:
    """Return whether it proposes storage by the requestor, and nothing else but Verification."""
    proposed = _operations(request)
    return bool(proposed) and all(CommandField.C_STORE_RQ in one for one in proposed.values())


def cannot_be_served_yet(request: AAssociateRQ, workers: WorkersPresent) -> bool:
    """Return whether it proposes, besides Verification, only what no worker can do at present.

    That is so until the configured workers have registered for the first time, and if one died and
    did not come back in time. An association with at least one service that is available is let in.
    """
    needed = {
        uid: {EVENT_NAMES[one] for one in operations}
        for uid, operations in _operations(request).items()
    }
    if not needed or not all(needed.values()):
        return False
    pairs = [(event, uid) for uid, events in needed.items() for event in events]
    if any(workers.is_held(event) and workers.serves(event, uid) for event, uid in pairs):
        return False
    return workers.awaits_workers or any(workers.is_lost(event) for event, _ in pairs)


def _operations(request: AAssociateRQ) -> dict[str, frozenset[CommandField]]:
    """Return the requests of each proposed class except Verification.

    A class that the requestor proposes as SCP only has none: no worker has to serve it.
    """
    as_scp_only = {
        role.sop_class_uid for role in request.user_information.roles if not role.scu_role
    }
    classes = {context.abstract_syntax for context in request.presentation_contexts}
    return {
        uid: frozenset() if uid in as_scp_only else service_of(uid).operations
        for uid in classes - {VERIFICATION}
    }
