"""`dicom-gateway find`: C-FIND (PS3.4 C.4.1, K.4.1)."""

from __future__ import annotations

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

_LONGEST = 64
"""Characters of a value that a table shows: the length of a UID."""


@dataclass(frozen=True, kw_only=True)
class FindOptions(QueryOptions):
    """The query, and the attributes to return."""

    only_keys: Annotated[bool, typer.Option("--only-keys")] = False
    """Ask for the given keys only, not for the usual attributes."""


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
    matches = _Matches(output)

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

    def __init__(self, output: Output) -> None:
        self._output = output
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
        """Print the matches so far: a table on a terminal, else lines with tabs."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        if sys.stdout.isatty():
            _table(list(self._columns), rows)
            return
        print("\t".join(self._columns))
        for row in rows:
            print("\t".join(printable(row.get(column, "")) for column in self._columns))

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


def _cell(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _table(columns: list[str], rows: list[dict[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*(printable(column) for column in columns))
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column, ""))) for column in columns))
    Console(highlight=False).print(table)
