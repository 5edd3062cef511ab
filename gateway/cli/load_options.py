"""The options of `dicom-gateway load`: what a plan is made of."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Operation(StrEnum):
    """What is done again and again."""

    STORE = "store"
    ECHO = "echo"
    FIND = "find"


class Keep(StrEnum):
    """When there is a new association."""

    KEEP = "keep"
    STUDY = "study"
    INSTANCE = "instance"


OperationOption = Annotated[
    Operation, typer.Option("--operation", "-o", help="What is done again and again.")
]

AssociationsOption = Annotated[
    int, typer.Option("--associations", "-a", min=1, max=10_000, help="As many at once.")
]

CountOption = Annotated[
    int | None, typer.Option("--count", "-n", min=1, help="As many operations in all.")
]

DurationOption = Annotated[
    str | None, typer.Option("--duration", "-d", metavar="TIME", help="For so long: 30s, 5m.")
]

RateOption = Annotated[
    float | None,
    typer.Option(
        "--rate",
        metavar="R",
        help="Open loop: so many operations a second become due, whatever the peer does; "
        "latency counts from when one should have started.",
    ),
]

RampOption = Annotated[
    str | None,
    typer.Option(
        "--ramp",
        metavar="FROM:TO:TIME",
        help="Open loop with a rate that rises in 10 steps, to find the knee: 50:2000:30s.",
    ),
]

PoissonOption = Annotated[
    bool,
    typer.Option("--poisson/--even", help="Arrivals of the open loop: at random, or evenly."),
]

FilesOption = Annotated[
    list[Path],
    typer.Option(
        "--files",
        metavar="PATH",
        help="Send these files, and folders with all below, with new UIDs each time.",
    ),
]

KeepUidsOption = Annotated[
    bool, typer.Option("--keep-uids", help="Send the files as they are, UIDs and all.")
]

MixOption = Annotated[
    str,
    typer.Option(
        "--mix",
        metavar="KIND=SHARE,...",
        help="What is generated, by shares of the instances: ct mr us cr dx mg.",
    ),
]

SizeOption = Annotated[
    str | None,
    typer.Option(
        "--size", metavar="SIZE", help="Bytes of pixels instead of the real ones: 8k, 512KiB."
    ),
]

StudyOption = Annotated[
    str | None,
    typer.Option(
        "--study",
        metavar="SERIESxINSTANCES",
        help="What a study consists of: 3x40. Without it, what the modality has.",
    ),
]

NewAssociationOption = Annotated[
    Keep,
    typer.Option(
        "--association",
        help="Associations are kept, or are opened for each study or each instance "
        "(their set-up is then a part of the latency).",
    ),
]

SloOption = Annotated[
    str | None,
    typer.Option(
        "--slo",
        metavar="TERMS",
        help="What must hold: p99<250ms,errors<0.1%,rate>100. Exit status 3 if it does not.",
    ),
]

ProcessesOption = Annotated[
    int, typer.Option("--processes", min=1, max=64, help="Processes that share the load.")
]

VerifyOption = Annotated[
    str | None,
    typer.Option(
        "--verify",
        metavar="DIR|find",
        help="Afterwards compare what was acknowledged with the files below a folder, such as "
        "a gateway's data directory, byte for byte; or ask the peer itself, by C-FIND.",
    ),
]

JsonFileOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write everything there, as JSON."),
]

HtmlFileOption = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write a report there, one HTML page."),
]

EveryOption = Annotated[
    float,
    typer.Option("--every", min=0.1, metavar="SECONDS", help="Between lines, off a terminal."),
]

SeedOption = Annotated[int, typer.Option("--seed", help="Of random arrivals; 0: a new one.")]

GiveUpOption = Annotated[
    float,
    typer.Option(
        "--give-up",
        min=0.1,
        metavar="SECONDS",
        help="Break off after so long without any association.",
    ),
]

DrainOption = Annotated[
    float,
    typer.Option(
        "--drain",
        min=0.0,
        metavar="SECONDS",
        help="How long operations that are due may take to end when the time is over.",
    ),
]
