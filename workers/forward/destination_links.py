"""Ways to destinations, for lanes: an association, or a connection to a DICOMweb service."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from gateway.transcoding import Target, TranscodingFit
from gateway.transcoding.targets import JPEG_2000, JPEG_LS_NEAR_LOSSLESS
from gateway.uid import KEYWORDS
from workers.forward.authorized_connection import AuthorizedConnection
from workers.forward.http_connection import HttpConnection
from workers.forward.http_credentials import credentials_of
from workers.forward.service_search import found_by_search
from workers.forward.service_syntaxes import ServiceSyntaxes
from workers.forward.stow_link import StowLink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from typing import Any

    from gateway.datasets import Instance
    from gateway.sdk.move.routes import Routes
    from gateway.settings import Destination
    from gateway.transcoding import Transcoder
    from workers.archive.outbox_rows import QueuedInstance
    from workers.forward.http_credentials import Credentials


class Started(Protocol):
    """An instance on its way."""

    @property
    def answered(self) -> Future[Any]:
        """The response of a C-STORE, or the SendOutcome."""
        ...


class DestinationLink(Protocol):
    """What a lane sends over."""

    @property
    def is_open(self) -> bool: ...

    @property
    def is_full(self) -> bool:
        """Whether one more would have to wait."""
        ...

    def begin(self, instance: Instance, originator: None, /) -> Started:
        """Send an instance, without waiting for the answer; raises NoRoute."""
        ...

    def release(self) -> None:
        """Close it, after the last answer."""
        ...

    def abort(self) -> None:
        """Close it at once, from any thread."""
        ...


@dataclass(slots=True)
class WebService:
    """What all links to one DICOMweb service share."""

    entry: Destination
    credentials: Credentials
    syntaxes: ServiceSyntaxes


@dataclass
class DestinationLinks:
    """Opens links; all links of a destination share its credentials, and what it takes."""

    routes: Routes
    calling: str
    """The AE title under which instances are sent."""
    transcoder: Callable[[], Transcoder]
    """Returns what transcodes for all of them; raises ConfigError."""
    _services: dict[str, WebService] = field(default_factory=dict)

    def open(self, name: str, operations: int) -> DestinationLink:
        """Return a link with so many instances in flight; 0: as configured.

        Raises LookupError if the destination is not in the table.
        """
        entry = self.routes.destination(name)
        if entry is None or not entry.url:
            association = self.routes.association(name, self.calling, operations)
            if entry is not None and entry.transcode:
                association.fitting = fitting_of(entry, self.transcoder())
            return association
        service = self._service(name, entry)
        link = StowLink(
            entry,
            service.credentials,
            self.routes.tls_of(name),
            self.routes.timeouts,
            shown=lambda end: self.routes.show_certificate(name, end),
            syntaxes=service.syntaxes,
        )
        if operations:
            link.most = operations
        return link

    def search(self, name: str, rows: Sequence[QueuedInstance]) -> set[str]:
        """Return the UIDs of those instances that a DICOMweb service finds.

        Raises LookupError if the destination is not in the table, NotAsked and NoHttpAnswer.
        """
        entry = self.routes.destination(name)
        if entry is None or not entry.url:
            raise LookupError(f"[destinations] has no {name!r} with a url")
        tls, timeouts = self.routes.tls_of(name), self.routes.timeouts
        connection = HttpConnection(entry.service, tls, entry.tls_name, timeouts)
        try:
            credentials = self._service(name, entry).credentials
            asked = AuthorizedConnection(connection, credentials)
            return found_by_search(asked, entry.service.path, rows)
        finally:
            connection.close()

    def _service(self, name: str, entry: Destination) -> WebService:
        """Return what is shared; another one if the entry was changed."""
        known = self._services.get(name)
        if known is None or known.entry != entry:
            credentials = credentials_of(entry, self.routes.tls_of(name), self.routes.timeouts)
            fitting = fitting_of(entry, self.transcoder()) if entry.transcode else None
            known = self._services[name] = WebService(entry, credentials, ServiceSyntaxes(fitting))
        return known


def fitting_of(entry: Destination, transcoder: Transcoder) -> TranscodingFit:
    """Return the rules of a destination by which instances are transcoded."""
    lossy = None
    if entry.lossy_ratio:
        lossy = Target(JPEG_2000, ratio=float(entry.lossy_ratio))
    elif entry.lossy_error:
        lossy = Target(JPEG_LS_NEAR_LOSSLESS, error=entry.lossy_error)
    wanted = [KEYWORDS.get(name, name) for name in entry.transfer_syntaxes]
    return TranscodingFit(transcoder, wanted, lossy)
