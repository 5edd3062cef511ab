"""`dicom-gateway archive`: what is in it, whether it is whole, and how to mend it."""

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
from workers.archive.opening import open_index
from workers.archive.settings import ArchiveSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

app = typer.Typer(
    help="Look after the stored instances.", no_args_is_help=True, rich_markup_mode=None
)

DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The gateway's data directory.",
        show_default="./gateway-data",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", envvar="DICOM_GATEWAY_CONFIG", help="A TOML file of settings."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@dataclass(frozen=True, slots=True)
class Place:
    """The archive that a command is about."""

    data_dir: Path
    settings: ArchiveSettings

    @property
    def root(self) -> Path:
        return self.data_dir.absolute() / FOLDER


def _place(context: typer.Context, config: Path | None, data: str | None) -> Place:
    disable_validation()
    settings = context.find_root().obj(config, data=data)
    table = asdict(settings.archive)
    table["holder"] = table["holder"] or settings.gateway.ae_title
    return Place(Path(settings.gateway.data), ArchiveSettings.of({"archive": table}))


@app.command("ls")
def ls(
    context: typer.Context,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the studies, with how many series and instances they have, and their size."""
    place = _place(context, config, data)
    total: Counter[str] = Counter()
    with open_index(place.data_dir, place.settings) as index:
        for study in index.studies():
            total.update(studies=1, instances=study.instances, size=study.size)
            if as_json:
                _say({"event": "study", **asdict(study)})
            else:
                date, modalities = study.study_date or "-", study.modalities or "-"
                counts = f"{study.series:>4} series {study.instances:>7} instances"
                size = f"{study.size / 1e6:>10.1f} MB"
                name = _printable(f"{study.patient_id}  {study.patient_name}")
                uid = _printable(study.study_instance_uid)
                print(f"{date:<8} {modalities:<6} {counts} {size}  {uid}  {name}")
    keys = ("studies", "instances", "size")
    if as_json:
        _say({"event": "summary", **{key: total[key] for key in keys}})
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
    """Compare every file with the index, and the index with every file.

    The exit status is 1 if anything is missing, damaged, unknown to the index or foreign.
    """
    place = _place(context, config, data)
    checked = problems = size = 0
    with open_index(place.data_dir, place.settings) as index, _progress(as_json) as progress:
        task = progress.add_task("verify", total=upkeep.count_files(place.root))
        for step in upkeep.verify(place.root, index, place.settings.holder_of_files):
            checked, size = checked + 1, size + step.size
            progress.update(task, advance=1)
            if step.problem is None:
                continue
            problems += 1
            if as_json:
                _say({"event": "problem", **asdict(step.problem)})
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
        _say({"event": "summary", "checked": checked, "problems": problems, "size": size})
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
    """Build the index anew from the files; the gateway must not run.

    The exit status is 1 if there are files that cannot be indexed.
    """
    place = _place(context, config, data)
    found = None
    with _progress(as_json) as progress:
        task: TaskID = progress.add_task("reindex", total=upkeep.count_files(place.root))
        for found in upkeep.reindex(place.data_dir, place.settings):  # noqa: B007 - the last one counts
            progress.update(task, advance=1)
    kinds = asdict(found) if found is not None else {}
    if as_json:
        _say({"event": "summary", **{kind: len(paths) for kind, paths in kinds.items()}})
    for kind in ("damaged", "foreign"):
        for path in kinds.get(kind, ()):
            print(f"{kind}: {_printable(path)}", file=sys.stderr)
    if not as_json:
        said = [
            f"{len(kinds.get(kind, ()))} {kind}" for kind in ("indexed", "duplicates", "damaged")
        ]
        print(", ".join(said))
    raise typer.Exit(1 if kinds.get("damaged") else 0)


@app.command("rm")
def rm(
    context: typer.Context,
    uids: Annotated[
        list[str], typer.Argument(help="UIDs of studies, series or instances.", metavar="UID...")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove studies, series or instances. The exit status is 1 if nothing has such a UID."""
    place = _place(context, config, data)
    holder = place.settings.holder_of_files
    with open_index(place.data_dir, place.settings) as index:
        found = [e for e in upkeep.matching(index, uids).values() if e.holder == holder]
        if found and not dry_run:
            upkeep.remove(place.root, index, holder, found)
    size = sum(entry.size for entry in found)
    if as_json:
        for entry in found:
            _say({"event": "instance", "uid": entry.sop_instance_uid, "path": entry.path})
        _say({"event": "summary", "removed": 0 if dry_run else len(found), "found": len(found)})
    else:
        for entry in found:
            print(f"{_printable(entry.sop_instance_uid)}  {entry.path}")
        done = "would be removed" if dry_run else "removed"
        print(f"{len(found)} instances, {size / 1e6:.1f} MB {done}")
    raise typer.Exit(0 if found else 1)


@contextmanager
def _progress(quiet: bool) -> Iterator[Progress]:
    """A bar on standard error, if anybody looks."""
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
        disable=quiet or not console.is_terminal,
    ) as progress:
        yield progress


def _say(values: dict[str, Any]) -> None:
    print(json.dumps(values))


def _printable(text: str) -> str:
    """A peer's text must not steer the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
