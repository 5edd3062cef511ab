"""`dicom-gateway move`: C-MOVE (PS3.4 C.4.2)."""

from __future__ import annotations

from typing import Annotated

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
    check_titles,
    proposal_of,
    run,
    timeouts_of,
)
from gateway.cli.query import (
    KeysOption,
    Level,
    LevelOption,
    Root,
    RootOption,
    Suboperations,
    model,
)
from gateway.cli.security import Security, secured


@secured
def command(  # noqa: PLR0913, PLR0917 - a command has as many options as it has
    host: HostArgument,
    port: PortArgument,
    destination: Annotated[
        str, typer.Option("--dest", metavar="AET", help="Where to: an AE title the peer knows.")
    ],
    keys: KeysOption = [],  # noqa: B006 - typer's way to say that there may be none
    level: LevelOption = Level.STUDY,
    root: RootOption = Root.STUDY,
    aet: AetOption = "MOVESCU",
    aec: AecOption = "ANY-SCP",
    max_pdu: MaxPduOption = 262_144,
    timeout: TimeoutOption = 30.0,
    as_json: JsonOption = False,
    *,
    security: Security,
) -> None:
    """Ask a peer to send what it has to another AE title.

    Ctrl-C asks the peer to stop (C-CANCEL). The exit status is 0 only if everything was sent.

    Example:
    dicom-gateway move 127.0.0.1 11112 --dest WORKSTATION -k StudyInstanceUID=1.2.3
    """
    from gateway.cli.keys import identifier
    from gateway.datasets import BASIC_SYNTAXES
    from gateway.datasets.coding import encoder

    check_titles(dest=destination)
    sop_class = model(root, "Move")
    asked = identifier(keys, level)
    proposal = proposal_of(((sop_class, BASIC_SYNTAXES),), aet, aec, max_pdu, security)
    output = Output(as_json)

    async def work(interrupt: Interrupt) -> int:
        address = address_of(host, port, security)
        async with associated(address, proposal, timeouts_of(timeout)) as association:
            operation = await association.c_move(sop_class, encoder(asked), destination)
            interrupt.ask = operation.cancel
            with Suboperations(output, "moved") as suboperations:
                async for answered in operation:
                    if answered.is_pending:
                        suboperations.pending(answered)
            return suboperations.end(sop_class, answered)

    run(output, work)
