"""`dicom-gateway store`: C-STORE of files and folders (PS3.4 B)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from itertools import islice
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.peer import (
    AecOption,
    AetOption,
    HostArgument,
    Interrupt,
    JsonOption,
    MaxPduOption,
    Output,
    PortArgument,
    TimeoutOption,
    address_of,
    amount,
    count,
    judge_nothing,
    proposal_of,
    run,
    timeouts_of,
)
from gateway.cli.security import Security, secured
from gateway.requestor.store import Kind, Sender
from gateway.uid import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.datasets.instances import Instance
    from gateway.requestor.store import Converter, Outcome

_AT_ONCE = 64
"""Files that are looked at between two moments at which Ctrl-C is heard."""


@secured
def command(  # noqa: PLR0913, PLR0917 - a command has as many options as it has
    host: HostArgument,
    port: PortArgument,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Files, and folders with all below.")
    ],
    associations: Annotated[
        int, typer.Option("--associations", min=1, max=256, metavar="N", help="As many at once.")
    ] = 1,
    convert: Annotated[
        bool,
        typer.Option(
            "--convert/--no-convert",
            help="Convert between uncompressed transfer syntaxes where the peer takes no other.",
        ),
    ] = True,
    ignore_other: Annotated[
        bool,
        typer.Option("--ignore-other", help="Files that are not DICOM are no reason to fail."),
    ] = False,
    aet: AetOption = "STORESCU",
    aec: AecOption = "ANY-SCP",
    max_pdu: MaxPduOption = 262_144,
    timeout: TimeoutOption = 30.0,
    as_json: JsonOption = False,
    *,
    security: Security,
) -> None:
    """Send DICOM files to a peer, each as it is, in its own transfer syntax.

    Every file that is not stored is named, with the reason: not DICOM, refused by the peer, or no
    answer. The exit status is 0 only if every file was stored. Example:

    dicom-gateway store 127.0.0.1 11112 scans/ report.dcm --associations 4
    """
    output = Output(as_json)
    proposal = proposal_of((), aet, aec, max_pdu, security)
    converter = _converter() if convert else None
    report = _Report(output, ignore_other)

    async def work(_: Interrupt) -> int:
        instances = await _look(paths, report)
        sender = Sender(
            address_of(host, port, security),
            proposal,
            timeouts_of(timeout),
            report.told,
            report.noted,
            converter,
        )
        try:
            with report.progress(instances):
                await sender.send(instances, associations=associations)
        finally:
            report.summarize(sender.associations)
        return report.status

    run(output, work)


def _converter() -> Converter:
    from gateway.datasets.conversion import convert

    judge_nothing()
    return convert


async def _look(paths: list[Path], report: _Report) -> list[Instance]:
    """What there is to send; the rest is named at once."""
    from gateway.datasets import NotDicom
    from gateway.datasets.instances import identify, walk

    found: list[Instance] = []

    def some(files: Iterator[Path]) -> list[tuple[Path, Instance | NotDicom]]:
        looked: list[tuple[Path, Instance | NotDicom]] = []
        for path in islice(files, _AT_ONCE):
            try:
                looked.append((path, identify(path)))
            except NotDicom as error:
                looked.append((path, error))
        return looked

    files = walk(paths)
    while looked := await asyncio.to_thread(some, files):
        for path, result in looked:
            if isinstance(result, NotDicom):
                report.other(path, str(result))
            else:
                found.append(result)
    return found


class _Report:
    """Counts what becomes of the files, and tells it."""

    def __init__(self, output: Output, ignore_other: bool) -> None:
        self._output = output
        self._ignore_other = ignore_other
        self._kinds: Counter[Kind] = Counter()
        self._others = 0
        self._converted = 0
        self._bytes = 0
        self._started = time.perf_counter()
        self._bar: _Bar | None = None

    @property
    def status(self) -> int:
        """The exit status."""
        stored = sum(self._kinds[kind] for kind in Kind if kind.is_stored)
        missing = self._kinds.total() - stored + (0 if self._ignore_other else self._others)
        return 0 if stored and not missing else 1

    def progress(self, instances: list[Instance]) -> _Bar:
        """The bar, to be shown while its `with` lasts."""
        self._started = time.perf_counter()
        self._bar = _Bar(self._output, instances)
        return self._bar

    def other(self, path: Path, why: str) -> None:
        """A file that cannot be sent."""
        self._others += 1
        text = f"not sent: {path}: {why}"
        self._output.event("file", text, path=str(path), result="not DICOM", reason=why)

    def noted(self, text: str) -> None:
        """Something else that happened."""
        self._output.event("note", f"note: {text}", text=text)

    def told(self, outcome: Outcome) -> None:
        """What became of a file."""
        instance = outcome.instance
        self._kinds[outcome.kind] += 1
        if outcome.kind.is_stored:
            self._bytes += instance.size
            self._converted += bool(outcome.converted_to)
        if self._bar is not None:
            self._bar.advance(instance.size)
        reason = outcome.text
        if outcome.converted_to:
            names = name_of(instance.transfer_syntax_uid), name_of(outcome.converted_to)
            how = f"converted from {names[0]} to {names[1]}, which the peer takes"
            reason = f"{how}; {reason}" if reason else how
        quiet = self._output.fancy and outcome.kind is Kind.STORED and not reason
        self._output.event(
            "file",
            "" if quiet else f"{outcome.kind}: {instance.path}" + (f": {reason}" if reason else ""),
            path=str(instance.path),
            result=outcome.kind.value,
            reason=reason,
            status=outcome.status,
            sop_class_uid=str(instance.sop_class_uid),
            sop_instance_uid=str(instance.sop_instance_uid),
            transfer_syntax_uid=outcome.converted_to or str(instance.transfer_syntax_uid),
            converted=bool(outcome.converted_to),
            bytes=instance.size,
        )

    def summarize(self, associations: int) -> None:
        """The last line."""
        seconds = time.perf_counter() - self._started
        stored = sum(self._kinds[kind] for kind in Kind if kind.is_stored)
        parts = [f"{count(stored, 'file')} stored"]
        parts += [f"{self._converted} of them converted"] if self._converted else []
        parts += [
            f"{self._kinds[kind]} {kind}"
            for kind in (Kind.WARNING, Kind.REFUSED, Kind.FAILED, Kind.NOT_SENT)
            if self._kinds[kind]
        ]
        parts += [f"{self._others} not DICOM"] if self._others else []
        text = ", ".join(parts)
        text += f"; {amount(self._bytes)} in {seconds:.1f} s over "
        text += count(associations, "association")
        self._output.event(
            "summary",
            text,
            stored=stored,
            converted=self._converted,
            warnings=self._kinds[Kind.WARNING],
            refused=self._kinds[Kind.REFUSED],
            failed=self._kinds[Kind.FAILED],
            not_sent=self._kinds[Kind.NOT_SENT],
            not_dicom=self._others,
            bytes=self._bytes,
            seconds=round(seconds, 3),
            associations=associations,
        )


class _Bar:
    """A progress bar if somebody looks, and nothing if not."""

    def __init__(self, output: Output, instances: list[Instance]) -> None:
        self._files = len(instances)
        self._done = 0
        self._progress = None
        if output.fancy and instances:
            from rich import progress

            self._progress = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.DownloadColumn(),
                progress.TransferSpeedColumn(),
                progress.TimeRemainingColumn(),
                console=output.console,
                transient=True,
            )
            size = sum(instance.size for instance in instances)
            self._task = self._progress.add_task(self._text(), total=size)

    def __enter__(self) -> None:
        if self._progress is not None:
            self._progress.start()

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def advance(self, size: int) -> None:
        """Another file is done."""
        self._done += 1
        if self._progress is not None:
            self._progress.update(self._task, advance=size, description=self._text())

    def _text(self) -> str:
        return f"{self._done} of {self._files} files"
