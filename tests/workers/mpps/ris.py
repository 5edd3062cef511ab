"""An SCP of performed procedure steps that keeps what it gets; pynetdicom in this process."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityPerformedProcedureStep

from tests.peers import procfs
from tests.peers.scp import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset


@dataclass
class Ris:
    """It is there within `running`, at a port that stays the same."""

    port: int = field(default_factory=free_port)
    got: list[tuple[str, str, Dataset]] = field(default_factory=list)
    """Operation, SOP Instance UID of the step, and attributes."""
    answers: list[int] = field(default_factory=list)
    """The statuses of the next responses; then success. -1: abort in place of a response."""
    sop_class: str = ModalityPerformedProcedureStep

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(operation, uid) for operation, uid, _ in self.got]

    @contextmanager
    def running(self) -> Iterator[Ris]:
        ae = AE("RIS")
        ae.add_supported_context(self.sop_class)
        handlers = [(evt.EVT_N_CREATE, self._created), (evt.EVT_N_SET, self._set)]
        server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        try:
            yield self
        finally:
            server.shutdown()

    def wait_for(self, count: int) -> list[tuple[str, str]]:
        procfs.until(lambda: len(self.got) >= count, what=f"{count} messages at the RIS")
        return self.told

    def _created(self, event):
        uid = str(event.request.AffectedSOPInstanceUID)
        return self._answer(event, "N-CREATE", uid, event.attribute_list)

    def _set(self, event):
        uid = str(event.request.RequestedSOPInstanceUID)
        return self._answer(event, "N-SET", uid, event.modification_list)

    def _answer(self, event, operation: str, uid: str, attributes: Dataset):
        self.got.append((operation, uid, attributes))
        status = self.answers.pop(0) if self.answers else 0x0000
        if status == -1:
            event.assoc.abort()
            return 0x0110, None
        return status, attributes
