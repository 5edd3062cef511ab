"""`dicom-gateway store`: C-STORE of files and folders (PS3.4 B)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.interrupt import run
from gateway.cli.options import with_options
from gateway.cli.output import count
from gateway.cli.peer_options import RequestorOptions
from gateway.load.result_text import volume
from gateway.requestor.bulk_store import Kind, Sender
from gateway.uid import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.cli.interrupt import Interrupt
    from gateway.cli.output import Output
    from gateway.datasets.instances import Instance
    from gateway.requestor.bulk_store import Converter, Outcome

_FILES_PER_STEP = 64
"""Files that are read between two moments at which Ctrl-C takes effect."""


@dataclass(frozen=True, kw_only=True)
class StoreOptions:
    """The options of `store`: what to send, and how."""

    paths: Annotated[list[Path], typer.Argument(metavar="PATH")]
    """Files, and directories with everything below."""
    associations: Annotated[int, typer.Option("--associations", min=1, max=256, metavar="N")] = 1
    """Associations at the same time."""
    convert: Annotated[bool, typer.Option("--convert/--no-convert")] = True
    """Convert between uncompressed transfer syntaxes if the peer accepts only another."""
    ignore_other: Annotated[bool, typer.Option("--ignore-other")] = False
    """Files that are not DICOM do not fail the command."""


@with_options(RequestorOptions, "peer", aet="STORESCU")
@with_options(StoreOptions, "options")
def command(*, options: StoreOptions, peer: RequestorOptions) -> None:
    """Send DICOM files to a peer, each in its own transfer syntax and unchanged.

    Every file that is not stored is named with the reason: not DICOM, refused by the peer, or no
    answer. The exit status is 0 only if every file was stored. Example:

    dicom-gateway store 127.0.0.1 11112 scans/ report.dcm --associations 4
    """
    output = peer.output()
    proposal = peer.proposal(())
    converter = _converter() if options.convert else None
    report = _StoreReport(output, options.ignore_other)

    async def work(interrupt: Interrupt) -> int:
        report.interrupt = interrupt
        instances = await _identify(options.paths, report)
        sender = Sender(peer.address, proposal, peer.timeouts, report.sent, report.note, converter)
        try:
            with report.progress(instances):
                await sender.send(instances, associations=options.associations)
        finally:
            report.summarize(sender.associations)
        return report.status

    run(output, work)


def _converter() -> Converter:
    from gateway.datasets.conversion import convert
    from gateway.datasets.validation import disable_validation

    disable_validation(writing=True)
    return convert


async def _identify(paths: list[Path], report: _StoreReport) -> list[Instance]:
    """Return the instances to send; report every other file."""
    from gateway.datasets import NotDicom
    from gateway.datasets.instances import identify, walk

    found: list[Instance] = []

    def identify_some(files: Iterator[Path]) -> list[tuple[Path, Instance | NotDicom]]:
        results: list[tuple[Path, Instance | NotDicom]] = []
        for path in islice(files, _FILES_PER_STEP):
            try:
                results.append((path, identify(path)))
            except NotDicom as error:
                results.append((path, error))
        return results

    files = walk(paths)
    while results := await asyncio.to_thread(identify_some, files):
        for path, result in results:
            if isinstance(result, NotDicom):
                report.other(path, str(result))
            else:
                found.append(result)
    return found


class _StoreReport:
    """Counts and prints the result of each file."""

    def __init__(self, output: Output, ignore_other: bool) -> None:
        self._output = output
        self._ignore_other = ignore_other
        self._kinds: Counter[Kind] = Counter()
        self._others = 0
        self._converted = 0
        self._bytes = 0
        self._started = time.perf_counter()
        self._bar: _Bar | None = None
        self.interrupt: Interrupt | None = None
        """Says whether Ctrl-C was pressed: then files that are not sent are only counted."""

    @property
    def _stored(self) -> int:
        return sum(self._kinds[kind] for kind in Kind if kind.is_stored)

    @property
    def status(self) -> int:
        """The exit status."""
        others = 0 if self._ignore_other else self._others
        return 0 if self._stored and self._kinds.total() + others == self._stored else 1

    def progress(self, instances: list[Instance]) -> _Bar:
        """Return the progress bar as a context manager, and start the clock."""
        self._started = time.perf_counter()
        self._bar = _Bar(self._output, instances)
        return self._bar

    def other(self, path: Path, why: str) -> None:
        """Report a file that is not DICOM."""
        self._others += 1
        text = f"not sent: {path}: {why}"
        self._output.event("file", text, path=str(path), result="not DICOM", reason=why)

    def note(self, text: str) -> None:
        """Print a remark that is not about one file."""
        self._output.event("note", f"note: {text}", text=text)

    def sent(self, outcome: Outcome) -> None:
        """Report the result of a file."""
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
            how = f"converted from {names[0]} to {names[1]}, which the peer accepts"
            reason = f"{how}; {reason}" if reason else how
        text = f"{outcome.kind}: {instance.path}" + (f": {reason}" if reason else "")
        is_over = self.interrupt is not None and self.interrupt.pressed
        is_plain = self._output.interactive and outcome.kind is Kind.STORED and not reason
        if is_plain or (is_over and outcome.kind is Kind.NOT_SENT):
            text = ""
        self._output.event(
            "file",
            text,
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
        """Print the summary."""
        seconds = time.perf_counter() - self._started
        stored = self._stored
        parts = [f"{count(stored, 'file')} stored"]
        parts += [f"{self._converted} of them converted"] if self._converted else []
        parts += [
            f"{self._kinds[kind]} {kind}"
            for kind in (Kind.WARNING, Kind.REFUSED, Kind.FAILED, Kind.NOT_SENT)
            if self._kinds[kind]
        ]
        parts += [f"{self._others} not DICOM"] if self._others else []
        text = ", ".join(parts)
        text += f"; {volume(self._bytes)} in {seconds:.1f} s over "
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
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self, output: Output, instances: list[Instance]) -> None:
        self._files = len(instances)
        self._done = 0
        self._progress = None
        if output.interactive and instances:
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
        """Count a file as done."""
        self._done += 1
        if self._progress is not None:
            self._progress.update(self._task, advance=size, description=self._text())

    def _text(self) -> str:
        return f"{self._done} of {self._files} files"
