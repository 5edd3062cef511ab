"""`dicom-gateway move`: C-MOVE (PS3.4 C.4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.information_models import QueryOptions, model
from gateway.cli.interrupt import run
from gateway.cli.options import with_options
from gateway.cli.peer_options import RequestorOptions, check_titles

if TYPE_CHECKING:
    from gateway.cli.interrupt import Interrupt


@with_options(RequestorOptions, "peer", aet="MOVESCU")
@with_options(QueryOptions, "query")
def command(
    destination: Annotated[
        str | None,
        typer.Argument(
            metavar="DESTINATION", help="Move destination: an AE title that the peer knows."
        ),
    ] = None,
    dest: Annotated[
        str | None, typer.Option("--dest", metavar="AET", help="The same, as an option.")
    ] = None,
    *,
    query: QueryOptions,
    peer: RequestorOptions,
) -> None:
    """Ask a peer to send instances to another AE title.

    Ctrl-C asks the peer to stop (C-CANCEL). The exit status is 0 only if everything was sent.

    Example:
    dicom-gateway move 127.0.0.1 11112 WORKSTATION -k StudyInstanceUID=1.2.3
    """
    from gateway.cli.keys import identifier
    from gateway.cli.retrieval import RetrieveProgress
    from gateway.datasets import BASIC_SYNTAXES
    from gateway.datasets.coding import encoder

    if (destination is None) == (dest is None):
        raise typer.BadParameter(
            "name the destination once, here or with --dest", param_hint="DESTINATION"
        )
    destination = destination or dest or ""
    check_titles(dest=destination)
    sop_class = model(query.root, "Move")
    asked = identifier(query.keys, query.level)
    output = peer.output()

    async def work(interrupt: Interrupt) -> int:
        async with peer.associated(((sop_class, BASIC_SYNTAXES),)) as association:
            operation = await association.c_move(sop_class, encoder(asked), destination)
            progress = RetrieveProgress(output, "moved")
            final = await progress.follow(operation, interrupt)
            return progress.end(sop_class, final)

    run(output, work)
