"""Whether an instance has what a retrieve needs: the UIDs of its study and series.

Without them no retrieve of the hierarchical models finds an instance (PS3.4 C.6). Those of the
Non-Patient Object Storage classes have none: hanging protocols, color palettes, implant templates
and the like (PS3.4 GG.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.dimse.services import SERVICES
from gateway.sdk import GatewayError
from workers.archive.attributes import BY_KEYWORD

if TYPE_CHECKING:
    from collections.abc import Mapping

NON_PATIENT = frozenset(uid for uid, service in SERVICES.items() if service.annex == "GG")
"""The SOP classes of PS3.4 GG.3."""

REQUIRED = tuple(BY_KEYWORD[k] for k in ("StudyInstanceUID", "SeriesInstanceUID"))


class Incomplete(GatewayError):  # noqa: N818 - an error of the peer, answered with A900
    """An instance without a Study or Series Instance UID; `tag` is the one that is missing."""

    def __init__(self, tag: int, text: str) -> None:
        super().__init__(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {text}")
        self.tag = tag


def check_complete(sop_class_uid: str, found: Mapping[str, str]) -> None:
    """Raise Incomplete for an instance of a patient that has no study or no series."""
    for attribute in REQUIRED:
        if not found[attribute.keyword] and sop_class_uid not in NON_PATIENT:
            raise Incomplete(attribute.tag, f"{attribute.keyword} is missing or empty")
