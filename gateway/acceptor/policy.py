"""The rules of negotiation, made from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from gateway.datasets import UNCOMPRESSED
from gateway.dimse.command_elements import CommandField
from gateway.dimse.services import SERVICES, service_of
from gateway.events import EVT_C_GET
from gateway.uid import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    NETWORK_TRANSFER_SYNTAXES,
    STORAGE_SOP_CLASSES,
    VERIFICATION,
)
from gateway.ul.negotiation import Policy

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.settings import AcceptorSettings, ContextSettings

    Roles = tuple[bool, bool] | None


EVENT_NAMES = {
    field: f"EVT_{field.name.removesuffix('_RQ')}"
    for field in CommandField
    if field.name.endswith("_RQ")
}
"""The intervention event of each request; C-CANCEL has none, but is no operation either."""

_REPORT = frozenset({CommandField.N_EVENT_REPORT_RQ})
"""The one request that goes to the SCU."""

EVERY = frozenset(NETWORK_TRANSFER_SYNTAXES)


def policy_of(settings: AcceptorSettings, workers: ServingWorkers) -> Policy:
    """Return the rules of negotiation that the settings describe.

    An AE states which contexts it supports (`settings.contexts`), and then it does not matter what
    workers serve. Otherwise a context is accepted only if a worker serves it.
    """
    rules, version = settings.policy, settings.implementation_version_name
    return Policy(
        ae_title=settings.ae_title,
        supported=_supported(settings.contexts, unrestricted=rules.unrestricted),
        unrestricted=EVERY if rules.unrestricted else (),
        own_order=bool(settings.contexts),
        refuse_without_role=bool(settings.contexts),
        require_called_ae_title=rules.require_called_ae_title,
        calling_ae_titles=rules.calling_ae_titles,
        max_pdu=settings.association.max_pdu,
        implementation_class_uid=settings.implementation_class_uid or IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION_NAME if version == "" else version or "",
        max_performed=settings.association.max_operations_performed,
        **(_by_contexts(settings.contexts) if settings.contexts else _by_workers(workers)),
    )


def _by_contexts(contexts: tuple[ContextSettings, ...]) -> dict[str, Any]:
    return {"roles": Granted(contexts)}


def _by_workers(workers: ServingWorkers) -> dict[str, Any]:
    served = ServedRoles(workers)
    return {"only_served": True, "roles": served, "named": served.named_syntaxes}


def _supported(
    contexts: tuple[ContextSettings, ...], *, unrestricted: bool
) -> dict[str, Collection[str]]:
    """Return the transfer syntaxes of each abstract syntax that may be accepted."""
    storage: dict[str, Collection[str]] = dict.fromkeys(STORAGE_SOP_CLASSES, EVERY)
    if not contexts:
        return {**dict.fromkeys(SERVICES, UNCOMPRESSED), **storage}
    named = {context.abstract_syntax: context.transfer_syntaxes for context in contexts}
    return {**named, **storage} if unrestricted else {**named}


class ServingWorkers(Protocol):
    """The fabric, as negotiation needs it."""

    def serves(self, event: str, sop_class: str | None) -> bool: ...
    def sends(self, sop_class: str) -> bool: ...
    def names(self, sop_class: str) -> bool: ...


class ServedRoles:
    """The roles in which a requestor is served, for each abstract syntax.

    As SCU it is served by whoever answers one of the requests that the service has, and by a worker
    that sends it N-EVENT-REPORTs. As SCP it is served by the holder of EVT_N_EVENT_REPORT, by a
    worker that sends it other requests and, for storage, by the holder of EVT_C_GET.
    """

    def __init__(self, workers: ServingWorkers) -> None:
        self._workers = workers

    def __call__(self, sop_class_uid: str) -> tuple[bool, bool]:
        workers, operations = self._workers, service_of(sop_class_uid).operations
        sends = workers.sends(sop_class_uid)
        to_scp, to_scu = operations - _REPORT, operations & _REPORT
        as_scu = sop_class_uid == VERIFICATION or any(
            workers.serves(EVENT_NAMES[operation], sop_class_uid) for operation in to_scp
        )
        as_scp = any(workers.serves(EVENT_NAMES[one], sop_class_uid) for one in to_scu) or (
            CommandField.C_STORE_RQ in operations and workers.serves(EVT_C_GET.name, None)
        )
        return as_scu or (sends and bool(to_scu)), as_scp or (sends and bool(to_scp))

    def named_syntaxes(self, sop_class_uid: str) -> Collection[str]:
        """Return the transfer syntaxes for a private SOP class: any, if a worker names it."""
        return EVERY if self._workers.names(sop_class_uid) else ()


class Granted:
    """The roles that a requestor may have, for each abstract syntax that is supported."""

    def __init__(self, contexts: tuple[ContextSettings, ...]) -> None:
        self._roles: dict[str, Roles] = {}
        for context in contexts:
            scu, scp = context.scu_role, context.scp_role
            self._roles[context.abstract_syntax] = (
                None if scu is None or scp is None else (scu, scp)
            )

    def __call__(self, sop_class_uid: str) -> Roles:
        return self._roles.get(sop_class_uid, (True, True))
