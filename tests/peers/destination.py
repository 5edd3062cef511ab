"""A storage SCP that counts what comes, and answers as a test says; pynetdicom in this process."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
)

from tests.peers import procfs, wire
from tests.peers.scp import free_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator


@dataclass
class Destination:
    """It is there within `running`, at a port that stays the same."""

    port: int = field(default_factory=free_port)
    sop_classes: tuple[str, ...] = (wire.CT,)
    most: int = 100
    """Associations at once."""
    answer: Callable[[str], int] = lambda _uid: 0x0000
    """Gives the status for an instance."""
    tls: ssl.SSLContext | None = None
    syntaxes: tuple[str, ...] = (wire.IMPLICIT, wire.EXPLICIT)
    """The transfer syntaxes of storage."""
    more: list[tuple] = field(default_factory=list)
    """Handlers of other events."""
    got: dict[str, list[float]] = field(default_factory=dict)
    """When each instance came, by its UID, in order of their first coming."""
    data_sets: dict[str, bytes] = field(default_factory=dict)
    associations: list[tuple[str, str]] = field(default_factory=list)
    """Calling and called AE title of each."""

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    @contextmanager
    def running(self, title: str = "STRANGER") -> Iterator[Destination]:
        ae = AE(ae_title=title)
        ae.maximum_associations = self.most
        for sop_class in self.sop_classes:
            ae.add_supported_context(sop_class, list(self.syntaxes))
        ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        ae.add_supported_context(StorageCommitmentPushModel)
        handlers = [(evt.EVT_C_STORE, self._take), (evt.EVT_ACCEPTED, self._accepted), *self.more]
        address = "127.0.0.1", self.port
        server = ae.start_server(address, False, ssl_context=self.tls, evt_handlers=handlers)
        try:
            yield self
        finally:
            server.shutdown()

    def wait_for(self, count: int) -> list[str]:
        """Wait until so many instances have come; return their UIDs."""
        procfs.until(lambda: len(self.got) >= count, what=f"{count} instances at the destination")
        return list(self.got)

    def _accepted(self, event) -> None:
        request = event.assoc.requestor.primitive
        self.associations.append((request.calling_ae_title, request.called_ae_title))

    def _take(self, event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.got.setdefault(uid, []).append(time.monotonic())
        self.data_sets[uid] = event.request.DataSet.getvalue()
        return self.answer(uid)
