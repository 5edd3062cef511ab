"""`dicom-gateway find`: C-FIND (PS3.4 C.4.1, K.4.1)."""

from __future__ import annotations

import sys
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
    associated,
    count,
    proposal_of,
    run,
    timeouts_of,
)
from gateway.cli.query import KeysOption, Level, LevelOption, Root, RootOption, model
from gateway.cli.security import Security, secured
from gateway.dimse.status import Category
from gateway.requestor.errors import describe_status, printable

if TYPE_CHECKING:
    from gateway.requestor.operation import Answered

_LONGEST = 64
"""Characters of a value in a table: a UID."""


@secured
def command(  # noqa: PLR0913, PLR0917 - a command has as many options as it has
    host: HostArgument,
    port: PortArgument,
    keys: KeysOption = [],  # noqa: B006 - typer's way to say that there may be none
    level: LevelOption = Level.STUDY,
    root: RootOption = Root.STUDY,
    only_keys: Annotated[
        bool, typer.Option("--only-keys", help="Ask back nothing but the keys that are given.")
    ] = False,
    aet: AetOption = "FINDSCU",
    aec: AecOption = "ANY-SCP",
    max_pdu: MaxPduOption = 262_144,
    timeout: TimeoutOption = 30.0,
    as_json: JsonOption = False,
    *,
    security: Security,
) -> None:
    """Ask a peer what it has: patients, studies, series, images, or a worklist.

    Ctrl-C asks the peer to stop (C-CANCEL); what came until then is shown. The exit status is 0 if
    the peer answered with success, also if nothing matched. Examples:

    dicom-gateway find 127.0.0.1 11112 -k "PatientName=DOE*" -k StudyDate=20240101-

    dicom-gateway find 127.0.0.1 11112 --level series -k StudyInstanceUID=1.2.3

    dicom-gateway find 127.0.0.1 11112 --root worklist -k ScheduledProcedureStepSequence.Modality=CT
    """
    from gateway.cli import keys as keys_
    from gateway.datasets import BASIC_SYNTAXES
    from gateway.datasets.coding import encoder

    sop_class = model(root, "Find")
    asked = keys_.identifier(
        keys,
        None if root is Root.WORKLIST else level,
        () if only_keys else keys_.returned_by(root, level),
    )
    proposal = proposal_of(((sop_class, BASIC_SYNTAXES),), aet, aec, max_pdu, security)
    output = Output(as_json)
    matches = _Matches(output)

    async def work(interrupt: Interrupt) -> int:
        address = address_of(host, port, security)
        async with associated(address, proposal, timeouts_of(timeout)) as association:
            operation = await association.c_find(sop_class, encoder(asked))
            interrupt.ask = operation.cancel
            try:
                async for answered in operation:
                    if answered.is_pending:
                        matches.add(answered, operation.context.transfer_syntax)
            finally:
                matches.show()
            return matches.end(sop_class, answered)

    run(output, work)


class _Matches:
    """Shows matches: as a table once all are there, or line by line."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._rows: list[dict[str, str]] = []
        self._columns: dict[str, None] = {}
        self._count = 0
        self._garbled = 0

    def add(self, answered: Answered, transfer_syntax: str) -> None:
        """A pending response."""
        from gateway.cli import keys
        from gateway.datasets import DatasetError
        from gateway.datasets.coding import decode_whole

        try:
            match = decode_whole(answered.data_set or b"", transfer_syntax)
        except DatasetError as error:
            self._garbled += 1
            text = f"a match cannot be read: {error}"
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
        """What came so far."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        if sys.stdout.isatty():
            _table(list(self._columns), rows)
            return
        print("\t".join(self._columns))
        for row in rows:
            print("\t".join(printable(row.get(column, "")) for column in self._columns))

    def end(self, sop_class: str, final: Answered) -> int:
        """The last lines, and the exit status."""
        words = describe_status(sop_class, final.response)
        told = count(self._count, "match", "matches")
        good = final.category in (Category.SUCCESS, Category.WARNING)
        text = told if final.category is Category.SUCCESS else f"{told}; {words}"
        self._output.event(
            "summary", text, matches=self._count, status=final.status, text=words,
            garbled=self._garbled,
        )  # fmt: skip
        return 0 if good and not self._garbled else 1


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
