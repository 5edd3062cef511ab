"""Which instances a DICOMweb service has, by QIDO-RS (PS3.18 10.6).

A series is searched for a list of SOP Instance UIDs at once (PS3.18 8.3.4). A service that knows no
lists finds nothing then; so what is not found is searched for alone before it counts as absent.
A 404 means that the study is not there, if the service can be searched for studies at all.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from workers.forward.confirmation import NotAsked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workers.archive.outbox_rows import QueuedInstance
    from workers.forward.authorized_connection import AuthorizedConnection

AT_ONCE = 32
"""UIDs of a search: an address may have 2,000 characters or so."""
_SOP_INSTANCE_UID = "00080018"
_ABSENT = frozenset({204, 404})


def found_by_search(
    connection: AuthorizedConnection, path: str, rows: Sequence[QueuedInstance]
) -> set[str]:
    """Return the UIDs of those instances that the service finds; raises NotAsked, NoHttpAnswer.

    `path` is that of the service, without a slash at its end.
    """
    found: set[str] = set()
    for resource, uids in _by_series(path, rows):
        for begin in range(0, len(uids), AT_ONCE):
            some = uids[begin : begin + AT_ONCE]
            found |= _matches(connection, path, resource, some)
            if len(some) > 1:
                for uid in some:
                    if uid not in found:
                        found |= _matches(connection, path, resource, [uid])
    return found


def _by_series(path: str, rows: Sequence[QueuedInstance]) -> Iterator[tuple[str, list[str]]]:
    """Yield what is searched, and the UIDs of the instances that are expected there."""
    by_resource: dict[str, list[str]] = {}
    for row in rows:
        uid, series, study = row.at_destination
        resource = path
        if study:
            resource += f"/studies/{quote(study, safe='')}"
            resource += f"/series/{quote(series, safe='')}" if series else ""
        by_resource.setdefault(f"{resource}/instances", []).append(uid)
    yield from by_resource.items()


def _matches(
    connection: AuthorizedConnection, path: str, resource: str, uids: Sequence[str]
) -> set[str]:
    listed = ",".join(quote(uid, safe="") for uid in uids)
    status, model = _searched(connection, f"{resource}?SOPInstanceUID={listed}")
    if status == 404:
        study = resource.removeprefix(f"{path}/studies/").partition("/")[0]
        status, _ = _searched(connection, f"{path}/studies?StudyInstanceUID={study}&limit=1")
        if status == 404:
            raise NotAsked("the destination answered HTTP 404: it cannot be searched (QIDO-RS)")
        return set()
    try:
        return {str(uid) for item in model for uid in item[_SOP_INSTANCE_UID]["Value"]}
    except (TypeError, LookupError, AttributeError):
        raise NotAsked("what the destination found is not the DICOM JSON model") from None


def _searched(connection: AuthorizedConnection, address: str) -> tuple[int, Any]:
    """Return the status of a search and what it found; raises NotAsked for a failure."""
    answer = connection.get(address, {"Accept": "application/dicom+json"})
    if answer.status in _ABSENT:
        return answer.status, []
    if answer.status != 200:
        raise NotAsked(f"the destination answered HTTP {answer.status} to a search (QIDO-RS)")
    try:
        return 200, json.loads(answer.body)
    except (ValueError, RecursionError):
        kind = answer.media_type or "nothing"
        raise NotAsked(f"the destination answered a search with {kind} and no JSON") from None
