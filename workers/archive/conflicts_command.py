"""`dicom-gateway archive conflicts`: list, show, accept and drop what was set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.shared_options import ConfigOption, DataOption, JsonOption, command_group
from workers.archive import conflicts
from workers.archive.command_options import locate, print_json, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.archive.command_options import ArchiveLocation
    from workers.archive.index import Index, IndexEntry
    from workers.archive.stored_files import StoredFiles

app = command_group(
    "Instances that were set aside, because other content is stored under their UID."
)

_Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="As `ls` shows it: the end of its name, its path, or a SOP Instance UID.",
    ),
]


@app.command("ls")
def ls(
    context: typer.Context,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was set aside, the oldest first."""
    archive = locate(context, config, data)
    with archive.open_index() as index:
        found = [e for e in index.conflicts() if e.holder == archive.settings.holder_of_files]
    if found and not as_json:
        print(f"{'NAME':<12}  {'BYTES':>12}  SOP INSTANCE UID")
    for entry in found:
        _print(entry, as_json)
    if as_json:
        print_json({"event": "summary", "conflicts": len(found)})
    else:
        print(f"{len(found)} set aside")


@app.command("show")
def show(
    context: typer.Context,
    name: _Name,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how it differs from the instance that is stored, element by element."""
    archive = locate(context, config, data)
    with archive.open_index() as index:
        entry = conflicts.conflict_named(index, archive.settings.holder_of_files, name)
        stored = index.find(entry.sop_instance_uid)
    _print(entry, as_json)
    if stored is None:
        print("nothing is stored under its UID any more: accept it, or drop it")
        return
    files = archive.files()
    if not as_json:
        print(f"stored: {files.where(stored.path)}\naside:  {files.where(entry.path)}")
    with files.readable(stored.path) as one, files.readable(entry.path) as other:
        different = list(conflicts.differences(one, other))
    for found in different:
        if as_json:
            print_json({"event": "difference", **found._asdict()})
        else:
            values = (printable(text) or "(absent)" for text in (found.stored, found.aside))
            print(f"{found.element}: {' -> '.join(values)}")


@app.command("accept")
def accept(
    context: typer.Context,
    name: _Name,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make it the instance, and delete the one that is stored. The gateway may run."""
    entry = _settle(locate(context, config, data), name, conflicts.accept)
    _done(entry, "accepted", as_json)


@app.command("drop")
def drop(
    context: typer.Context,
    name: _Name,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete it; the instance that is stored stays. The gateway may run."""
    entry = _settle(locate(context, config, data), name, conflicts.drop)
    _done(entry, "dropped", as_json)


def _print(entry: IndexEntry, as_json: bool) -> None:
    name, uid = conflicts.label(entry), entry.sop_instance_uid
    if as_json:
        values = {"name": name, "uid": uid, "path": entry.path, "size": entry.size}
        print_json({"event": "conflict", **values})
    else:
        print(f"{name:<12}  {entry.size:>12}  {printable(uid)}")


def _settle(
    archive: ArchiveLocation, name: str, how: Callable[[StoredFiles, Index, IndexEntry], object]
) -> IndexEntry:
    """Accept or drop what was set aside under a name; return it."""
    with archive.open_index() as index:
        entry = conflicts.conflict_named(index, archive.settings.holder_of_files, name)
        how(archive.files(index), index, entry)
    return entry


def _done(entry: IndexEntry, what: str, as_json: bool) -> None:
    if as_json:
        print_json({"event": "summary", "uid": entry.sop_instance_uid, "done": what})
    else:
        print(f"{printable(entry.sop_instance_uid)}: {what}")
