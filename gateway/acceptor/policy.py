"""The rules of negotiation, made from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.datasets import UNCOMPRESSED
from gateway.dimse.services import SERVICES
from gateway.uid import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    NETWORK_TRANSFER_SYNTAXES,
    STORAGE_SOP_CLASSES,
)
from gateway.ul.negotiation import Policy

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.settings import AcceptorSettings, ContextSettings

    Roles = tuple[bool, bool] | None


def policy_of(settings: AcceptorSettings) -> Policy:
    """Return the rules of negotiation that the settings describe."""
    rules, version = settings.policy, settings.implementation_version_name
    every = frozenset(NETWORK_TRANSFER_SYNTAXES)
    more: dict[str, Any] = {"roles": Granted(settings.contexts)} if settings.contexts else {}
    return Policy(
        ae_title=settings.ae_title,
        supported=_supported(settings.contexts, unrestricted=rules.unrestricted),
        unrestricted=every if rules.unrestricted else (),
        own_order=bool(settings.contexts),
        refuse_without_role=bool(settings.contexts),
        require_called_ae_title=rules.require_called_ae_title,
        calling_ae_titles=rules.calling_ae_titles,
        max_pdu=settings.association.max_pdu,
        implementation_class_uid=settings.implementation_class_uid or IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION_NAME if version == "" else version or "",
        max_performed=settings.association.max_operations_performed,
        **more,
    )


def _supported(
    contexts: tuple[ContextSettings, ...], *, unrestricted: bool
) -> dict[str, Collection[str]]:
    """Return the transfer syntaxes of each supported abstract syntax.

    Unless it is told otherwise, every SOP class that has a service is accepted, also while no
    worker serves it: a worker that restarts would look like a misconfigured peer if it were not.
    """
    every = frozenset(NETWORK_TRANSFER_SYNTAXES)
    storage: dict[str, Collection[str]] = dict.fromkeys(STORAGE_SOP_CLASSES, every)
    if not contexts:
        return {**dict.fromkeys(SERVICES, UNCOMPRESSED), **storage}
    named = {context.abstract_syntax: context.transfer_syntaxes for context in contexts}
    return {**named, **storage} if unrestricted else {**named}


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
