"""Statuses that say more than a number."""

from __future__ import annotations

from pydicom.dataset import Dataset

_MAX_COMMENT = 64
"""Characters of an Error Comment (LO)."""


def status_with_comment(status: int, comment: str, *offending: int) -> Dataset:
    """Return a status with an Error Comment and the tags of offending elements (PS3.7 annex C).

    A handler may return or yield it in place of the number. The comment is sent to the peer: its
    first 64 characters, and it must not name a patient. `gateway.sdk.status` names the codes.
    """
    answer = Dataset()
    answer.Status = status
    answer.ErrorComment = comment[:_MAX_COMMENT]
    if offending:
        answer.OffendingElement = list(offending)
    return answer
