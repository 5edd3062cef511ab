"""A-ASSOCIATE-RQ: what this side proposes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.settings import AssociationSettings
from gateway.uid import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from gateway.ul.items import UserInformation
from gateway.ul.negotiation import build_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.ul.pdu import AAssociateRQ

UNCOMPRESSED = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


def propose(
    calling_ae_title: str,
    called_ae_title: str,
    contexts: Sequence[tuple[str, Sequence[str]]],
    *,
    max_pdu: int | None = None,
) -> AAssociateRQ:
    """A request for (abstract syntax, transfer syntaxes) pairs.

    Raises LocalProtocolError for no context, or more than 128.
    """
    return build_request(
        called_ae_title,
        calling_ae_title,
        contexts,
        UserInformation(
            maximum_length=AssociationSettings().max_pdu if max_pdu is None else max_pdu,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        ),
    )
