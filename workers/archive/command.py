"""`dicom-gateway archive`: list, verify, reindex and remove stored instances."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.datasets.validation import disable_validation
from workers.archive import upkeep
from workers.archive.layout import FOLDER
from workers.archive.opening import archive_settings, open_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

    from gateway.settings import ArchiveSettings
    from workers.archive.index import Index, IndexEntry

app = typer.Typer(
    help="List, verify, reindex or remove stored instances.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data directory of the gateway.",
        show_default="./gateway-data",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", envvar="DICOM_GATEWAY_CONFIG", help="Configuration file (TOML)."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]


@dataclass(frozen=True, slots=True)
class ArchiveLocation:
    """The archive that a command works on."""

    data_dir: Path
    settings: ArchiveSettings

    @property
    def root(self) -> Path:
        return self.data_dir.absolute() / FOLDER

    def open_index(self) -> Index:
        return open_index(self.data_dir, self.settings)


def _locate(context: typer.Context, config: Path | None, data: str | None) -> ArchiveLocation:
    disable_validation()
    settings = context.find_root().obj(config, data=data)
    table = asdict(settings.archive)
    table["holder"] = table["holder"] or settings.gateway.ae_title
    return ArchiveLocation(Path(settings.gateway.data), archive_settings({"archive": table}))


@app.command("ls")
def ls(
    context: typer.Context,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    incomplete: Annotated[
        bool,
        typer.Option("--incomplete", help="List the instances without a study or series instead."),
    ] = False,
) -> None:
    """List the studies, with their numbers of series and instances and their size."""
    if incomplete:
        with _locate(context, config, data).open_index() as index:
            _print_instances(upkeep.incomplete(index), as_json)
        return
    total: Counter[str] = Counter()
    with _locate(context, config, data).open_index() as index:
        for study in index.studies():
            total.update(studies=1, instances=study.instances, size=study.size)
            if as_json:
                _print_json({"event": "study", **asdict(study)})
            else:
                date, modalities = study.study_date or "-", study.modalities or "-"
                counts = f"{study.series:>4} series {study.instances:>7} instances"
                size = f"{study.size / 1e6:>10.1f} MB"
                name = _printable(f"{study.patient_id}  {study.patient_name}")
                uid = _printable(study.study_instance_uid)
                print(f"{date:<8} {modalities:<6} {counts} {size}  {uid}  {name}")
    keys = ("studies", "instances", "size")
    if as_json:
        _print_json({"event": "summary", **{key: total[key] for key in keys}})
    else:
        megabytes = total["size"] / 1e6
        print(f"{total['studies']} studies, {total['instances']} instances, {megabytes:.1f} MB")


@app.command("verify")
def verify(
    context: typer.Context,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare every file with the index, and the index with the files.

    The exit status is 1 if a file is missing, damaged, not in the index, or foreign.
    """
    archive = _locate(context, config, data)
    checked = problems = size = 0
    with archive.open_index() as index, _progress(as_json) as progress:
        task = progress.add_task("verify", total=upkeep.count_files(archive.root))
        for step in upkeep.verify(archive.root, index, archive.settings.holder_of_files):
            checked, size = checked + 1, size + step.size
            progress.update(task, advance=1)
            if step.problem is None:
                continue
            problems += 1
            if as_json:
                _print_json({"event": "problem", **asdict(step.problem)})
            else:
                found = step.problem
                uid = f" {_printable(found.sop_instance_uid)}" if found.sop_instance_uid else ""
                progress.console.print(
                    f"{found.kind}: {_printable(found.path)}{uid}: {found.text}",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )
    if as_json:
        _print_json({"event": "summary", "checked": checked, "problems": problems, "size": size})
    else:
        print(f"{checked} checked, {size / 1e6:.1f} MB, {problems} problems")
    raise typer.Exit(1 if problems else 0)


@app.command("reindex")
def reindex(
    context: typer.Context,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rebuild the index from the files. Stop the gateway first.

    The exit status is 1 if a file cannot be indexed.
    """
    archive = _locate(context, config, data)
    found = None
    with _progress(as_json) as progress:
        task: TaskID = progress.add_task("reindex", total=upkeep.count_files(archive.root))
        for found in upkeep.reindex(archive.data_dir, archive.settings):  # noqa: B007 - the last one counts
            progress.update(task, advance=1)
    kinds = asdict(found) if found is not None else {}
    if as_json:
        _print_json({"event": "summary", **{kind: len(paths) for kind, paths in kinds.items()}})
    for kind in ("damaged", "foreign"):
        for path in kinds.get(kind, ()):
            print(f"{kind}: {_printable(path)}", file=sys.stderr)
    if not as_json:
        parts = [
            f"{len(kinds.get(kind, ()))} {kind}" for kind in ("indexed", "duplicates", "damaged")
        ]
        print(", ".join(parts))
    raise typer.Exit(1 if kinds.get("damaged") else 0)


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
    archive = _locate(context, config, data)
    holder = archive.settings.holder_of_files
    with archive.open_index() as index:
        found = [e for e in upkeep.matching(index, uids).values() if e.holder == holder]
        if found and not dry_run:
            upkeep.remove(archive.root, index, holder, found)
    size = sum(entry.size for entry in found)
    _print_entries(found, as_json)
    if as_json:
        removed = 0 if dry_run else len(found)
        _print_json({"event": "summary", "removed": removed, "found": len(found)})
    else:
        done = "would be removed" if dry_run else "removed"
        print(f"{len(found)} instances, {size / 1e6:.1f} MB {done}")
    raise typer.Exit(0 if found else 1)


def _print_instances(entries: list[IndexEntry], as_json: bool) -> None:
    _print_entries(entries, as_json)
    size = sum(entry.size for entry in entries)
    if as_json:
        _print_json({"event": "summary", "instances": len(entries), "size": size})
    else:
        print(f"{len(entries)} instances, {size / 1e6:.1f} MB")


def _print_entries(entries: list[IndexEntry], as_json: bool) -> None:
    for entry in entries:
        uid = entry.sop_instance_uid
        if as_json:
            _print_json({"event": "instance", "uid": uid, "path": entry.path})
        else:
            print(f"{_printable(uid)}  {entry.path}")


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


def _print_json(values: dict[str, Any]) -> None:
    print(json.dumps(values))


def _printable(text: str) -> str:
    """Return text of a peer without characters that control the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
