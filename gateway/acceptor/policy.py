"""From the settings to the rules of negotiation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.dimse.services import SERVICES
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    IMPLICIT_VR_LITTLE_ENDIAN,
    NETWORK_TRANSFER_SYNTAXES,
    STORAGE_SOP_CLASSES,
)
from gateway.ul.negotiation import Policy

if TYPE_CHECKING:
    from gateway.settings import AcceptorSettings

UNCOMPRESSED = frozenset(
    {
        IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    }
)
"""What identifiers are encoded in; instances come in any transfer syntax and are kept so."""


def policy_of(settings: AcceptorSettings) -> Policy:
    """Every SOP class that has a service is accepted, also while no worker serves it.

    A worker that restarts would otherwise look like a misconfigured peer: a request that nobody
    answers is a failure status, not a missing context.
    """
    every = frozenset(NETWORK_TRANSFER_SYNTAXES)
    supported = dict.fromkeys(SERVICES, UNCOMPRESSED)
    supported |= dict.fromkeys(STORAGE_SOP_CLASSES, every)
    rules = settings.policy
    return Policy(
        ae_title=settings.ae_title,
        supported=supported,
        unrestricted=every if rules.unrestricted else (),
        require_called_ae_title=rules.require_called_ae_title,
        calling_ae_titles=rules.calling_ae_titles,
        max_pdu=settings.association.max_pdu,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        max_performed=settings.association.max_operations_performed,
    )
