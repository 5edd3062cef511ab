"""A simulated DIMSE request, and the responses that its answers become."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from gateway.datasets.coding import decode, encode
from gateway.datasets.conversion import encoded_instance, syntax_of
from gateway.part10 import read_file_meta
from gateway.sdk.event import Event
from gateway.sdk.testing.running import bound_of, perform
from gateway.settings import SpoolSettings
from gateway.spool import Claim
from gateway.spool.claim import Tokens
from gateway.spool.digest import digest_of
from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from os import PathLike

    from gateway.dimse.message import Request
    from gateway.events import InterventionEvent
    from gateway.fabric import Answer
    from gateway.sdk.bound_handler import AnyHandler
    from gateway.sdk.testing.simulated_peer import Peer
    from gateway.sdk.worker_definition import Worker


@dataclass(frozen=True)
class SimulatedRequest:
    """A DIMSE request for a handler."""

    event: InterventionEvent
    request: Request
    abstract_syntax: str
    transfer_syntax: str = EXPLICIT_VR_LITTLE_ENDIAN
    attempt: int = 1
    more: Sequence[tuple[str, str]] = ()
    """Contexts that are accepted besides that of the request."""

    def answers(
        self,
        handler: Worker | AnyHandler,
        args: Sequence[Any],
        peer: Peer,
        data: bytes | None = None,
        payload: Mapping[str, Any] | None = None,
        **how: Any,
    ) -> list[Answer]:
        """Return all answers that the acceptor would get; `how` are keywords of `perform`."""
        bound = bound_of(handler, self.event, args)
        context = (self.abstract_syntax, self.transfer_syntax)
        event = Event(
            self.event,
            {
                "request": self.request.parameters(),
                "context": [1, *context],
                "message_id": self.request.message_id,
                **(payload or {}),
            },
            blob=peer.describe(context, self.more),
            data=data,
            attempt=self.attempt,
            publish=peer.publish,
            send_command=peer.call,
        )
        return perform(bound, event, **how)

    def status(
        self, handler: Worker | AnyHandler, args: Sequence[Any], peer: Peer, *how: Any
    ) -> int:
        """Return the status of the only answer."""
        (answer,) = self.answers(handler, args, peer, *how)
        return self.status_of(answer)

    def answer(
        self,
        handler: Worker | AnyHandler,
        args: Sequence[Any],
        peer: Peer,
        data_set: Dataset | None,
    ) -> tuple[int, Dataset | None]:
        """Return status and data set of the only answer."""
        (answer,) = self.answers(handler, args, peer, self.encode(data_set))
        return self.pair(answer)

    def status_of(self, answer: Answer) -> int:
        """Return the status that the acceptor sends; the catalogue has those of failures."""
        failures = self.event.failures
        if failures is not None and "failed" in answer.payload:
            return failures.of(answer.payload["failed"])
        return int(answer.payload["status"])

    def pair(self, answer: Answer) -> tuple[int, Dataset | None]:
        """Return the status, and the data set as the peer decodes it."""
        attached = answer.data
        decoded = None if attached is None else decode(attached, self.transfer_syntax)
        return self.status_of(answer), decoded

    def encode(self, data_set: Dataset | None) -> bytes | None:
        return None if data_set is None else encode(data_set, self.transfer_syntax)


def instance_of(what: Dataset | str | PathLike[str]) -> tuple[str, str, str, bytes]:
    """Return SOP class, SOP instance, transfer syntax and encoded data set of an instance."""
    if isinstance(what, Dataset):
        made = encoded_instance(what, syntax_of(what))
        return made.sop_class_uid, made.sop_instance_uid, made.transfer_syntax_uid, made.read()
    path = Path(what)
    meta = read_file_meta(path)
    encoded = path.read_bytes()[meta.offset :]
    return meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid, encoded


@contextmanager
def spooled(whole: bytes, offset: int) -> Iterator[tuple[Claim, bytes | None]]:
    """Yield the claim of a data set, and its bytes; large ones are in a file meanwhile."""
    size, token = len(whole) - offset, Tokens(0).draw()
    digest = digest_of(whole[offset:])
    if size <= SpoolSettings().inline_max:
        yield Claim(token, None, offset, size, digest), whole
        return
    with tempfile.TemporaryDirectory(prefix="gateway-") as folder:
        path = Path(folder) / token
        path.write_bytes(whole)
        yield Claim(token, str(path), offset, size, digest, synced=True), None
