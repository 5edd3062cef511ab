"""The options that name a DICOM peer, and the association with it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.association.timers import Timeouts
from gateway.cli.output import Output
from gateway.cli.security import SecurityOptions
from gateway.requestor.incoming import refuse
from gateway.requestor.proposal import Address, Contexts, Proposal
from gateway.requestor.requestor_association import associate
from gateway.settings import AssociationSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from gateway.requestor.incoming import Handler
    from gateway.requestor.requestor_association import RequestorAssociation

_DEFAULTS = AssociationSettings()


@dataclass(frozen=True, kw_only=True)
class ConnectionOptions:
    """The address of the peer, the two AE titles, and the limits of the association."""

    host: Annotated[str, typer.Argument(metavar="HOST")]
    """Host name or address of the peer."""
    port: Annotated[int, typer.Argument(metavar="PORT", min=1, max=65_535)]
    """TCP port of the peer."""
    aet: Annotated[str, typer.Option("--aet", metavar="AET")]
    """Calling AE title: ours."""
    aec: Annotated[str, typer.Option("--aec", metavar="AET")] = "ANY-SCP"
    """Called AE title: the peer's."""
    max_pdu: Annotated[int, typer.Option("--max-pdu", min=0, max=0xFFFFFFFF, metavar="BYTES")] = (
        _DEFAULTS.max_pdu
    )
    """Largest P-DATA-TF PDU to receive; 0: no limit. What is sent follows the peer's own limit."""
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, metavar="SECONDS")] = (
        _DEFAULTS.dimse_timeout
    )
    """Time limit for the connection and for each response."""

    def __post_init__(self) -> None:
        check_titles(aet=self.aet, aec=self.aec)


def check_titles(**titles: str) -> None:
    """Raise BadParameter for an option (`aet` for `--aet`) that is not a valid AE title."""
    from gateway import config

    for option, title in titles.items():
        if not config.is_ae_title(title):
            text = f"{title!r} is not a valid AE title: {config.AE_TITLE}"
            raise typer.BadParameter(text, param_hint=f"--{option}")


@dataclass(frozen=True, kw_only=True)
class RequestorOptions(SecurityOptions, ConnectionOptions):
    """The options that `echo`, `store`, `find`, `get` and `move` share."""

    as_json: Annotated[bool, typer.Option("--json")] = False
    """Print one JSON object a line, the last one a summary."""

    def __post_init__(self) -> None:
        ConnectionOptions.__post_init__(self)
        self.check()

    @property
    def address(self) -> Address:
        return Address(self.host, self.port, self.tls_context, self.tls_name)

    @property
    def timeouts(self) -> Timeouts:
        return Timeouts.all(self.timeout)

    def output(self) -> Output:
        return Output(self.as_json)

    def proposal(self, contexts: Contexts, **more: Any) -> Proposal:
        """Return a proposal of these contexts; `more` are further fields, such as `roles`."""
        return Proposal(contexts, self.aet, self.aec, self.max_pdu, identity=self.identity, **more)

    @asynccontextmanager
    async def associated(
        self,
        contexts: Contexts,
        handler: Handler = refuse,
        roles: Mapping[str, tuple[bool, bool]] | None = None,
    ) -> AsyncIterator[RequestorAssociation]:
        """Associate; release at the end of the block, or abort if it raises."""
        proposal = self.proposal(contexts, roles=roles or {})
        association = await associate(
            self.address, proposal, timeouts=self.timeouts, handler=handler
        )
        try:
            yield association
            await association.release()
        finally:
            if association.ended is None:
                association.drop("this side gave up")
            await association.close()
