"""The interfaces that a role implements for the engine: `Port` and `PeerRequest`."""

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
    and ends with `inbox.finished(self, command, status)`. If the association ends first, it is told
    by `discard` or `stop` instead.
    """

    @property
    def message_id(self) -> int | None:
        """None: it does not count in the window, and needs no `finished`."""

    arrived: float
    """The loop's time at which its last fragment arrived; the inbox sets it before `perform`."""

    def fragment(self, data: memoryview) -> None:
        """Take a piece of the data set; the view is valid until `read_done` has returned."""

    def read_done(self) -> None:
        """Take note that the views handed over so far are about to become invalid."""

    def perform(self) -> None:
        """Begin to answer: the request is complete, and its turn has come."""

    def cancel(self) -> None:
        """Take note that the peer wants no further responses (C-CANCEL, or A-RELEASE-RQ)."""

    def discard(self) -> None:
        """Discard the request: the rest of the data set will never come."""

    def stop(self) -> None:
        """Stop a request that was complete: the association has ended before its response."""


class Port(Protocol):
    """The role's side of an engine; calls come on the loop, in the same turn as their cause."""

    def connected(self) -> None:
        """Take note that the transport connection is open; nothing was read yet."""

    def requesting(self, size: int) -> None:
        """Take note that `size` bytes of an A-ASSOCIATE-RQ are in memory, and the rest is not."""

    def requested(self, request: AAssociateRQ) -> None:
        """Handle an A-ASSOCIATE-RQ: call `engine.accept` or `engine.reject`, now or later."""

    def established(self) -> None:
        """Handle an A-ASSOCIATE-AC, sent or received; watchers are told after this call."""

    def receive(self, context: AcceptedContext, begun: MessageBegun) -> PeerRequest:
        """Return the object that handles a request, whose command set was received and checked.

        If this raises DimseError, its data set is discarded and a failure is sent.
        """

    def association_ended(self, error: AssociationError) -> None:
        """Take note of the end of the association and its reason; called once if it had begun."""

    def closed(self) -> None:
        """Take note that the transport connection is closed; the last call."""

    def publish(self, event: NotificationEvent, body: dict[str, Any]) -> None:
        """Publish a notification; called for watched events only."""
