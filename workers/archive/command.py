"""`dicom-gateway archive`: list, verify, reindex, assign and remove stored instances."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.shared_options import ConfigOption, DataOption, JsonOption, command_group
from workers.archive import (
    conflicts_command,
    export_command,
    move_command,
    retention_command,
    upkeep,
)
from workers.archive.command_options import locate, print_json, printable, size_text
from workers.archive.patients import assign_study, patient_attributes
from workers.archive.progress_rate import ProgressRate
from workers.archive.reindex import Reindex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.progress import Progress, TaskID

    from workers.archive.index import Index, IndexEntry
    from workers.archive.index.records import StudySummary
    from workers.archive.stored_files import StoredFiles

app = command_group("List, verify, reindex, assign, export or remove stored instances.")
app.add_typer(conflicts_command.app, name="conflicts")
app.command("retention")(retention_command.delete_old)
app.command("path")(export_command.path)
app.command("export")(export_command.export_instances)
app.command("move")(move_command.move_instances)


@app.command("ls")
def ls(  # noqa: PLR0913, PLR0917 - the options of a command
    context: typer.Context,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    incomplete: Annotated[
        bool,
        typer.Option("--incomplete", help="List the instances without a study or series instead."),
    ] = False,
    patient: Annotated[
        str, typer.Option("--patient", metavar="ID", help="Of this Patient ID; with * and ?.")
    ] = "*",
    modality: Annotated[
        str, typer.Option("--modality", metavar="CS", help="With series of this modality.")
    ] = "",
    paths: Annotated[
        bool, typer.Option("--paths", help="List the files of the instances instead.")
    ] = False,
) -> None:
    """List the studies, with their numbers of series and instances and their size."""
    archive = locate(context, config, data)
    with archive.open_index() as index:
        studies = (
            study
            for study in index.studies()
            if fnmatchcase(study.patient_id, patient)
            and (not modality or modality in study.modalities.split("\\"))
        )
        if incomplete:
            _print_incomplete(index, as_json)
        elif paths:
            uids = [study.study_instance_uid for study in studies]
            found = upkeep.matching(index, uids).values()
            _print_paths(archive.files(), found, as_json)
        else:
            _print_studies(studies, as_json)


@app.command("mismatches")
def mismatches(
    context: typer.Context,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the studies that have instances under several Patient IDs, a line for each ID."""
    with locate(context, config, data).open_index() as index:
        found = sorted(
            index.studies(mismatched=True), key=lambda s: (s.study_instance_uid, s.patient_id)
        )
        _print_studies(found, as_json)


@app.command("assign")
def assign(  # noqa: PLR0913, PLR0917 - the arguments of a command
    context: typer.Context,
    study: Annotated[str, typer.Argument(help="Study Instance UID.", metavar="STUDY")],
    patient: Annotated[
        str | None, typer.Argument(help="Patient ID.", metavar="PATIENT", show_default=False)
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Which patient, if several have this ID."),
    ] = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Return the instances to the patients in their files.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Assign all instances of a study, also later ones, to a patient.

    The study gets the attributes of the patient in the archive who has this ID; if there is none,
    it keeps its own with this ID. The files are not changed: the assignment is written to
    assignments.jsonl in the archive, which a reindex reads. The exit status is 1 if there is no
    such study.
    """
    if undo == (patient is not None):
        raise typer.BadParameter("give either PATIENT or --undo")
    archive = locate(context, config, data)
    with archive.open_index() as index:
        attributes = None if patient is None else patient_attributes(index, study, patient, name)
        number = assign_study(archive.root, index, study, attributes)
    if as_json:
        print_json({"event": "summary", "study": study, "instances": number})
    else:
        print(f"{number} instances of study {printable(study)}")
    raise typer.Exit(0 if number else 1)


def _print_incomplete(index: Index, as_json: bool) -> None:
    number = 0
    for number, one in enumerate(index.incomplete(), 1):  # noqa: B007 - the last one counts
        uid, sop_class = one.entry.sop_instance_uid, one.entry.sop_class_uid
        if as_json:
            study, series = one.study_instance_uid, one.series_instance_uid
            uids = {"uid": uid, "sop_class_uid": sop_class, "study": study, "series": series}
            print_json({"event": "instance", **uids, "path": one.entry.path})
        else:
            above = " and ".join(
                f"without a {name} Instance UID"
                for name, text in (
                    ("Study", one.study_instance_uid),
                    ("Series", one.series_instance_uid),
                )
                if not text
            )
            print(f"{printable(uid)}  {printable(sop_class)}  {one.entry.path}  {above}")
    if as_json:
        print_json({"event": "summary", "instances": number})
    else:
        print(f"{number} incomplete instances")


def _print_paths(files: StoredFiles, entries: Iterable[IndexEntry], as_json: bool) -> None:
    for entry in entries:
        path = files.where(entry.path)
        if as_json:
            print_json({"event": "instance", "uid": entry.sop_instance_uid, "path": path})
        else:
            print(path)


def _print_studies(studies: Iterable[StudySummary], as_json: bool) -> None:
    total: Counter[str] = Counter()
    for study in studies:
        if not as_json and not total:
            print(
                f"{'DATE':<8} {'MOD':<6} {'SERIES':>6} {'INSTANCES':>9} {'SIZE':>9}  STUDY  PATIENT"
            )
        total.update(studies=1, instances=study.instances, size=study.size)
        if as_json:
            print_json({"event": "study", **asdict(study)})
        else:
            date, modalities = study.study_date or "-", study.modalities or "-"
            counts = f"{study.series:>6} {study.instances:>9}"
            size = f"{size_text(study.size):>9}"
            name = printable(f"{study.patient_id}  {study.patient_name}")
            uid = printable(study.study_instance_uid)
            print(f"{date:<8} {modalities:<6} {counts} {size}  {uid}  {name}")
    keys = ("studies", "instances", "size")
    if as_json:
        print_json({"event": "summary", **{key: total[key] for key in keys}})
    else:
        size = size_text(total["size"])
        print(f"{total['studies']} studies, {total['instances']} instances, {size}")


@app.command("verify")
def verify(
    context: typer.Context,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare every file with the index, and the index with the files.

    The exit status is 1 if a file is missing, damaged, not in the index or foreign, or if the index
    has other attributes than the files.
    """
    archive = locate(context, config, data)
    checked = problems = size = 0
    with archive.open_index() as index, _progress(as_json) as progress:
        files = archive.files(index)
        task = progress.add_task("verify", total=upkeep.count_files(files))
        for step in upkeep.verify(files, index, archive.settings.holder_of_files):
            checked, size = checked + 1, size + step.size
            progress.update(task, advance=1)
            if step.problem is None:
                continue
            problems += 1
            if as_json:
                print_json({"event": "problem", **asdict(step.problem)})
            else:
                found = step.problem
                uid = f" {printable(found.sop_instance_uid)}" if found.sop_instance_uid else ""
                progress.console.print(
                    f"{found.kind}: {printable(found.path)}{uid}: {found.text}",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )
    if as_json:
        print_json({"event": "summary", "checked": checked, "problems": problems, "size": size})
    else:
        print(f"{checked} checked, {size / 1e6:.1f} MB, {problems} problems")
    raise typer.Exit(1 if problems else 0)


@app.command("reindex")
def reindex(
    context: typer.Context,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            metavar="N",
            min=1,
            help="Processes that read.",
            show_default="one a core",
        ),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Start over although an earlier one was interrupted.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build the index anew from the files. Stop the gateway first.

    If it is interrupted, the next one continues. In PostgreSQL only the files of this gateway are
    indexed: run it at each gateway that shares the index. The exit status is 1 if a file cannot be
    indexed.
    """
    archive = locate(context, config, data)
    total = upkeep.count_files(archive.files())
    work = Reindex(archive.data_dir, archive.settings, processes=processes, anew=anew)
    rate = ProgressRate(total)
    with _progress(as_json) as progress:
        task: TaskID = progress.add_task("reindex", total=total)
        for count in work:
            progress.update(task, completed=count, description=f"reindex {rate.of(count):.0f}/s")
            if progress.disable and rate.is_due():
                print(rate.line(), file=sys.stderr)
    kinds = asdict(work.found)
    numbers = {kind: len(paths) for kind, paths in kinds.items()}
    if as_json:
        extra = {"continued": work.continued, "rate": round(rate.rate, 1)}
        print_json({"event": "summary", **numbers, **extra})
    for kind in ("damaged", "foreign"):
        for path in kinds[kind]:
            print(f"{kind}: {printable(path)}", file=sys.stderr)
    if not as_json:
        counts = ", ".join(f"{numbers[k]} {k}" for k in ("indexed", "duplicates", "damaged"))
        before = f", {work.continued} before it was interrupted" if work.continued else ""
        print(f"{counts}{before}, {rate.rate:.0f} files/s")
    raise typer.Exit(1 if kinds["damaged"] else 0)


@app.command("rm")
def rm(
    context: typer.Context,
    uids: Annotated[
        list[str], typer.Argument(help="UIDs of studies, series or instances.", metavar="UID...")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be removed, and remove nothing.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove studies, series or instances. The exit status is 1 if nothing has any of the UIDs."""
    archive = locate(context, config, data)
    holder = archive.settings.holder_of_files
    with archive.open_index() as index:
        found = [e for e in upkeep.matching(index, uids).values() if e.holder == holder]
        if found and not dry_run:
            upkeep.remove(archive.files(index), index, holder, found)
    size = sum(entry.size for entry in found)
    _print_entries(found, as_json)
    if as_json:
        removed = 0 if dry_run else len(found)
        print_json({"event": "summary", "removed": removed, "found": len(found)})
    elif not found:
        print("nothing in the archive has any of these UIDs", file=sys.stderr)
    else:
        done = "would be removed" if dry_run else "removed"
        print(f"{len(found)} instances, {size_text(size)} {done}")
    raise typer.Exit(0 if found else 1)


def _print_entries(entries: list[IndexEntry], as_json: bool) -> None:
    for entry in entries:
        uid = entry.sop_instance_uid
        if as_json:
            print_json({"event": "instance", "uid": uid, "path": entry.path})
        else:
            print(f"{printable(uid)}  {entry.path}")


@contextmanager
def _progress(hidden: bool) -> Iterator[Progress]:
    """Show a progress bar on standard error, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=hidden or not console.is_terminal,
    ) as progress:
        yield progress
