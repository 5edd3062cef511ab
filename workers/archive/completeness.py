"""Whether an instance has what a retrieve needs: the UIDs of its study and series.

Without them no retrieve of the hierarchical models finds an instance (PS3.4 C.6). Neither does one
where they cannot be keys: with a backslash or a wildcard in them, or too long to be told. Instances
of the Non-Patient Object Storage classes have none: hanging protocols, color palettes, implant
templates and the like (PS3.4 GG.3).
"""

from __future__ import annotations

from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING

from gateway.dimse.services import SERVICES
from gateway.sdk import GatewayError
from workers.archive.attributes import BY_KEYWORD
from workers.archive.stored_text import is_cut

if TYPE_CHECKING:
    from collections.abc import Mapping

NON_PATIENT = frozenset(uid for uid, service in SERVICES.items() if service.annex == "GG")
"""The SOP classes of PS3.4 GG.3."""

_NO_KEY = frozenset("\\*?")
REQUIRED = tuple(BY_KEYWORD[k] for k in ("StudyInstanceUID", "SeriesInstanceUID"))
_REQUIRED_OF = itemgetter(*(attribute.keyword for attribute in REQUIRED))


class Incomplete(GatewayError):  # noqa: N818 - an error of the peer, answered with A900
    """An instance without a usable Study or Series Instance UID; `tag` is which."""

    def __init__(self, tag: int, text: str) -> None:
        super().__init__(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {text}")
        self.tag = tag


def check_complete(sop_class_uid: str, found: Mapping[str, str], *, keeps: bool) -> None:
    """Raise Incomplete for an instance of a patient whose study or series no key can name.

    With `keeps` the UIDs may be missing: such an instance is listed, and retrieved without them.
    """
    if sop_class_uid in NON_PATIENT:
        return
    if (defect := _defect_of(*_REQUIRED_OF(found), keeps)) is not None:
        raise Incomplete(*defect)


@lru_cache(256)  # most instances of a series have the same
def _defect_of(study: str, series: str, keeps: bool) -> tuple[int, str] | None:
    """Return the tag of the UID that is no key, and what is wrong with it."""
    for attribute, uid in zip(REQUIRED, (study, series), strict=True):
        if (uid or not keeps) and (why := _defect(uid)):
            return attribute.tag, f"{attribute.keyword} {why}"
    return None


def _defect(uid: str) -> str:
    if not uid:
        return "is missing or empty"
    if not _NO_KEY.isdisjoint(uid):
        return "has a backslash or a wildcard"
    return "is too long" if is_cut(uid) else ""
