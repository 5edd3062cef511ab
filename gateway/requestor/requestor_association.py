"""The DIMSE services for a service user (PS3.7 9.1, 10.1), and `associate`.

Data sets are bytes here, or an `Encoder` that is given the transfer syntax of the context they are
sent on; `gateway.datasets.coding` has the one of pydicom's data sets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.association.errors import NotAccepted
from gateway.association.timers import Timeouts
from gateway.datasets import NoContext, select_context
from gateway.dimse import message as dimse
from gateway.requestor.connection import RequestorConnection
from gateway.requestor.incoming import refuse
from gateway.requestor.proposal import Address, Proposal
from gateway.uid import VERIFICATION, name_of
from gateway.ul.items import ContextResult

if TYPE_CHECKING:
    from gateway.association.operation import Answered, Operation, ReceivedResponse
    from gateway.association.outbox import DataSource, Groups
    from gateway.datasets.instances import Instance
    from gateway.requestor.connection import Tracer
    from gateway.requestor.incoming import Handler
    from gateway.ul.negotiation import AcceptedContext
    from gateway.ul.pdu import AAssociateRQ


Encoder = Callable[[str], bytes]
"""A function that returns a data set's bytes in the transfer syntax with this UID."""

Identifier = bytes | Encoder

_WHY_NOT = {int(result): result.name.replace("_", " ").lower() for result in ContextResult} | {
    int(ContextResult.ACCEPTANCE): "it answered with a transfer syntax that was not proposed"
}


class RequestorAssociation(RequestorConnection):
    """An association in the requestor role; `associate` makes one.

    Each service returns the final response or, where there may be many, the operation to iterate
    over. All raise AssociationError: NotAccepted leaves the association as it was, any other means
    that it is over. A response that reports a failure is not an error here.
    """

    def __init__(self, request: AAssociateRQ, timeouts: Timeouts, handler: Handler) -> None:
        super().__init__(request, timeouts, handler)
        self._chosen: dict[tuple[str, str], AcceptedContext] = {}
        """The contexts of instances that were sent, by SOP class and transfer syntax."""

    def context_for(
        self, abstract_syntax: str, transfer_syntax: str | None = None, *, as_scp: bool = False
    ) -> AcceptedContext:
        """Return the accepted context for messages of a SOP class, as `select_context` does.

        Raises NotAccepted, whose text says what the peer answered.
        """
        contexts = self.accepted_contexts.values()
        syntaxes = (transfer_syntax,) if transfer_syntax else ()
        try:
            return select_context(
                contexts, abstract_syntax, syntaxes, role="scp" if as_scp else "scu"
            )
        except NoContext:
            raise NotAccepted(self._why_not(abstract_syntax, transfer_syntax)) from None

    def _why_not(self, abstract_syntax: str, transfer_syntax: str | None) -> str:
        name = name_of(abstract_syntax).removesuffix(" SOP Class")
        syntax = f" in {name_of(transfer_syntax)}" if transfer_syntax else ""
        proposed = {
            context.id
            for context in self.request.presentation_contexts
            if context.abstract_syntax == abstract_syntax
            and transfer_syntax in (None, *context.transfer_syntaxes)
        }
        if not proposed:
            return f"{name}{syntax} was not proposed"
        answers = self.acceptance.presentation_contexts if self.acceptance else ()
        results = {answer.result for answer in answers if answer.id in proposed}
        words = ", ".join(sorted(_WHY_NOT.get(code, f"result {code}") for code in results))
        return f"the peer does not accept {name}{syntax} ({words or 'no answer'})"

    async def invoke(
        self, context: AcceptedContext, request: dimse.Request, data_set: DataSource | None = None
    ) -> Operation:
        """Send any request; return the operation, which has its responses.

        Waits while as many operations are in flight as the peer accepted.
        """
        return await self.engine.in_flight.invoke(context, request, data_set)

    async def invoke_encoded(
        self, context: AcceptedContext, request: dimse.Request, groups: Groups
    ) -> Operation:
        """Send a request whose P-DATA-TF PDUs are encoded already, for this peer's limit.

        They come in groups, each of which is one write.
        """
        return await self.engine.in_flight.invoke_encoded(context, request, groups)

    async def send_message(
        self, context: AcceptedContext, message: dimse.Message, data_set: DataSource | None = None
    ) -> None:
        """Send a message for which no response is awaited here, such as a C-CANCEL-RQ."""
        await self.engine.outbox.send_message(context.id, message, data_set)

    def next_message_id(self) -> int:
        """Return a message ID for a request that the caller builds."""
        return self.engine.in_flight.next_message_id()

    # DIMSE-C

    async def c_echo(self) -> ReceivedResponse:
        """C-ECHO (PS3.7 9.1.5)."""
        context = self.context_for(VERIFICATION)
        return await (await self.invoke(context, dimse.CEchoRQ(self.next_message_id()))).final()

    async def c_store(
        self, instance: Instance, *, priority: int = 0, originator: tuple[str, int] | None = None
    ) -> ReceivedResponse:
        """C-STORE (PS3.7 9.1.1) in the instance's own transfer syntax.

        `originator`: AE title and message ID of the C-MOVE that this is a sub-operation of.
        """
        context = self.context_for(instance.sop_class_uid, instance.transfer_syntax_uid)
        request = dimse.CStoreRQ(
            self.next_message_id(),
            instance.sop_class_uid,
            instance.sop_instance_uid,
            priority,
            *(originator or (None, None)),
        )
        operation = await self.invoke(context, request, instance.data_set())
        return await operation.final()

    def c_store_now(
        self,
        instance: Instance,
        answered: Answered,
        *,
        originator: tuple[str, int] | None = None,
        data: bytes | bytearray | None = None,
    ) -> bool:
        """Send an instance that is in memory in this turn of the loop, if there is room for it.

        `data`: its data set, if that is not in the instance. Returns whether it was sent; for
        `answered`, see `OperationsInFlight.invoke_now`. Raises NotAccepted, and LocalProtocolError
        for UIDs that cannot be sent.
        """
        data = instance.data if data is None else data
        if data is None or self.ended is not None:
            return False
        kind = instance.sop_class_uid, instance.transfer_syntax_uid
        context = self._chosen.get(kind)
        if context is None:
            context = self._chosen[kind] = self.context_for(*kind)
        uids = instance.sop_class_uid, instance.sop_instance_uid
        request = dimse.CStoreRQ(self.next_message_id(), *uids, 0, *(originator or (None, None)))
        return self.engine.in_flight.invoke_now(context, request, data, answered)

    async def c_find(
        self, sop_class_uid: str, identifier: Identifier, *, priority: int = 0
    ) -> Operation:
        """C-FIND (PS3.7 9.1.2): each pending response has a match as its data set."""
        context = self.context_for(sop_class_uid)
        request = dimse.CFindRQ(self.next_message_id(), sop_class_uid, priority)
        return await self.invoke(context, request, encoded(identifier, context))

    async def c_get(
        self, sop_class_uid: str, identifier: Identifier, *, priority: int = 0
    ) -> Operation:
        """C-GET (PS3.7 9.1.3): the instances come to the handler of the association."""
        context = self.context_for(sop_class_uid)
        request = dimse.CGetRQ(self.next_message_id(), sop_class_uid, priority)
        return await self.invoke(context, request, encoded(identifier, context))

    async def c_move(
        self, sop_class_uid: str, identifier: Identifier, destination: str, *, priority: int = 0
    ) -> Operation:
        """C-MOVE (PS3.7 9.1.4): the peer sends the instances to the AE title `destination`."""
        context = self.context_for(sop_class_uid)
        request = dimse.CMoveRQ(self.next_message_id(), sop_class_uid, destination, priority)
        return await self.invoke(context, request, encoded(identifier, context))

    # DIMSE-N

    async def n_event_report(
        self,
        sop_class_uid: str,
        sop_instance_uid: str,
        event_type_id: int,
        information: Identifier | None = None,
    ) -> ReceivedResponse:
        """N-EVENT-REPORT (PS3.7 10.1.1), in the SCP role."""
        context = self.context_for(sop_class_uid, as_scp=True)
        message_id = self.next_message_id()
        request = dimse.NEventReportRQ(message_id, sop_class_uid, sop_instance_uid, event_type_id)
        return await self._normalized(context, request, information)

    async def n_get(
        self, sop_class_uid: str, sop_instance_uid: str, attributes: tuple[int, ...] = ()
    ) -> ReceivedResponse:
        """N-GET (PS3.7 10.1.2) of the attributes with these tags; of all, if there are none."""
        context = self.context_for(sop_class_uid)
        message_id = self.next_message_id()
        request = dimse.NGetRQ(message_id, sop_class_uid, sop_instance_uid, attributes or None)
        return await self._normalized(context, request)

    async def n_set(
        self, sop_class_uid: str, sop_instance_uid: str, modifications: Identifier
    ) -> ReceivedResponse:
        """N-SET (PS3.7 10.1.3)."""
        context = self.context_for(sop_class_uid)
        request = dimse.NSetRQ(self.next_message_id(), sop_class_uid, sop_instance_uid)
        return await self._normalized(context, request, modifications)

    async def n_action(
        self,
        sop_class_uid: str,
        sop_instance_uid: str,
        action_type_id: int,
        information: Identifier | None = None,
    ) -> ReceivedResponse:
        """N-ACTION (PS3.7 10.1.4)."""
        context = self.context_for(sop_class_uid)
        message_id = self.next_message_id()
        request = dimse.NActionRQ(message_id, sop_class_uid, sop_instance_uid, action_type_id)
        return await self._normalized(context, request, information)

    async def n_create(
        self,
        sop_class_uid: str,
        sop_instance_uid: str | None = None,
        attributes: Identifier | None = None,
    ) -> ReceivedResponse:
        """N-CREATE (PS3.7 10.1.5); without an instance UID the peer makes one up."""
        context = self.context_for(sop_class_uid)
        request = dimse.NCreateRQ(self.next_message_id(), sop_class_uid, sop_instance_uid)
        return await self._normalized(context, request, attributes)

    async def n_delete(self, sop_class_uid: str, sop_instance_uid: str) -> ReceivedResponse:
        """N-DELETE (PS3.7 10.1.6)."""
        context = self.context_for(sop_class_uid)
        request = dimse.NDeleteRQ(self.next_message_id(), sop_class_uid, sop_instance_uid)
        return await self._normalized(context, request)

    async def _normalized(
        self, context: AcceptedContext, request: dimse.Request, data: Identifier | None = None
    ) -> ReceivedResponse:
        data_set = None if data is None else encoded(data, context)
        return await (await self.invoke(context, request, data_set)).final()


def encoded(identifier: Identifier, context: AcceptedContext) -> bytes:
    """Return the bytes of an identifier on that context."""
    if isinstance(identifier, bytes):
        return identifier
    return identifier(context.transfer_syntax)


async def associate(
    address: Address,
    proposal: Proposal | AAssociateRQ,
    *,
    timeouts: Timeouts | None = None,
    handler: Handler = refuse,
    tracer: Tracer | None = None,
) -> RequestorAssociation:
    """Connect and negotiate; raises Unreachable, Rejected, Aborted or TimedOut.

    `handler` decides on what the peer asks for on this association (C-STORE sub-operations of
    C-GET, N-EVENT-REPORT); `tracer` is given every state transition and PDU.
    """
    request = proposal.request() if isinstance(proposal, Proposal) else proposal
    association = RequestorAssociation(request, timeouts or Timeouts(), handler)
    await association.connect(address, tracer)
    return association
