"""`dicom-gateway archive move`: from files to the object store, or back."""

from __future__ import annotations

import sys
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.shared_options import ConfigOption, DataOption, JsonOption
from workers.archive import layout, moving, upkeep
from workers.archive.command_options import (
    locate,
    print_json,
    printable,
)
from workers.archive.index.records import IndexedFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from workers.archive.index import Index, IndexEntry
    from workers.archive.stored_files import StoredFiles


class MoveTarget(StrEnum):
    """Where instances are moved to."""

    STORE = "store"
    DIRECTORY = "directory"


def move_instances(  # noqa: PLR0913, PLR0917 - the arguments of a command
    context: typer.Context,
    to: Annotated[
        MoveTarget,
        typer.Option("--to", help="The object store of [archive] store, or the data directory."),
    ],
    uids: Annotated[
        list[str] | None,
        typer.Argument(
            help="UIDs of studies, series or instances.", metavar="UID...", show_default=False
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Everything that this gateway has.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move instances between the data directory and the object store. The gateway may run.

    Only those of this gateway are moved. If it is interrupted, the next one goes on. The exit
    status is 1 if nothing has any of the UIDs, or if an instance could not be moved.
    """
    if everything == bool(uids):
        raise typer.BadParameter("give either UIDs or --all")
    archive = locate(context, config, data)
    counts: Counter[str] = Counter(moved=0, there=0, failed=0)
    with archive.open_index() as index:
        found = _everything(index) if everything else _chosen(index, uids or [])
        holder = archive.settings.holder_of_files
        own = (known for known in found if known.entry.holder == holder)
        for known, outcome in _moved(archive.files(index), index, own, to):
            counts[outcome or "failed"] += 1
            if as_json and outcome:
                print_json(
                    {"event": "instance", "uid": known.entry.sop_instance_uid, "done": outcome}
                )
    if as_json:
        print_json({"event": "summary", **counts})
    elif counts.total():
        failed = f", {counts['failed']} failed" if counts["failed"] else ""
        print(f"{counts['moved']} moved to the {to}, {counts['there']} there already{failed}")
    else:
        print("nothing in the archive has any of these UIDs", file=sys.stderr)
    raise typer.Exit(0 if counts.total() and not counts["failed"] else 1)


def _everything(index: Index) -> Iterator[IndexedFile]:
    yield from (IndexedFile(entry, is_conflict=False) for entry in index.everything())
    yield from (IndexedFile(entry, is_conflict=True) for entry in index.conflicts())


def _chosen(index: Index, uids: list[str]) -> Iterator[IndexedFile]:
    entries: list[IndexEntry] = list(upkeep.matching(index, uids).values())
    yield from (IndexedFile(entry, is_conflict=False) for entry in entries)


def _moved(
    files: StoredFiles, index: Index, found: Iterable[IndexedFile], to: MoveTarget
) -> Iterator[tuple[IndexedFile, str]]:
    """Move instances; yield each with what was done, empty if it failed."""
    for known in found:
        if layout.is_object(known.entry.path) == (to is MoveTarget.STORE):
            yield known, "there"
            continue
        work = moving.to_store if to is MoveTarget.STORE else moving.to_directory
        try:
            is_moved = work(files, index, known)
        except moving.NotMoved as error:
            uid = printable(known.entry.sop_instance_uid)
            print(f"{uid}: {error}", file=sys.stderr)
            yield known, ""
            continue
        yield known, "moved" if is_moved else "there"
