"""`dicom-gateway get`: C-GET (PS3.4 C.4.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.information_models import QueryOptions, model
from gateway.cli.interrupt import run
from gateway.cli.options import with_options
from gateway.cli.peer_options import RequestorOptions
from gateway.errors import ConfigError
from gateway.uid import KEYWORDS, is_valid

if TYPE_CHECKING:
    from gateway.cli.interrupt import Interrupt
    from gateway.cli.output import Output
    from gateway.requestor.received import Received


@dataclass(frozen=True, kw_only=True)
class GetOptions(QueryOptions):
    """The options of `get`: what to retrieve, and into which files."""

    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR")] = Path()
    """Directory for the files; created if absent."""
    sop_classes: Annotated[list[str], typer.Option("--sop-class", metavar="UID")] = field(
        default_factory=list
    )
    """Propose this SOP class (UID or keyword) instead of the usual ones. May be repeated."""
    syntaxes: Annotated[list[str], typer.Option("--transfer-syntax", metavar="UID")] = field(
        default_factory=list
    )
    """Propose this transfer syntax (UID or keyword) instead of the usual ones. May be repeated."""


@with_options(RequestorOptions, "peer", aet="GETSCU")
@with_options(GetOptions, "query")
def command(*, query: GetOptions, peer: RequestorOptions) -> None:
    """Retrieve instances from a peer into files, over the same association.

    Each instance becomes DIR/SOPInstanceUID.dcm. Ctrl-C asks the peer to stop (C-CANCEL); complete
    files stay. The exit status is 0 only if every instance was written, and the peer counted no
    other number. Example:

    dicom-gateway get 127.0.0.1 11112 -k StudyInstanceUID=1.2.3 -o study/
    """
    from gateway.cli.keys import identifier
    from gateway.cli.retrieval import RetrieveProgress
    from gateway.datasets.coding import encoder
    from gateway.datasets.encoded import check_file
    from gateway.requestor.get_contexts import get_contexts
    from gateway.requestor.received import Folder

    sop_class = model(query.root, "Get")
    asked = identifier(query.keys, query.level)
    sop_classes = _uids(query.sop_classes, "--sop-class")
    syntaxes = _uids(query.syntaxes, "--transfer-syntax")
    contexts, roles = get_contexts(sop_class, sop_classes, syntaxes)
    output = peer.output()
    files = _Files(output)
    folder = Folder(_create(query.out), files.add, peer.aec, check_file)

    async def work(interrupt: Interrupt) -> int:
        async with peer.associated(contexts, folder, roles) as association:
            operation = await association.c_get(sop_class, encoder(asked))
            progress = RetrieveProgress(output, "received")
            final = await progress.follow(operation, interrupt)
            files.refused = association.refused
            status = progress.end(sop_class, final, done=files.received, written=files.written)
            return status if files.received == files.written else 1

    run(output, work)


class _Files:
    """Counts and prints the files as they are written."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.written = 0
        self.failed = 0
        self.refused = 0
        """Requests that cannot be an instance: with an invalid UID, on a context of another class.
        """

    @property
    def received(self) -> int:
        """The number of instances that came, written or not."""
        return self.written + self.failed + self.refused

    def add(self, received: Received) -> None:
        if received.path is not None:
            self.written += 1
            text = "" if self._output.interactive else str(received.path)
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


def _create(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"--out: the directory {folder} cannot be created: {error.strerror}"
        raise ConfigError(text) from None
    return folder


def _uids(names: list[str], option: str) -> list[str]:
    uids = [KEYWORDS.get(name, name) for name in names]
    for name, uid in zip(names, uids, strict=True):
        if not is_valid(uid):
            raise typer.BadParameter(
                f"{name!r} is not a known keyword or a valid UID", param_hint=option
            )
    return uids
