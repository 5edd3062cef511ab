"""What an association engine leaves to its role, and what it wants of a request of the peer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gateway.association.errors import AssociationError
    from gateway.dimse.assembler import MessageBegun
    from gateway.events import NotificationEvent
    from gateway.ul.negotiation import AcceptedContext
    from gateway.ul.pdu import AAssociateRQ


class PeerRequest(Protocol):
    """A request of the peer, from its command set to its final response.

    The engine's inbox hands over the data set while it arrives, and calls `perform` once all of it
    is there and the window has room. The request sends its responses through the engine's outbox
    and ends with `inbox.finished(self)`. If the association ends first, it is told by `discard` or
    `stop` instead.
    """

    @property
    def message_id(self) -> int | None:
        """None: it waits for no other request, and needs no `finished`."""

    def fragment(self, data: memoryview) -> None:
        """Take a piece of the data set; the view is valid until `read_done` has returned."""

    def read_done(self) -> None:
        """The views handed over so far are about to become invalid."""

    def perform(self) -> None:
        """All was received and its turn has come: begin to answer."""

    def cancel(self) -> None:
        """The peer wants no further responses (C-CANCEL, or A-RELEASE-RQ)."""

    def discard(self) -> None:
        """The rest of the data set will never come."""

    def stop(self) -> None:
        """The association has ended: no response can be sent to this request, which came whole."""


class Port(Protocol):
    """The role's side of an engine; all calls come on the loop, in the turn of what they tell."""

    def connected(self) -> None:
        """The transport connection is open; nothing was read yet."""

    def requested(self, request: AAssociateRQ) -> None:
        """An A-ASSOCIATE-RQ came; `engine.accept` or `engine.reject` is to follow, now or later."""

    def established(self) -> None:
        """An A-ASSOCIATE-AC was sent or received; watchers are told after this call."""

    def receive(self, context: AcceptedContext, begun: MessageBegun) -> PeerRequest:
        """Decide what becomes of a request, of which the command set is there and was checked.

        Raising DimseError has its data set thrown away and a failure sent.
        """

    def settled(self) -> None:
        """No request of the peer is in hand any more, on an association that is established."""

    def association_ended(self, error: AssociationError) -> None:
        """The association has ended, for that reason; called once, unless it never began."""

    def closed(self) -> None:
        """The transport connection is closed; the last call."""

    def publish(self, event: NotificationEvent, body: dict[str, Any]) -> None:
        """Tell the watchers of `event`; called for watched events only."""
