"""How an association is described to workers: one map, encoded once for all of its events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.ul.items import UserIdentityRQ

if TYPE_CHECKING:
    from gateway.transport import Transport
    from gateway.ul.items import UserIdentityAC, UserInformation
    from gateway.ul.upper_layer import UpperLayer


@dataclass(frozen=True, slots=True)
class Identity:
    """What the protocol machine does not know of its association."""

    name: str
    house: str
    """The acceptor's name."""
    ae_title: str
    state: str
    """connected, requested, established, released, rejected, aborted or closed."""


def describe(identity: Identity, association: UpperLayer, transport: Transport) -> dict[str, Any]:
    """The map that PROTOCOL.md calls *assoc*, as far as is known by now."""
    request, acceptance = association.request, association.acceptance
    called = request.called_ae_title if request else ""
    calling = request.calling_ae_title if request else ""
    asked = request.user_information if request else None
    granted = acceptance.user_information if acceptance else None
    return {
        "id": identity.name,
        "acceptor": identity.house,
        "side": "acceptor",
        "local": list(transport.local),
        "remote": list(transport.remote),
        "ae_title": identity.ae_title,
        "state": identity.state,
        "requestor": _party(calling, transport.remote, asked),
        "acceptor_info": _party(called, transport.local, granted),
        "requested_contexts": _requested(association),
        "accepted_contexts": [
            [c.id, c.abstract_syntax, c.transfer_syntax, c.as_scu, c.as_scp]
            for c in association.accepted_contexts.values()
        ],
        "rejected_contexts": _rejected(association),
    }


def _party(ae_title: str, address: tuple[str, int], info: UserInformation | None) -> dict[str, Any]:
    party: dict[str, Any] = {"ae_title": ae_title, "address": address[0], "port": address[1]}
    if info is None:
        return party
    window = info.async_ops
    party |= {
        "maximum_length": info.maximum_length,
        "implementation_class_uid": info.implementation_class_uid,
        "implementation_version_name": info.implementation_version_name,
        "user_identity": _identity(info.user_identity),
        "sop_class_extended": {
            i.sop_class_uid: i.application_information for i in info.sop_class_extended
        },
        "role_selection": {r.sop_class_uid: [r.scu_role, r.scp_role] for r in info.roles},
        "asynchronous_operations": (
            [window.invoked, window.performed] if window is not None else None
        ),
    }
    return party


NAMED = (1, 2)
"""User identity types whose primary field is a name, not a secret (PS3.7 D.3.3.7.1)."""


def _identity(identity: UserIdentityRQ | UserIdentityAC | None) -> dict[str, Any] | None:
    if not isinstance(identity, UserIdentityRQ):
        return None
    return {
        "type": identity.type,
        "primary": identity.primary_field if identity.type in NAMED else b"",
    }


def _requested(association: UpperLayer) -> list[list[Any]]:
    if association.request is None:
        return []
    return [
        [c.id, c.abstract_syntax, list(c.transfer_syntaxes)]
        for c in association.request.presentation_contexts
    ]


def _rejected(association: UpperLayer) -> list[list[Any]]:
    if association.request is None or association.acceptance is None:
        return []
    proposed = {c.id: c.abstract_syntax for c in association.request.presentation_contexts}
    return [
        [c.id, proposed.get(c.id, ""), int(c.result)]
        for c in association.acceptance.presentation_contexts
        if c.result
    ]
