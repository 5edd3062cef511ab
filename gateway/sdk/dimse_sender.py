"""The DIMSE requests that a program sends on an association, with pynetdicom's signatures.

`DimseSender` builds the request, selects the presentation context, encodes the data set and decodes
the responses. A subclass knows how a request gets to the peer: an association may be held by this
process (`gateway.Association`) or by an acceptor that is asked over the fabric (`event.assoc`).
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from gateway.datasets import DatasetError, select_context
from gateway.datasets.coding import encode
from gateway.datasets.conversion import fit
from gateway.dimse import message as dimse
from gateway.dimse.command_elements import Priority
from gateway.errors import GatewayError, LocalProtocolError
from gateway.sdk.peer_responses import QUERIES, answer_of
from gateway.uid import VERIFICATION

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator
    from os import PathLike

    from gateway.datasets import Instance
    from gateway.datasets.selection import Role
    from gateway.dimse.message import Request
    from gateway.sdk.peer_responses import Answers, PeerResponse
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.sdk")


class NoResponse(GatewayError):  # noqa: N818 - a state, not only an error
    """No response came, or no further one; the text says why."""


class DimseSender(ABC):
    """The `send_*` methods of an association.

    Each sends its request at once and raises RuntimeError if the association is not established,
    and ValueError if no accepted presentation context fits or the data set cannot be encoded.

    A status is a Dataset with Status (PS3.7 annex C) and elements that explain it, such as
    ErrorComment. It is empty if no response came: the association was aborted, released or lost, or
    the peer took too long. Requests with several responses return an iterator over pairs of status
    and identifier, up to the final response; closing it early abandons the rest. `msg_id` names the
    operation for `send_c_cancel`.
    """

    event_report_role: ClassVar[Role | None] = "scp"
    """The role of this side on the context of an N-EVENT-REPORT; None: any."""

    # what a subclass provides

    @property
    @abstractmethod
    def id(self) -> str:
        """The association's name in log lines."""

    @property
    @abstractmethod
    def is_established(self) -> bool:
        """Tell whether requests can be sent."""

    @abstractmethod
    def usable_contexts(self) -> Collection[AcceptedContext]:
        """Return the accepted contexts in the order of their IDs."""

    @abstractmethod
    def _begin(
        self, context: AcceptedContext, request: Request, data: bytes | Instance | None
    ) -> Generator[PeerResponse, None, None]:
        """Send a request; return its responses, up to the final one. Both may raise NoResponse."""

    @abstractmethod
    def send_c_cancel(
        self, msg_id: int, context_id: int | None = None, query_model: str | None = None
    ) -> None:
        """Send a C-CANCEL for the C-FIND, C-GET or C-MOVE that was sent with this `msg_id`."""

    def _fit(self, dataset: Any) -> tuple[AcceptedContext, Instance]:
        """Return the context for a C-STORE, and the instance as it is sent on that."""
        return fit(dataset, self.usable_contexts())

    def _log_identifier(self, kind: str, identifier: Dataset) -> None:  # noqa: B027 - may stay so
        """Log an identifier that is sent (*request*) or received (*response*)."""

    # DIMSE-C (PS3.7 9.1)

    def send_c_echo(self, msg_id: int = 1) -> Dataset:
        """C-ECHO (PS3.7 9.1.5): return the status."""
        return self._one(VERIFICATION, dimse.CEchoRQ(msg_id))[0]

    def send_c_store(
        self,
        dataset: str | PathLike[str] | Dataset,
        msg_id: int = 1,
        priority: int = 2,
        originator_aet: str | None = None,
        originator_id: int | None = None,
    ) -> Dataset:
        """C-STORE (PS3.7 9.1.1) of a data set or a file: return the status.

        A file is sent as it is if a context in its transfer syntax is accepted, and otherwise
        converted between uncompressed ones. `priority`: 0 medium, 1 high, 2 low. `originator_*`: of
        the C-MOVE that this is a sub-operation of.
        """
        self._check_established("C-STORE")
        context, instance = self._fit(dataset)
        uids = instance.sop_class_uid, instance.sop_instance_uid
        request = dimse.CStoreRQ(msg_id, *uids, priority, originator_aet, originator_id)
        return self._final(context, request, instance)[0]

    def send_c_find(
        self, dataset: Dataset, query_model: str, msg_id: int = 1, priority: int = 2
    ) -> Iterator[Answers]:
        """C-FIND (PS3.7 9.1.2): return pairs of status and identifier, one for each match.

        `query_model`: the SOP class UID. The final status has None for identifier.
        """
        return self._many(dimse.CFindRQ(msg_id, str(query_model), priority), dataset)

    def send_c_get(
        self, dataset: Dataset, query_model: str, msg_id: int = 1, priority: int = 2
    ) -> Iterator[Answers]:
        """C-GET (PS3.7 9.1.3): return pairs of status and, at the end, what failed.

        The instances are C-STORE requests of the peer, for the handler of EVT_C_STORE.
        """
        return self._many(dimse.CGetRQ(msg_id, str(query_model), priority), dataset)

    def send_c_move(
        self, dataset: Dataset, move_aet: str, query_model: str, msg_id: int = 1, priority: int = 2
    ) -> Iterator[Answers]:
        """C-MOVE (PS3.7 9.1.4) to the AE title `move_aet`: return pairs as `send_c_get` does."""
        return self._many(dimse.CMoveRQ(msg_id, str(query_model), move_aet, priority), dataset)

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
        """N-EVENT-REPORT (PS3.7 10.1.1), in the SCP role: return status and event reply.

        `meta_uid`, here and below: the meta SOP class that was negotiated in place of `class_uid`.
        """
        request = dimse.NEventReportRQ(msg_id, str(class_uid), str(instance_uid), event_type)
        return self._one(meta_uid or class_uid, request, dataset, self.event_report_role)

    def send_n_get(
        self,
        identifier_list: Iterable[Any] | None,
        class_uid: str,
        instance_uid: str,
        msg_id: int = 1,
        meta_uid: str | None = None,
    ) -> Answers:
        """N-GET (PS3.7 10.1.2) of the attributes with these tags: return status and attributes.

        `identifier_list` has what pydicom's Tag takes; all attributes are requested if it is empty.
        """
        tags = tuple(int(Tag(tag)) for tag in identifier_list or ())
        request = dimse.NGetRQ(msg_id, str(class_uid), str(instance_uid), tags or None)
        return self._one(meta_uid or class_uid, request)

    def send_n_set(
        self,
        dataset: Dataset,
        class_uid: str,
        instance_uid: str,
        msg_id: int = 1,
        meta_uid: str | None = None,
    ) -> Answers:
        """N-SET (PS3.7 10.1.3) of the attributes in `dataset`: return status and attributes."""
        request = dimse.NSetRQ(msg_id, str(class_uid), str(instance_uid))
        return self._one(meta_uid or class_uid, request, dataset)

    def send_n_action(
        self,
        dataset: Dataset | None,
        action_type: int,
        class_uid: str,
        instance_uid: str,
        msg_id: int = 1,
        meta_uid: str | None = None,
    ) -> Answers:
        """N-ACTION (PS3.7 10.1.4): return status and action reply."""
        request = dimse.NActionRQ(msg_id, str(class_uid), str(instance_uid), action_type)
        return self._one(meta_uid or class_uid, request, dataset)

    def send_n_create(
        self,
        dataset: Dataset | None,
        class_uid: str,
        instance_uid: str | None = None,
        msg_id: int = 1,
        meta_uid: str | None = None,
    ) -> Answers:
        """N-CREATE (PS3.7 10.1.5): return status and attributes.

        Without an `instance_uid` the peer assigns one: AffectedSOPInstanceUID of the status.
        """
        instance = str(instance_uid) if instance_uid else None
        request = dimse.NCreateRQ(msg_id, str(class_uid), instance)
        return self._one(meta_uid or class_uid, request, dataset)

    def send_n_delete(
        self, class_uid: str, instance_uid: str, msg_id: int = 1, meta_uid: str | None = None
    ) -> Dataset:
        """N-DELETE (PS3.7 10.1.6): return the status."""
        request = dimse.NDeleteRQ(msg_id, str(class_uid), str(instance_uid))
        return self._one(meta_uid or class_uid, request)[0]

    # how

    def _check_established(self, what: str) -> None:
        if not self.is_established:
            sending = "prior to sending an" if what.startswith("N") else "before sending a"
            raise RuntimeError(
                f"The association with a peer SCP must be established {sending} {what} request"
            )

    def _context(self, request: Request, sop_class: str, role: Role | None) -> AcceptedContext:
        self._check_established(request.command_field.name.removesuffix("_RQ").replace("_", "-"))
        return select_context(self.usable_contexts(), str(sop_class), role=role)

    def _one(
        self,
        sop_class: str,
        request: Request,
        dataset: Dataset | None = None,
        role: Role | None = "scu",
    ) -> Answers:
        context = self._context(request, sop_class, role)
        return self._final(context, request, _encoded(request, dataset, context))

    def _final(
        self, context: AcceptedContext, request: Request, data: bytes | Instance | None
    ) -> Answers:
        *_, final = self._responses(context, request, data)
        return final

    def _many(
        self, request: dimse.CFindRQ | dimse.CGetRQ | dimse.CMoveRQ, dataset: Dataset
    ) -> Iterator[Answers]:
        context = self._context(request, request.affected_sop_class_uid, "scu")
        self._log_identifier("request", dataset)
        return self._responses(context, request, _encoded(request, dataset, context))

    def _responses(
        self, context: AcceptedContext, request: Request, data: bytes | Instance | None
    ) -> Iterator[Answers]:
        """Send a request at once, not only when the iteration begins; return its responses.

        Raises ValueError or TypeError, before anything is sent, if the request has a parameter that
        the peer would have to refuse.
        """
        _check_parameters(request)
        try:
            responses = self._begin(context, request, data)
        except NoResponse as error:
            return iter([self._no_response(request, error)])
        return self._answers(context, request, responses)

    def _answers(
        self,
        context: AcceptedContext,
        request: Request,
        responses: Generator[PeerResponse, None, None],
    ) -> Iterator[Answers]:
        try:
            with closing(responses):
                for response in responses:
                    status, dataset = answer_of(request, response, context.transfer_syntax)
                    if dataset is not None and isinstance(request, QUERIES):
                        self._log_identifier("response", dataset)
                    yield status, dataset
        except NoResponse as error:
            yield self._no_response(request, error)

    def _no_response(self, request: Request, error: NoResponse) -> Answers:
        kind = request.command_field.name
        log.error("association=%s no response to %s: %s", self.id, kind, error)
        return Dataset(), None


def _check_parameters(request: Request) -> None:
    priority = getattr(request, "priority", Priority.MEDIUM)
    if priority not in tuple(Priority):
        raise ValueError(f"Priority must be 0, 1 or 2, not {priority!r}")
    for name in ("event_type_id", "action_type_id"):
        if not isinstance(getattr(request, name, 0), int):
            raise TypeError(f"{name} must be int, not {getattr(request, name)!r:.80}")
    try:
        request.encode()
    except LocalProtocolError as error:
        raise ValueError(str(error)) from error


_NOT_ENCODED: dict[type[Request], str] = {
    dimse.CGetRQ: "Failed to encode the supplied Identifier dataset",
    dimse.CMoveRQ: "Failed to encode the supplied Identifier dataset",
    dimse.NEventReportRQ: "Unable to encode the supplied 'Event Information' dataset",
    dimse.NSetRQ: "Failed to encode the supplied 'Modification List' dataset",
    dimse.NActionRQ: "Failed to encode the supplied 'Action Information' dataset",
    dimse.NCreateRQ: "Failed to encode the supplied 'Attribute List' dataset",
}
"""pynetdicom's texts of a ValueError; others are of a Dataset."""


def _encoded(request: Request, dataset: Dataset | None, context: AcceptedContext) -> bytes | None:
    if dataset is None:
        return None
    try:
        return encode(dataset, context.transfer_syntax)
    except DatasetError as error:
        text = _NOT_ENCODED.get(type(request), "Failed to encode the supplied Dataset")
        raise ValueError(f"{text}: {error}") from error
