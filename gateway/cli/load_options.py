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
    """The time for which an association is kept: the load, a study or an instance."""

    KEEP = "keep"
    STUDY = "study"
    INSTANCE = "instance"


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """The options of a load: what to send, how much, how fast, and where to report."""

    operation: Annotated[LoadOperation, typer.Option("--operation", "-o")] = LoadOperation.STORE
    """The operation to repeat."""
    associations: Annotated[
        int, typer.Option("--associations", "-a", min=1, max=10_000, metavar="N")
    ] = 1
    """Associations at the same time."""
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, metavar="N")] = None
    """Operations in total."""
    duration: Annotated[str | None, typer.Option("--duration", "-d", metavar="TIME")] = None
    """Length of the run: 30s, 5m."""
    rate: Annotated[float | None, typer.Option("--rate", metavar="R")] = None
    """Open loop: start R operations a second, whatever the peer does. Latency counts from
    when an operation should have started."""
    ramp: Annotated[str | None, typer.Option("--ramp", metavar="FROM:TO:TIME")] = None
    """Open loop with a rate that rises in 10 steps, to find the highest rate that the peer
    keeps up with: 50:2000:30s."""
    poisson: Annotated[bool, typer.Option("--poisson/--even")] = False
    """Open loop: start operations at random or even intervals."""
    files: Annotated[list[Path], typer.Option("--files", metavar="PATH")] = field(
        default_factory=list
    )
    """Send these files, or everything below these directories, with new UIDs each time. May
    be repeated."""
    keep_uids: Annotated[bool, typer.Option("--keep-uids")] = False
    """Send the --files with their own UIDs."""
    mix: Annotated[str, typer.Option("--mix", metavar="KIND=SHARE,...")] = "ct"
    """Modalities to generate, with their shares of the instances: ct mr us cr dx mg."""
    size: Annotated[str | None, typer.Option("--size", metavar="SIZE")] = None
    """Bytes of pixel data in place of the modality's: 8k, 512KiB."""
    study: Annotated[str | None, typer.Option("--study", metavar="SERIESxINSTANCES")] = None
    """Series in a study and instances in a series, in place of the modality's: 3x40."""
    keep: Annotated[Keep, typer.Option("--association")] = Keep.KEEP
    """Keep associations, or open one for each study or each instance; latency then includes
    the establishment."""
    slo: Annotated[str | None, typer.Option("--slo", metavar="TERMS")] = None
    """Objectives: p99<250ms,errors<0.1%,rate>100. Exit status 3 if one is missed."""
    processes: Annotated[int, typer.Option("--processes", min=1, max=64, metavar="N")] = 1
    """Processes to send from."""
    verify: Annotated[str | None, typer.Option("--verify", metavar="DIR|find")] = None
    """Afterwards compare what was acknowledged with the files below a directory (such as a
    gateway's data directory) byte for byte, or query the peer by C-FIND."""
    cleanup: Annotated[Path | None, typer.Option("--cleanup", metavar="DIR")] = None
    """Afterwards remove what this run stored from the archive of the gateway with this data
    directory."""
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE")] = None
    """Write the result to this file as JSON."""
    html_file: Annotated[Path | None, typer.Option("--html", metavar="FILE")] = None
    """Write a report to this file as HTML."""
    every: Annotated[float, typer.Option("--every", min=0.1, metavar="SECONDS")] = 1.0
    """Interval of progress lines, if not on a terminal."""
    seed: Annotated[int, typer.Option("--seed", metavar="N")] = 0
    """Seed of --poisson; 0: a random one."""
    give_up: Annotated[float, typer.Option("--give-up", min=0.1, metavar="SECONDS")] = GIVE_UP
    """Stop after so long without any association."""
    drain: Annotated[float, typer.Option("--drain", min=0.0, metavar="SECONDS")] = DRAIN
    """Time for operations in flight to end when the run is over."""
