"""What a handler may do with an association: send on it, release it, abort it.

The association is the acceptor's; each of these is a call over the fabric that waits for what
comes of it. Signatures and return values are pynetdicom's. `msg_id` only names an operation for
`send_c_cancel`: on the wire the acceptor numbers the messages, because it knows which numbers are
in use.
"""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from gateway.datasets import DatasetError, select_context
from gateway.datasets.coding import decode, encode
from gateway.datasets.conversion import fit
from gateway.dimse.status import Category, category
from gateway.errors import FabricError
from gateway.fabric.wire.frames import MAX_DATA
from gateway.uid import VERIFICATION
from gateway.ul.negotiation import AcceptedContext

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

    from gateway.datasets.selection import Role
    from gateway.fabric import Answer
    from gateway.sdk.assoc import NegotiatedContext

    Answers = tuple[Dataset, Dataset | None]

log = logging.getLogger("gateway.sdk")

PATIENCE = 3600.0
"""Seconds to each result; it is the acceptor that knows when the peer is late."""
FAREWELL = 5.0
"""Seconds for the acceptor to take notice of an abort or release."""

_PROCESSING_FAILURE = 0x0110
_OF_NO_STATUS = frozenset({"MessageIDBeingRespondedTo", "Status"})
_WRONG = frozenset({"context", "invalid"})
"""Troubles that are the caller's mistake; any other means that no response came."""


class Results(Protocol):
    """The results of one call, to be closed when no more are wanted."""

    def __iter__(self) -> Iterator[Answer]: ...
    def __next__(self) -> Answer: ...
    def close(self) -> None: ...


class Caller(Protocol):
    """Has an acceptor do something on one of its associations."""

    def __call__(
        self,
        acceptor: str,
        association: str,
        operation: str,
        payload: dict[str, Any],
        *,
        data: bytes | None = None,
        timeout: float,
    ) -> Results: ...


class Calling:
    """The part of an association that acts."""

    if TYPE_CHECKING:

        @property
        def id(self) -> str: ...
        @property
        def acceptor_name(self) -> str: ...
        @property
        def accepted_contexts(self) -> list[NegotiatedContext]: ...
        @property
        def is_established(self) -> bool: ...

    def __init__(self) -> None:
        self._caller: Caller | None = None
        self._open: dict[int, Results] = {}
        self._ended = ""

    # the association

    def abort(self) -> None:
        """Send an A-ABORT (PS3.8 7.3)."""
        self._end("abort", "aborted")

    def release(self) -> None:
        """Ask for the association to be released (PS3.8 7.2), after what is still open on it."""
        self._end("release", "released")

    def over(self, state: str) -> None:
        """Take notice that it has ended: released, aborted or rejected."""
        self._ended = self._ended or state

    def _end(self, operation: str, state: str) -> None:
        if not self.is_established:
            return
        try:
            with closing(self._call(operation, {}, timeout=FAREWELL)) as results:
                _check(next(iter(results)))
        except FabricError as error:
            log.warning("association=%s %s: %s", self.id, operation, error)
        self._ended = state

    # DIMSE-C (PS3.7 9.1)

    def send_c_echo(self, msg_id: int = 1) -> Dataset:
        """C-ECHO; the status, empty if no response came."""
        context = self._find(VERIFICATION, None)
        return self._one("CEchoRQ", context, {}, None, msg_id)[0]

    def send_c_store(
        self,
        dataset: str | PathLike[str] | Dataset,
        msg_id: int = 1,
        priority: int = 2,
        originator_aet: str | None = None,
        originator_id: int | None = None,
    ) -> Dataset:
        """C-STORE of a data set or a file, the latter without decoding it; the status.

        Raises ValueError if it cannot be encoded, or if no context for it is accepted.
        """
        self._must_live()
        context, instance = fit(dataset, self.accepted())
        parameters = {
            "affected_sop_class_uid": instance.sop_class_uid,
            "affected_sop_instance_uid": instance.sop_instance_uid,
            "priority": priority,
            "move_originator_ae_title": originator_aet,
            "move_originator_message_id": originator_id,
        }
        return self._one("CStoreRQ", context, parameters, instance.read(), msg_id)[0]

    def send_c_find(
        self, dataset: Dataset, query_model: str, msg_id: int = 1, priority: int = 2
    ) -> Iterator[Answers]:
        """C-FIND; pairs of status and identifier. Closing the iterator cancels it."""
        context = self._find(query_model, None)
        parameters = {"affected_sop_class_uid": str(query_model), "priority": priority}
        return self._many("CFindRQ", context, parameters, dataset, msg_id)

    def send_c_get(
        self, dataset: Dataset, query_model: str, msg_id: int = 1, priority: int = 2
    ) -> Iterator[Answers]:
        """C-GET; the instances come as C-STORE requests to whoever answers those."""
        context = self._find(query_model, None)
        parameters = {"affected_sop_class_uid": str(query_model), "priority": priority}
        return self._many("CGetRQ", context, parameters, dataset, msg_id)

    def send_c_move(
        self,
        dataset: Dataset,
        move_aet: str,
        query_model: str,
        msg_id: int = 1,
        priority: int = 2,
    ) -> Iterator[Answers]:
        """C-MOVE to the AE title `move_aet`."""
        context = self._find(query_model, None)
        parameters = {
            "affected_sop_class_uid": str(query_model),
            "move_destination": move_aet,
            "priority": priority,
        }
        return self._many("CMoveRQ", context, parameters, dataset, msg_id)

    def send_c_cancel(
        self,
        msg_id: int,
        context_id: int | None = None,  # noqa: ARG002 - pynetdicom's
        query_model: str | None = None,  # noqa: ARG002 - pynetdicom's
    ) -> None:
        """End the C-FIND, C-GET or C-MOVE that was sent with this `msg_id`: no more responses."""
        results = self._open.get(msg_id)
        if results is not None:
            results.close()

    # DIMSE-N (PS3.7 10.1)

    def send_n_event_report(
        self,
        dataset: Dataset | None,
        event_type: int,
        class_uid: str,
        instance_uid: str,
        msg_id: int = 1,
        meta_uid: str | None = None,
    ) -> Answers:
        """N-EVENT-REPORT, in the SCP role; status and event reply."""
        context = self._find(class_uid, meta_uid, "scp")
        parameters = _affected(class_uid, instance_uid) | {"event_type_id": event_type}
        return self._one("NEventReportRQ", context, parameters, dataset, msg_id)

    def send_n_get(
        self,
        identifier_list: Iterable[Any],
        class_uid: str,
        instance_uid: str,
        msg_id: int = 1,
        meta_uid: str | None = None,
    ) -> Answers:
        """N-GET of the attributes with these tags; status and attribute list."""
        context = self._find(class_uid, meta_uid)
        tags = [int(Tag(tag)) for tag in identifier_list]
        parameters = _requested(class_uid, instance_uid)
        parameters["attribute_identifier_list"] = tags or None
        return self._one("NGetRQ", context, parameters, None, msg_id)

    def send_n_set(
        self,
        dataset: Dataset,
        class_uid: str,
        instance_uid: str,
        msg_id: int = 1,
        meta_uid: str | None = None,
    ) -> Answers:
        """N-SET; status and attribute list."""
        context = self._find(class_uid, meta_uid)
        return self._one("NSetRQ", context, _requested(class_uid, instance_uid), dataset, msg_id)

    def send_n_action(
        self,
        dataset: Dataset | None,
        action_type: int,
        class_uid: str,
        instance_uid: str,
        msg_id: int = 1,
        meta_uid: str | None = None,
    ) -> Answers:
        """N-ACTION; status and action reply."""
        context = self._find(class_uid, meta_uid)
        parameters = _requested(class_uid, instance_uid) | {"action_type_id": action_type}
        return self._one("NActionRQ", context, parameters, dataset, msg_id)

    def send_n_create(
        self,
        dataset: Dataset | None,
        class_uid: str,
        instance_uid: str | None = None,
        msg_id: int = 1,
        meta_uid: str | None = None,
    ) -> Answers:
        """N-CREATE; status and attribute list."""
        context = self._find(class_uid, meta_uid)
        return self._one("NCreateRQ", context, _affected(class_uid, instance_uid), dataset, msg_id)

    def send_n_delete(
        self, class_uid: str, instance_uid: str, msg_id: int = 1, meta_uid: str | None = None
    ) -> Dataset:
        """N-DELETE; the status."""
        context = self._find(class_uid, meta_uid)
        return self._one("NDeleteRQ", context, _requested(class_uid, instance_uid), None, msg_id)[0]

    # how

    def accepted(self) -> list[AcceptedContext]:
        """Return the accepted contexts, with this gateway's roles."""
        return [
            AcceptedContext(
                c.context_id, str(c.abstract_syntax), str(c.transfer_syntax[0]), c.as_scu, c.as_scp
            )
            for c in self.accepted_contexts
        ]

    def _find(self, sop_class: str, meta: str | None, role: Role = "scu") -> AcceptedContext:
        self._must_live()
        return select_context(self.accepted(), str(meta or sop_class), role=role)

    def _must_live(self) -> None:
        if not self.is_established:
            raise RuntimeError("nothing can be sent on an association that is not established")

    def _one(
        self,
        kind: str,
        context: AcceptedContext,
        parameters: dict[str, Any],
        attached: Dataset | bytes | None,
        msg_id: int,
    ) -> Answers:
        answers = list(self._many(kind, context, parameters, attached, msg_id))
        return answers[-1]

    def _many(
        self,
        kind: str,
        context: AcceptedContext,
        parameters: dict[str, Any],
        attached: Dataset | bytes | None,
        msg_id: int,
    ) -> Iterator[Answers]:
        """Send at once, not only when the first response is asked for."""
        syntax = context.transfer_syntax
        payload = {
            "kind": kind,
            "context_id": context.id,
            "parameters": {k: v for k, v in parameters.items() if v is not None},
        }
        data = encode(attached, syntax) if isinstance(attached, Dataset) else attached
        if data is not None and len(data) > MAX_DATA:
            raise ValueError(f"a data set of {len(data)} bytes; {MAX_DATA} are the limit")
        try:
            results = self._call("request", payload, data, timeout=PATIENCE)
        except FabricError as error:
            log.warning("association=%s %s: %s", self.id, kind, error)
            return iter([(Dataset(), None)])
        self._open[msg_id] = results
        return self._answers(kind, results, syntax, msg_id)

    def _answers(self, kind: str, results: Results, syntax: str, msg_id: int) -> Iterator[Answers]:
        try:
            for answer in results:
                _check(answer)
                yield _answer(answer, syntax)
        except FabricError as error:
            log.warning("association=%s %s got no response: %s", self.id, kind, error)
            yield Dataset(), None
        finally:
            results.close()
            if self._open.get(msg_id) is results:
                del self._open[msg_id]

    def _call(
        self, operation: str, payload: dict[str, Any], data: bytes | None = None, *, timeout: float
    ) -> Results:
        if self._caller is None:
            raise FabricError("this association is out of reach")
        return self._caller(
            self.acceptor_name, self.id, operation, payload, data=data, timeout=timeout
        )


def _check(answer: Answer) -> None:
    """Raises ValueError for the caller's mistake, FabricError if there is no response."""
    if "error" in answer.payload:
        text = str(answer.payload["error"])
        raise (ValueError if answer.payload.get("kind") in _WRONG else FabricError)(text)


def _answer(answer: Answer, syntax: str) -> Answers:
    """The status, and the data set where the response has one."""
    status = Dataset()
    status.Status = code = int(answer.payload["status"])
    for keyword, value in answer.payload.get("response", {}).items():
        if keyword not in _OF_NO_STATUS:
            setattr(status, keyword, value)
    if answer.data is None:
        return status, None
    try:
        return status, decode(answer.data, syntax)
    except DatasetError:
        log.exception("the data set of a response cannot be decoded")
        if category(code) is not Category.FAILURE:
            status.Status = _PROCESSING_FAILURE
        return status, None


def _requested(class_uid: str, instance_uid: str) -> dict[str, Any]:
    return {
        "requested_sop_class_uid": str(class_uid),
        "requested_sop_instance_uid": str(instance_uid),
    }


def _affected(class_uid: str, instance_uid: str | None) -> dict[str, Any]:
    return {
        "affected_sop_class_uid": str(class_uid),
        "affected_sop_instance_uid": None if instance_uid is None else str(instance_uid),
    }
