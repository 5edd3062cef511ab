"""The storage SOP classes, and those of them that fit into one association.

An association has at most 128 presentation contexts (PS3.8 9.3.2.2), and the registry has more
storage SOP classes than that. The usual ones are those that pynetdicom's
`StoragePresentationContexts` has, so that a program that proposes them finds the same peers.
"""

from __future__ import annotations

from gateway.dimse.services import SERVICES
from gateway.table_files import read_table
from gateway.uid import UIDS

_SELDOM_USED = tuple(row[0] for row in read_table("dimse/seldom_used.tsv"))
"""Prefixes of the keywords that are left out."""


def storage_sop_classes() -> list[str]:
    """Return the UIDs of all registered SOP classes of the Storage service (PS3.4 B), sorted."""
    return sorted(uid for uid in UIDS.keys() & SERVICES if SERVICES[uid].name == "Storage")


def usual_storage_sop_classes() -> list[str]:
    """Return the UIDs, sorted, to propose when it is not known what will be sent."""
    return [uid for uid in storage_sop_classes() if not UIDS[uid].keyword.startswith(_SELDOM_USED)]
