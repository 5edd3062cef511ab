"""`dicom-gateway find`: C-FIND (PS3.4 C.4.1, K.4.1)."""

from __future__ import annotations

import csv
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.information_models import QueryOptions, model
from gateway.cli.interrupt import run
from gateway.cli.options import with_options
from gateway.cli.output import count
from gateway.cli.peer_options import RequestorOptions
from gateway.dimse.status import Category
from gateway.requestor.status_text import describe_status, printable

if TYPE_CHECKING:
    from gateway.association.operation import ReceivedResponse
    from gateway.cli.interrupt import Interrupt
    from gateway.cli.output import Output

_BORDERS = 3
"""Characters of a table for each column, beside its values."""


@dataclass(frozen=True, kw_only=True)
class FindOptions(QueryOptions):
    """The query, and the attributes to return."""

    only_keys: Annotated[bool, typer.Option("--only-keys")] = False
    """Ask for the given keys only, not for the usual attributes."""
    columns: Annotated[str, typer.Option("--columns", metavar="KEYWORDS")] = ""
    """Attributes to show, separated by commas; by default all that are answered."""
    csv: Annotated[bool, typer.Option("--csv")] = False
    """Print comma-separated values, with a line of keywords first."""


@with_options(RequestorOptions, "peer", aet="FINDSCU")
@with_options(FindOptions, "query")
def command(*, query: FindOptions, peer: RequestorOptions) -> None:
    """Query a peer for patients, studies, series, images, or a worklist.

    Ctrl-C asks the peer to stop (C-CANCEL); the matches received until then are shown. The exit
    status is 0 if the peer answered with success, even if nothing matched. Examples:

    dicom-gateway find 127.0.0.1 11112 -k "PatientName=DOE*" -k StudyDate=20240101-

    dicom-gateway find 127.0.0.1 11112 --level series -k StudyInstanceUID=1.2.3

    dicom-gateway find 127.0.0.1 11112 --root worklist -k ScheduledProcedureStepSequence.Modality=CT
    """
    from gateway.cli.keys import find_identifier
    from gateway.datasets import BASIC_SYNTAXES
    from gateway.datasets.coding import encoder

    sop_class = model(query.root, "Find")
    asked = find_identifier(query, only_keys=query.only_keys)
    output = peer.output()
    matches = _Matches(output, _names(query.columns), as_csv=query.csv)

    async def work(interrupt: Interrupt) -> int:
        async with peer.associated(((sop_class, BASIC_SYNTAXES),)) as association:
            operation = await association.c_find(sop_class, encoder(asked))
            interrupt.ask = operation.cancel
            try:
                async for response in operation:
                    if response.is_pending:
                        matches.add(response, operation.context.transfer_syntax)
            finally:
                matches.show()
            return matches.end(sop_class, response)

    run(output, work)


class _Matches:
    """Shows the matches: a table or lines of text at the end, JSON as they come."""

    def __init__(self, output: Output, columns: list[str], *, as_csv: bool) -> None:
        self._output = output
        self._wanted = columns
        """The columns to show; empty: all."""
        self._as_csv = as_csv
        self._rows: list[dict[str, str]] = []
        self._columns: dict[str, None] = {}
        self._count = 0
        self._undecodable = 0

    def add(self, response: ReceivedResponse, transfer_syntax: str) -> None:
        """Add the identifier of a pending response."""
        from gateway.cli import keys
        from gateway.datasets import DatasetError
        from gateway.datasets.coding import decode_whole

        try:
            match = decode_whole(response.data_set or b"", transfer_syntax)
        except DatasetError as error:
            self._undecodable += 1
            text = f"a match cannot be decoded: {error}"
            self._output.event("note", f"note: {text}", text=text)
            return
        self._count += 1
        if self._output.as_json:
            self._output.event("match", match=keys.plain(match))
            return
        row = dict(keys.flat(match))
        self._columns |= dict.fromkeys(row)
        self._rows.append(row)

    def show(self) -> None:
        """Print the matches so far, no value cut: on a terminal a table, or a block for each match
        where that is too narrow; else lines with tabs.
        """
        found, self._rows = self._rows, []
        if not found:
            return
        columns = self._wanted or list(self._columns)
        rows = [[printable(row.get(column, "")) for column in columns] for row in found]
        if self._as_csv:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerows([columns, *rows])
        elif sys.stdout.isatty():
            _show_on_terminal(columns, rows)
        else:
            for line in (columns, *rows):
                print("\t".join(line))

    def end(self, sop_class: str, final: ReceivedResponse) -> int:
        """Print the summary and return the exit status."""
        status_text = describe_status(sop_class, final.response)
        text = count(self._count, "match", "matches")
        if final.category is not Category.SUCCESS:
            text = f"{text}; {status_text}"
        self._output.event(
            "summary",
            text,
            matches=self._count,
            status=final.status,
            text=status_text,
            garbled=self._undecodable,
        )
        good = final.category in (Category.SUCCESS, Category.WARNING)
        return 0 if good and not self._undecodable else 1


def _names(columns: str) -> list[str]:
    """Return the keywords of `--columns`; raises BadParameter for one that does not exist."""
    from gateway.cli import keys

    names = [name.strip() for name in columns.split(",") if name.strip()]
    for name in names:
        for part in name.split("."):
            keys.tag_of(re.sub(r"\[\d+\]$", "", part), name, "--columns")
    return names


def _show_on_terminal(columns: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    if sum(widths) + _BORDERS * len(columns) + 1 <= console.width:
        table = Table(*columns)
        for row in rows:
            table.add_row(*map(Text, row))
        console.print(table)
        return
    widest = max(map(len, columns))
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            if value:
                print(f"{column:<{widest}}  {value}")
        print()
