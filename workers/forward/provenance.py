"""What the conditions of routes are asked about: the facts of a stored instance."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from gateway.part10 import Part10Error, read_file_meta
from gateway.route_language import PEER_NAMES
from workers.archive.attributes import ATTRIBUTES, Level
from workers.archive.index.interface import one_of
from workers.archive.index.search import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from gateway.part10 import FileMeta
    from workers.archive.index import Index, IndexEntry
    from workers.archive.stored_files import StoredFiles

log = logging.getLogger("workers.forward")

Facts = dict[str, str]
_UIDS = ("SOPInstanceUID", "SOPClassUID", "TransferSyntaxUID")


def facts_of(
    index: Index, files: StoredFiles, entries: Sequence[IndexEntry], names: Collection[str]
) -> list[Facts]:
    """Return the facts of these names for each instance.

    Calling and called AE title and address are in the file meta information of a file, attributes
    in the index. What is not known is not among the facts. Raises IndexFailure, and StoreFailure if
    objects are out of reach.
    """
    found: list[Facts] = [
        {
            "SOPInstanceUID": entry.sop_instance_uid,
            "SOPClassUID": entry.sop_class_uid,
            "TransferSyntaxUID": entry.transfer_syntax_uid,
        }
        for entry in entries
    ]
    if not frozenset(PEER_NAMES).isdisjoint(names):
        read = files.map(lambda one: _peer_facts(partial(files.file_meta, one), one.path), entries)
        for facts, told in zip(found, read, strict=True):
            facts |= told
    wanted = [one for one in ATTRIBUTES if one.keyword in names and one.keyword not in _UIDS]
    if wanted:
        uid = next(one for one in ATTRIBUTES if one.keyword == "SOPInstanceUID")
        uids = [entry.sop_instance_uid for entry in entries]
        query = Query(
            Level.IMAGE, (uid, *wanted), conditions=(one_of(Level.IMAGE, uid.column, uids),)
        )
        by_uid = {row[0]: row[1:] for row in index.search(query)}
        for facts in found:
            values = by_uid.get(facts["SOPInstanceUID"], ())
            facts |= {
                one.keyword: value for one, value in zip(wanted, values, strict=False) if value
            }
    return found


def peer_facts(path: Path) -> Facts:
    """Return what a file says of the association on which its instance came; raises nothing."""
    return _peer_facts(partial(read_file_meta, path), path)


def _peer_facts(read: Callable[[], FileMeta], path: str | Path) -> Facts:
    try:
        meta = read()
    except (OSError, Part10Error) as error:
        log.warning("file=%s where it came from cannot be read: %s", path, error)
        return {}
    told = (meta.source_ae_title, meta.receiving_ae_title, meta.source_address)
    return {name: value for name, value in zip(PEER_NAMES, told, strict=True) if value}
