"""What is sent on an association, and what becomes of the responses: pynetdicom's `send_*`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from gateway.datasets import select_context
from gateway.datasets.coding import encode
from gateway.datasets.conversion import fit
from gateway.dimse import message as dimse
from gateway.errors import GatewayError
from gateway.facade import config_flags
from gateway.facade.data_sets import (
    fitted,
    identifier_of,
    identify_file,
    status_of,
    with_data_set,
)
from gateway.requestor import AssociationError
from gateway.uid import VERIFICATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

    from gateway.datasets import Instance
    from gateway.datasets.selection import Role
    from gateway.dimse.message import Request
    from gateway.facade.data_sets import Answers
    from gateway.facade.handler_thread import HandlerThread
    from gateway.facade.wire import Wire
    from gateway.requestor import Operation
    from gateway.requestor.sending import DataSource
    from gateway.requestor.sync import Requestor
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.facade")


class Sending:
    """The part of an association that asks things of the peer.

    Each raises RuntimeError if the association is not established, and ValueError if no accepted
    context fits or a data set cannot be encoded. A status is an empty Dataset if no valid response
    came: the association is over then.
    """

    if TYPE_CHECKING:
        _wire: Wire | None
        _loop: Requestor
        _events: HandlerThread

        @property
        def is_established(self) -> bool: ...

    # DIMSE-C (PS3.7 9.1)

    def send_c_echo(self, msg_id: int = 1) -> Dataset:
        """C-ECHO; the status."""
        context = self._context("C-ECHO", VERIFICATION)
        return self._one(context, dimse.CEchoRQ(msg_id))[0]

    def send_c_store(
        self,
        dataset: str | PathLike[str] | Dataset,
        msg_id: int = 1,
        priority: int = 2,
        originator_aet: str | None = None,
        originator_id: int | None = None,
    ) -> Dataset:
        """C-STORE of a data set, or of a file, which is sent as it is wherever that can be.

        Raises AttributeError for a data set without UIDs or without the transfer syntax in its
        file meta information.
        """
        self._established("C-STORE")
        context, instance = self._instance(dataset)
        uids = instance.sop_class_uid, instance.sop_instance_uid
        request = dimse.CStoreRQ(msg_id, *uids, priority, originator_aet, originator_id)
        return self._one(context, request, instance.data_set())[0]

    def send_c_find(
        self, dataset: Dataset, query_model: str, msg_id: int = 1, priority: int = 2
    ) -> Iterator[Answers]:
        """C-FIND, sent at once; yields (status, identifier or None), up to the final response."""
        context = self._context("C-FIND", query_model)
        request = dimse.CFindRQ(msg_id, str(query_model), priority)
        return self._many(context, request, self._encoded(dataset, context))

    def send_c_get(
        self, dataset: Dataset, query_model: str, msg_id: int = 1, priority: int = 2
    ) -> Iterator[Answers]:
        """C-GET, sent at once; the instances come to the handler bound to EVT_C_STORE."""
        context = self._context("C-GET", query_model)
        request = dimse.CGetRQ(msg_id, str(query_model), priority)
        return self._many(context, request, self._encoded(dataset, context))

    def send_c_move(
        self,
        dataset: Dataset,
        move_aet: str,
        query_model: str,
        msg_id: int = 1,
        priority: int = 2,
    ) -> Iterator[Answers]:
        """C-MOVE to the AE title `move_aet`, sent at once."""
        context = self._context("C-MOVE", query_model)
        request = dimse.CMoveRQ(msg_id, str(query_model), move_aet, priority)
        return self._many(context, request, self._encoded(dataset, context))

    def send_c_cancel(
        self, msg_id: int, context_id: int | None = None, query_model: str | None = None
    ) -> None:
        """C-CANCEL of the operation with that message ID, on its context."""
        wire = self._established("C-CANCEL")
        if query_model is not None:
            context_id = select_context(wire.accepted_contexts.values(), str(query_model)).id
        if context_id is None or context_id not in wire.accepted_contexts:
            raise ValueError(
                "'send_c_cancel' requires either the 'query_model' used for the service request "
                "or the corresponding 'context_id'"
            )
        cancel = dimse.CCancelRQ(msg_id)
        try:
            self._loop.run(wire.send_message(wire.accepted_contexts[context_id], cancel))
        except AssociationError as error:
            log.warning("C-CANCEL was not sent: %s", error)
        self._events.flush()

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
        """N-EVENT-REPORT; status and event reply."""
        context = self._context("N-EVENT-REPORT", meta_uid or class_uid, None)
        uids = str(class_uid), str(instance_uid)
        return self._one(context, dimse.NEventReportRQ(msg_id, *uids, event_type), dataset)

    def send_n_get(
        self,
        identifier_list: Iterable[Any] | None,
        class_uid: str,
        instance_uid: str,
        msg_id: int = 1,
        meta_uid: str | None = None,
    ) -> Answers:
        """N-GET of the attributes with these tags; status and attribute list."""
        context = self._context("N-GET", meta_uid or class_uid)
        tags = tuple(int(Tag(tag)) for tag in identifier_list or ())
        request = dimse.NGetRQ(msg_id, str(class_uid), str(instance_uid), tags or None)
        return self._one(context, request)

    def send_n_set(
        self,
        dataset: Dataset,
        class_uid: str,
        instance_uid: str,
        msg_id: int = 1,
        meta_uid: str | None = None,
    ) -> Answers:
        """N-SET; status and attribute list."""
        context = self._context("N-SET", meta_uid or class_uid)
        request = dimse.NSetRQ(msg_id, str(class_uid), str(instance_uid))
        return self._one(context, request, dataset)

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
        context = self._context("N-ACTION", meta_uid or class_uid)
        request = dimse.NActionRQ(msg_id, str(class_uid), str(instance_uid), action_type)
        return self._one(context, request, dataset)

    def send_n_create(
        self,
        dataset: Dataset | None,
        class_uid: str,
        instance_uid: str | None = None,
        msg_id: int = 1,
        meta_uid: str | None = None,
    ) -> Answers:
        """N-CREATE; status and attribute list."""
        context = self._context("N-CREATE", meta_uid or class_uid)
        instance = str(instance_uid) if instance_uid else None
        return self._one(context, dimse.NCreateRQ(msg_id, str(class_uid), instance), dataset)

    def send_n_delete(
        self, class_uid: str, instance_uid: str, msg_id: int = 1, meta_uid: str | None = None
    ) -> Dataset:
        """N-DELETE; the status."""
        context = self._context("N-DELETE", meta_uid or class_uid)
        return self._one(context, dimse.NDeleteRQ(msg_id, str(class_uid), str(instance_uid)))[0]

    # how

    def _established(self, what: str) -> Wire:
        if self._wire is None or not self.is_established:
            raise RuntimeError(
                f"The association with a peer SCP must be established before sending a {what} "
                f"request"
            )
        return self._wire

    def _context(self, what: str, sop_class: str, role: Role | None = "scu") -> AcceptedContext:
        wire = self._established(what)
        return select_context(wire.accepted_contexts.values(), str(sop_class), role=role)

    def _encoded(self, data_set: Dataset, context: AcceptedContext) -> bytes:
        if config_flags.LOG_REQUEST_IDENTIFIERS:
            log.info("request identifier:\n%s", data_set)
        return encode(data_set, context.transfer_syntax)

    def _one(
        self,
        context: AcceptedContext,
        request: Request,
        attached: Dataset | DataSource | None = None,
    ) -> Answers:
        """The status and, where the response may have one, its data set."""
        if isinstance(attached, Dataset):
            attached = encode(attached, context.transfer_syntax)
        operation = self._invoke(context, request, attached)
        answered = None
        try:
            if operation is not None:
                answered = self._loop.run(operation.final())
        except AssociationError as error:
            log.error("no response: %s", error)  # noqa: TRY400 - no bug here
        self._events.flush()
        if answered is None:
            return Dataset(), None
        return with_data_set(status_of(request, answered), answered, context)

    def _many(self, context: AcceptedContext, request: Request, data: bytes) -> Iterator[Answers]:
        operation = self._invoke(context, request, data)
        if operation is None:
            return iter([(Dataset(), None)])
        return self._answers(operation, request, context)

    def _answers(
        self, operation: Operation, request: Request, context: AcceptedContext
    ) -> Iterator[Answers]:
        try:
            while (answered := self._loop.run(operation.next())) is not None:
                self._events.flush()
                yield status_of(request, answered), identifier_of(request, answered, context)
        except AssociationError as error:
            log.error("no further response: %s", error)  # noqa: TRY400 - no bug here
            self._events.flush()
            yield Dataset(), None
        finally:
            if not operation.is_over:
                self._loop.run(_abandon(operation))

    def _invoke(
        self, context: AcceptedContext, request: Request, data: DataSource | None
    ) -> Operation | None:
        assert self._wire is not None
        try:
            return self._loop.run(self._wire.invoke(context, request, data))
        except AssociationError as error:
            log.error("the request was not sent: %s", error)  # noqa: TRY400 - no bug here
            return None
        except GatewayError as error:
            raise ValueError(str(error)) from error

    def _instance(self, what: str | PathLike[str] | Dataset) -> tuple[AcceptedContext, Instance]:
        """Return the context to send something on, and the instance in its transfer syntax."""
        assert self._wire is not None
        accepted = self._wire.accepted_contexts.values()
        if isinstance(what, Dataset):
            return fitted(what, accepted)
        found = identify_file(Path(what))
        if config_flags.STORE_SEND_CHUNKED_DATASET:
            own = (found.transfer_syntax_uid,)
            return select_context(accepted, found.sop_class_uid, own), found
        return fit(found, accepted)


async def _abandon(operation: Operation) -> None:
    operation.abandon()
