"""`dicom-gateway archive path` and `archive export`: where instances are, and copies to read."""

from __future__ import annotations

import getpass
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003 - the framework reads the annotation
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.shared_options import ConfigOption, DataOption, JsonOption
from workers.archive import upkeep
from workers.archive.command_options import (
    locate,
    print_json,
    printable,
)
from workers.archive.export import ExportError, export, plan
from workers.archive.index.notes import EXPORTED, StudyNote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.archive.command_options import ArchiveLocation
    from workers.archive.index import Index, IndexEntry

_Uids = Annotated[
    list[str], typer.Argument(help="UIDs of studies, series or instances.", metavar="UID...")
]
_NOTHING = "nothing in the archive has any of these UIDs"


def path(
    context: typer.Context,
    uids: _Uids,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the paths of the files of studies, series or instances.

    The exit status is 1 if this gateway has no file of any of the UIDs.
    """
    archive = locate(context, config, data)
    with archive.open_index() as index:
        found = list(upkeep.matching(index, uids).values())
    files = archive.files()
    for entry in found:
        if archive.is_elsewhere(entry):
            print(_elsewhere(entry), file=sys.stderr)
            continue
        where, uid = files.where(entry.path), entry.sop_instance_uid
        if as_json:
            print_json({"event": "instance", "uid": uid, "path": where})
        else:
            print(where)
    if as_json:
        print_json({"event": "summary", "instances": len(found)})
    elif not found:
        print(_NOTHING, file=sys.stderr)
    raise typer.Exit(0 if any(not archive.is_elsewhere(one) for one in found) else 1)


def export_instances(  # noqa: PLR0913, PLR0917 - the arguments of a command
    context: typer.Context,
    uids: _Uids,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where the folders are made.")],
    link: Annotated[
        bool, typer.Option("--link", help="Make symbolic links in place of copies.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy instances, or link to them, as DIR/PATIENT/STUDY/SERIES/NUMBER.dcm.

    What is there already is left. The exit status is 1 if nothing has any of the UIDs, or if an
    instance could not be exported.
    """
    archive = locate(context, config, data)
    counts: Counter[str] = Counter(exported=0, there=0, failed=0)
    with archive.open_index() as index, _noting(index, archive, to) as exported:
        files = archive.files(index)
        for one in plan(index, uids):
            try:
                if archive.is_elsewhere(one.entry):
                    raise ExportError(_elsewhere(one.entry))
                is_new = export(files, to, one, link=link)
            except ExportError as error:
                counts["failed"] += 1
                print(printable(str(error)), file=sys.stderr)
                continue
            counts["exported" if is_new else "there"] += 1
            exported[one.study, one.entry.sop_class_uid] += is_new
            if as_json:
                where = {"uid": one.entry.sop_instance_uid, "path": str(to / one.name)}
                print_json({"event": "instance", **where})
    if as_json:
        print_json({"event": "summary", **counts})
    elif counts.total():
        there = f", {counts['there']} there already" if counts["there"] else ""
        failed = f", {counts['failed']} failed" if counts["failed"] else ""
        print(f"{counts['exported']} instances exported to {to}{there}{failed}")
    else:
        print(_NOTHING, file=sys.stderr)
    raise typer.Exit(0 if counts.total() and not counts["failed"] else 1)


def _elsewhere(entry: IndexEntry) -> str:
    return printable(f"{entry.sop_instance_uid}: its file is at {entry.holder}: run this there")


@contextmanager
def _noting(index: Index, archive: ArchiveLocation, to: Path) -> Iterator[Counter[tuple[str, str]]]:
    """Count instances by study and SOP class; in the end the journal tells what was exported.

    So the audit trail does, with the name of the user and the folder, also if it was interrupted.
    """
    exported: Counter[tuple[str, str]] = Counter()
    try:
        yield exported
    finally:
        who, holder = f"{getpass.getuser()} {to.absolute()}", archive.settings.holder_of_files
        index.note(
            *(
                StudyNote(EXPORTED, study, "", sop_class, "", who, holder, number)
                for (study, sop_class), number in exported.items()
                if number
            )
        )
