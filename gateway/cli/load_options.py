"""The options of `dicom-gateway load`."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.load.load_plan import DRAIN, GIVE_UP


class LoadOperation(StrEnum):
    """The operation that is repeated."""

    STORE = "store"
    ECHO = "echo"
    FIND = "find"


class Keep(StrEnum):
    """How long an association is kept."""

    KEEP = "keep"
    STUDY = "study"
    INSTANCE = "instance"


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """What to send, how much, how fast, and where to report."""

    operation: Annotated[
        LoadOperation, typer.Option("--operation", "-o", help="The operation to repeat.")
    ] = LoadOperation.STORE
    associations: Annotated[
        int,
        typer.Option(
            "--associations",
            "-a",
            min=1,
            max=10_000,
            metavar="N",
            help="Associations at the same time.",
        ),
    ] = 1
    count: Annotated[
        int | None,
        typer.Option("--count", "-n", min=1, metavar="N", help="Operations in total."),
    ] = None
    duration: Annotated[
        str | None,
        typer.Option("--duration", "-d", metavar="TIME", help="Length of the run: 30s, 5m."),
    ] = None
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            metavar="R",
            help="Open loop: start R operations a second, whatever the peer does. Latency counts "
            "from when an operation should have started.",
        ),
    ] = None
    ramp: Annotated[
        str | None,
        typer.Option(
            "--ramp",
            metavar="FROM:TO:TIME",
            help="Open loop with a rate that rises in 10 steps, to find the highest rate that the "
            "peer keeps up with: 50:2000:30s.",
        ),
    ] = None
    poisson: Annotated[
        bool,
        typer.Option(
            "--poisson/--even", help="Open loop: start operations at random or even intervals."
        ),
    ] = False
    files: Annotated[
        list[Path],
        typer.Option(
            "--files",
            metavar="PATH",
            help="Send these files, or everything below these directories, with new UIDs each "
            "time. May be repeated.",
        ),
    ] = field(default_factory=list)
    keep_uids: Annotated[
        bool, typer.Option("--keep-uids", help="Send the --files with their own UIDs.")
    ] = False
    mix: Annotated[
        str,
        typer.Option(
            "--mix",
            metavar="KIND=SHARE,...",
            help="Modalities to generate, with their shares of the instances: ct mr us cr dx mg.",
        ),
    ] = "ct"
    size: Annotated[
        str | None,
        typer.Option(
            "--size",
            metavar="SIZE",
            help="Bytes of pixel data in place of the modality's: 8k, 512KiB.",
        ),
    ] = None
    study: Annotated[
        str | None,
        typer.Option(
            "--study",
            metavar="SERIESxINSTANCES",
            help="Series in a study and instances in a series, in place of the modality's: 3x40.",
        ),
    ] = None
    keep: Annotated[
        Keep,
        typer.Option(
            "--association",
            help="Keep associations, or open one for each study or each instance; "
            "latency then includes the establishment.",
        ),
    ] = Keep.KEEP
    slo: Annotated[
        str | None,
        typer.Option(
            "--slo",
            metavar="TERMS",
            help="Objectives: p99<250ms,errors<0.1%,rate>100. Exit status 3 if one is missed.",
        ),
    ] = None
    processes: Annotated[
        int,
        typer.Option("--processes", min=1, max=64, metavar="N", help="Processes to send from."),
    ] = 1
    verify: Annotated[
        str | None,
        typer.Option(
            "--verify",
            metavar="DIR|find",
            help="Afterwards compare what was acknowledged with the files below a directory (such "
            "as a gateway's data directory) byte for byte, or query the peer by C-FIND.",
        ),
    ] = None
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the result to this file as JSON."),
    ] = None
    html_file: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a report to this file as HTML."),
    ] = None
    every: Annotated[
        float,
        typer.Option(
            "--every",
            min=0.1,
            metavar="SECONDS",
            help="Interval of progress lines, if not on a terminal.",
        ),
    ] = 1.0
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Seed of --poisson; 0: a random one.")
    ] = 0
    give_up: Annotated[
        float,
        typer.Option(
            "--give-up",
            min=0.1,
            metavar="SECONDS",
            help="Stop after so long without any association.",
        ),
    ] = GIVE_UP
    drain: Annotated[
        float,
        typer.Option(
            "--drain",
            min=0.0,
            metavar="SECONDS",
            help="Time for operations in flight to end when the run is over.",
        ),
    ] = DRAIN
