"""The A-ASSOCIATE-RQ of this side: proposal, address of the peer, and timeouts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.settings import AssociationSettings
from gateway.uid import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.ul import items
from gateway.ul.negotiation import build_request

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from gateway.ul.pdu import AAssociateRQ

Contexts = tuple[tuple[str, tuple[str, ...]], ...]
"""(abstract syntax, transfer syntaxes) pairs; the same abstract syntax may come more than once."""


@dataclass(frozen=True, slots=True)
class Address:
    """The address that the peer listens at, and how to connect to it."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    """The name that the peer's certificate must be for, if that is not the host."""
    bind: tuple[str, int] | None = None
    """The local address to connect from; port 0: any."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Proposal:
    """The content of an A-ASSOCIATE-RQ (PS3.8 7.1.1, PS3.7 D.3.3)."""

    contexts: Contexts
    """1 to 128 contexts, which get the IDs 1, 3, 5 and so on."""
    calling_ae_title: str = "GATEWAY"
    called_ae_title: str = "ANY-SCP"
    max_pdu: int = AssociationSettings().max_pdu
    """The longest P-DATA-TF that this side receives, in bytes; 0: any."""
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    """SOP class to the (SCU, SCP) roles that this side wants; SCU only is the default."""
    async_ops: tuple[int, int] | None = None
    """Operations that this side would invoke and perform at once; 0: any number; None: 1, 1."""
    extended: Mapping[str, bytes] = field(default_factory=dict)
    """SOP class to service class application information."""
    common_extended: tuple[items.SopClassCommonExtended, ...] = ()
    identity: items.UserIdentityRQ | None = None
    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
    implementation_version_name: str = IMPLEMENTATION_VERSION_NAME

    def request(self) -> AAssociateRQ:
        """Return the PDU; raise LocalProtocolError for no context, or more than 128."""
        return build_request(
            self.called_ae_title,
            self.calling_ae_title,
            self.contexts,
            items.UserInformation(
                maximum_length=self.max_pdu,
                implementation_class_uid=self.implementation_class_uid,
                implementation_version_name=self.implementation_version_name,
                async_ops=items.AsyncOperationsWindow(*self.async_ops) if self.async_ops else None,
                roles=tuple(items.RoleSelection(uid, *roles) for uid, roles in self.roles.items()),
                sop_class_extended=tuple(
                    items.SopClassExtended(uid, info) for uid, info in self.extended.items()
                ),
                sop_class_common_extended=self.common_extended,
                user_identity=self.identity,
            ),
        )
