"""`dicom-gateway get`: C-GET (PS3.4 C.4.3)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
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
from gateway.errors import ConfigError
from gateway.uid import KEYWORDS, is_valid

if TYPE_CHECKING:
    from gateway.requestor.received import Received


@secured
def command(  # noqa: PLR0913, PLR0917 - a command has as many options as it has
    host: HostArgument,
    port: PortArgument,
    keys: KeysOption = [],  # noqa: B006 - typer's way to say that there may be none
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where the files go; made if absent.")
    ] = Path(),
    level: LevelOption = Level.STUDY,
    root: RootOption = Root.STUDY,
    sop_classes: Annotated[
        list[str],
        typer.Option("--sop-class", metavar="UID", help="Propose these only; keyword or UID."),
    ] = [],  # noqa: B006 - typer's way to say that there may be none
    syntaxes: Annotated[
        list[str],
        typer.Option("--transfer-syntax", metavar="UID", help="The same for transfer syntaxes."),
    ] = [],  # noqa: B006 - typer's way to say that there may be none
    aet: AetOption = "GETSCU",
    aec: AecOption = "ANY-SCP",
    max_pdu: MaxPduOption = 262_144,
    timeout: TimeoutOption = 30.0,
    as_json: JsonOption = False,
    *,
    security: Security,
) -> None:
    """Fetch what a peer has and write it to files, over the same association.

    Each instance becomes DIR/SOPInstanceUID.dcm. Ctrl-C asks the peer to stop (C-CANCEL); the files
    that are whole stay. The exit status is 0 only if everything came. Example:

    dicom-gateway get 127.0.0.1 11112 -k StudyInstanceUID=1.2.3 -o study/
    """
    from gateway.cli.keys import identifier
    from gateway.datasets.coding import encoder
    from gateway.requestor.received import Folder
    from gateway.requestor.retrieve import get_contexts

    sop_class = model(root, "Get")
    asked = identifier(keys, level)
    contexts, roles = get_contexts(
        sop_class, _uids(sop_classes, "--sop-class"), _uids(syntaxes, "--transfer-syntax")
    )
    base = proposal_of(contexts, aet, aec, max_pdu, security)
    output = Output(as_json)
    files = _Files(output)
    folder = Folder(_made(out), files.told, aec)

    async def work(interrupt: Interrupt) -> int:
        address, proposal = address_of(host, port, security), replace(base, roles=roles)
        async with associated(address, proposal, timeouts_of(timeout), folder) as association:
            operation = await association.c_get(sop_class, encoder(asked))
            interrupt.ask = operation.cancel
            with Suboperations(output, "received") as suboperations:
                async for answered in operation:
                    if answered.is_pending:
                        suboperations.pending(answered)
            status = suboperations.end(sop_class, answered, written=files.written)
            return status if not files.failed else 1

    run(output, work)


class _Files:
    """Tells of the files as they are written."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.written = 0
        self.failed = 0

    def told(self, received: Received) -> None:
        if received.path is not None:
            self.written += 1
            text = "" if self._output.fancy else str(received.path)
        else:
            self.failed += 1
            text = f"not written: {received.sop_instance_uid}: {received.text}"
        self._output.event(
            "file",
            text,
            path=str(received.path) if received.path else None,
            reason=received.text,
            status=received.status,
            sop_class_uid=str(received.sop_class_uid),
            sop_instance_uid=str(received.sop_instance_uid),
            transfer_syntax_uid=received.transfer_syntax_uid,
            bytes=received.size,
        )


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {folder}: {error.strerror}") from None
    return folder


def _uids(names: list[str], option: str) -> list[str]:
    uids = [KEYWORDS.get(name, name) for name in names]
    for name, uid in zip(names, uids, strict=True):
        if not is_valid(uid):
            raise typer.BadParameter(f"{name!r} is no keyword and no UID", param_hint=option)
    return uids
