"""`dicom-gateway archive retention`: delete old studies now, or tell which ones would go."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.shared_options import ConfigOption, DataOption, JsonOption
from workers.archive import old_studies
from workers.archive.command_options import (
    locate,
    print_json,
    printable,
    size_text,
)
from workers.archive.old_studies import HELD, OldStudy, Retention

if TYPE_CHECKING:
    from collections.abc import Iterable


def delete_old(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be deleted, and delete nothing.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete old studies as [retention] of the configuration says. The gateway may run.

    A study that received something within `min_age` stays, and so does one that a worker still
    needs, as for a report of storage commitment; it is listed as held.
    """
    archive = locate(context, config, data)
    settings = archive.retention
    if why := old_studies.check(settings):
        raise typer.BadParameter(why)
    with archive.open_index() as index:
        files, holder = archive.files(index), archive.settings.holder_of_files
        work = Retention(files, index, holder, settings)
        _print(work.run(dry=dry_run), dry_run, as_json)


def _print(studies: Iterable[OldStudy], dry_run: bool, as_json: bool) -> None:
    number = instances = size = held = 0
    for study in studies:
        if study.why == HELD:
            held += 1
        else:
            number, size = number + 1, size + study.size
            instances += study.instances
        if as_json:
            print_json({"event": "study", **asdict(study)})
        else:
            print(_line(study))
    if as_json:
        numbers = {"studies": number, "instances": instances, "size": size, "held": held}
        print_json({"event": "summary", "dry_run": dry_run, **numbers})
        return
    done = "would be deleted" if dry_run else "deleted"
    stay = f"; {held} held" if held else ""
    print(f"{number} studies, {instances} instances, {size_text(size)} {done}{stay}")


def _line(study: OldStudy) -> str:
    day = datetime.fromtimestamp(study.received, UTC).strftime("%Y-%m-%d")
    held = f"  by {', '.join(study.held_by)}" if study.held_by else ""
    size = size_text(study.size)
    uid = printable(study.study_instance_uid)
    return f"{day}  {study.why:<5} {study.instances:>9} {size:>9}  {uid}{printable(held)}"
