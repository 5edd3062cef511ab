"""The results of the answers to a C-GET or C-MOVE."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from gateway.association.operation import ReceivedResponse
from gateway.datasets import NoContext, select_context
from gateway.datasets.coding import decode
from gateway.datasets.conversion import encoded_instance, instance_in, path_of, syntax_of
from gateway.dimse.message import CStoreRSP
from gateway.dimse.status import SUCCESS
from gateway.dimse.suboperations import SuboperationCounters
from gateway.errors import GatewayError
from gateway.sdk.move.routes import Route, Routes, StartedStore
from gateway.ul.negotiation import AcceptedContext

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.fabric import Answer
    from gateway.sdk.testing.simulated_peer import Peer
    from gateway.sdk.testing.simulated_request import SimulatedRequest


@dataclass
class Retrieval:
    """A C-GET or C-MOVE: what was sent, and the final response."""

    status: int = SUCCESS
    """The status of the final response."""
    number: int | None = None
    """Number of sub-operations that the handler announced; None: it did not get that far."""
    completed: int = 0
    failed: int = 0
    warnings: int = 0
    sent: list[Dataset | Path] = field(default_factory=list)
    """The instances sent: paths of files or claims, or data sets as the peer decodes them."""
    failed_uids: list[str] = field(default_factory=list)
    """Failed SOP Instance UID List."""
    destination: tuple[str, int, str] | None = None
    """Host, port and called AE title of a C-MOVE."""


class SimulatedGet:
    """Performs the sub-operations of a C-GET as the acceptor does."""

    def __init__(self, asked: SimulatedRequest, peer: Peer) -> None:
        self._asked = asked
        self._peer = peer
        self._counters = SuboperationCounters()
        self._result = Retrieval()
        self._begun: list[Answer] = []
        """The answers with the pieces so far of a data set."""
        self._accepted = {
            2 * number + 3: AcceptedContext(2 * number + 3, str(pair[0]), str(pair[1]), True, False)
            for number, pair in enumerate(peer.contexts or asked.more)
        }

    def result(self, answers: Sequence[Answer]) -> Retrieval:
        """Return the result of all answers."""
        *before, last = answers
        for answer in before:
            if "number" in answer.payload:
                self._counters.announced = self._result.number = answer.payload["number"]
            else:
                self._count(answer)
        return self._finish(last)

    def _count(self, answer: Answer) -> None:
        payload = answer.payload
        if "failed" in payload:
            self._counters.count(None, payload.get("sop_instance_uid", ""))
            return
        if "context_id" in payload and "path" in payload:
            self._result.sent.append(Path(payload["path"]))
            self._counters.count(self._peer.status, payload["sop_instance_uid"])
            return
        if "context_id" in payload or self._begun:
            self._take_piece(answer)
            return
        claim = payload.get("claim")
        self._send_file(Path(claim["path"] if claim else payload["path"]))

    def _take_piece(self, answer: Answer) -> None:
        """Collect a data set that comes in one answer or several."""
        self._begun.append(answer)
        if answer.payload.get("more"):
            return
        where, pieces = self._begun[0].payload, [one.data or b"" for one in self._begun]
        self._begun = []
        syntax = self._accepted[where["context_id"]].transfer_syntax
        self._result.sent.append(decode(b"".join(pieces), syntax))
        self._counters.count(self._peer.status, where["sop_instance_uid"])

    def _send_file(self, path: Path) -> None:
        try:
            found = instance_in(path)
        except (GatewayError, OSError):
            self._counters.count(None, "")
            return
        sop_class, syntaxes = found.sop_class_uid, (found.transfer_syntax_uid,)
        try:
            select_context(self._accepted.values(), sop_class, syntaxes)
        except NoContext:
            self._counters.count(None, found.sop_instance_uid)
            return
        self._result.sent.append(path)
        self._counters.count(self._peer.status, found.sop_instance_uid)

    def _finish(self, last: Answer) -> Retrieval:
        counters, result = self._counters, self._result
        result.status = self._asked.status_of(last)
        if last.payload.get("failed") == "unanswered" and result.number is not None:
            result.status = self._asked.event.failures.of("begun")  # type: ignore[union-attr]
        result.status = counters.conclude(result.status)
        result.completed, result.failed = counters.completed, counters.failures
        result.warnings, result.failed_uids = counters.warnings, list(counters.failed)
        return result


class SimulatedRoutes(Routes):
    """Routes without connections, which record what a C-MOVE sends."""

    def __init__(self, peer: Peer, destinations: Mapping[str, tuple[str, int]]) -> None:
        super().__init__()
        self._peer = peer
        self._table = destinations
        self._result = Retrieval()

    def named(self, name: str) -> tuple[str, int, dict[str, Any]] | None:
        found = self._table.get(name.strip())
        return None if found is None else (*found, {"ae_title": name.strip()})

    def to(
        self, address: tuple[str, int], options: dict[str, Any], titles: tuple[str, str]
    ) -> Route:
        super().to(address, options, titles)  # or the options make no sense
        self._result.destination = (*address, str(options.get("ae_title") or titles[1]))
        return _SimulatedRoute(self, self._result, self._peer)

    def result(self, asked: SimulatedRequest, answers: Sequence[Answer]) -> Retrieval:
        """Return the result of all answers; the counters are in the last one."""
        *before, last = answers
        result = self._result
        for answer in before:
            result.number = answer.payload.get("number", result.number)
        result.status, identifier = asked.pair(last)
        if last.payload.get("failed") == "unanswered" and result.number is not None:
            result.status = asked.event.failures.of("begun")  # type: ignore[union-attr]
        elements = last.payload.get("elements", {})
        counters = ("Completed", "Failed", "Warning")
        result.completed, result.failed, result.warnings = (
            elements.get(f"NumberOf{name}Suboperations", 0) for name in counters
        )
        uids = identifier.get("FailedSOPInstanceUIDList") if identifier else None
        result.failed_uids = [uids] if isinstance(uids, str) else list(uids or ())
        return result


class _SimulatedRoute(Route):
    """A route to a destination that accepts everything."""

    takes_lists = False

    def __init__(self, routes: Routes, result: Retrieval, peer: Peer) -> None:
        super().__init__(routes, None, {}, None)  # type: ignore[arg-type]
        self._result = result
        self._peer = peer

    @property
    def was_reached(self) -> bool:
        return True

    def begin(self, what: Any, originator: tuple[str, int] | None) -> StartedStore:  # noqa: ARG002
        answered: Future[ReceivedResponse] = Future()
        answered.set_result(ReceivedResponse(CStoreRSP(1, self._peer.status)))
        return StartedStore(self._take(what), answered)

    def _take(self, what: Any) -> str:
        if isinstance(what, Dataset):
            instance = encoded_instance(what, syntax_of(what))
        else:
            instance = instance_in(what)
        if instance.data is None:
            self._result.sent.append(Path(instance.path) if instance.path else path_of(what))
        else:
            self._result.sent.append(decode(instance.data, instance.transfer_syntax_uid))
        return instance.sop_instance_uid
