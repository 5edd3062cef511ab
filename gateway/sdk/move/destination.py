"""An association to a destination of C-MOVE, and the C-STORE requests in flight on it."""

from __future__ import annotations

import logging
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pydicom.dataset import Dataset

from gateway.association.errors import AssociationError
from gateway.datasets import NoContext, select_context
from gateway.datasets.conversion import fit, instance_in, syntax_of
from gateway.datasets.instances import in_memory
from gateway.errors import GatewayError
from gateway.requestor.plan import contexts_of
from gateway.requestor.proposal import Address, Proposal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from concurrent.futures import Future

    from gateway.association.operation import ReceivedResponse
    from gateway.datasets import Instance
    from gateway.requestor.plan import Pair
    from gateway.requestor.proposal import Contexts
    from gateway.requestor.sync import BlockingAssociation
    from gateway.sdk.move.store_queue import Originator, StoreQueue
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.sdk")

IN_MEMORY = 1024 * 1024
"""The longest data set that is read at once; a longer one is read while it is sent."""
RECONNECTS = 3
"""Attempts to replace an association that the destination ended."""


class NoRoute(GatewayError):  # noqa: N818 - a state, not only an error
    """No association with the destination could be established."""


class StartedStore(NamedTuple):
    """A C-STORE request that was sent."""

    sop_instance_uid: str
    answered: Future[ReceivedResponse]
    """A future that any thread may wait for; raises the error that the association ended with."""


class Fitting(Protocol):
    """How instances are made to fit what a destination accepts, as `gateway.transcoding` does."""

    def offered(self, transfer_syntax: str) -> tuple[str, ...]:
        """Return the transfer syntaxes to propose beside that of an instance."""
        ...

    def fit(
        self, instance: Instance, contexts: Collection[AcceptedContext], /
    ) -> tuple[AcceptedContext, Instance]:
        """Return the context to send an instance on, and what to send on it; raises NoContext."""
        ...


class DestinationAssociation:
    """At most one association at a time to a destination, established when it is needed.

    It proposes contexts for what the handler said that it will send, and has sent so far: each
    transfer syntax in a context of its own (`gateway.requestor.plan`), so that what the destination
    takes is sent byte for byte. An instance that needs another context gets a new association, with
    contexts for everything. It replaces the old one, because some destinations serve one
    association at a time.

    As many C-STORE requests may be in flight as the destination agreed to (PS3.7 D.3.3.3).
    """

    def __init__(
        self,
        associate: Callable[[Address, Proposal], BlockingAssociation],
        address: Address,
        proposal: dict[str, Any],
        own: Contexts | None,
        wanted: dict[Pair, None],
    ) -> None:
        self._associate = associate
        self._address = address
        self._proposal = proposal
        self._own = own
        """The only contexts to propose, if the handler gave them."""
        self._wanted = wanted
        """The SOP classes and syntaxes to be sent, shared by a route's associations."""
        self._proposed: set[Pair] = set()
        self._association: BlockingAssociation | None = None
        self._sent: set[Future[Any]] = set()
        """C-STOREs without a response, and lanes of a queue."""
        self._chances = RECONNECTS + 1
        self.fitting: Fitting | None = None
        """Of files; None: they are converted between uncompressed transfer syntaxes only."""
        self.was_reached = False
        """Whether an association was established at some time."""

    @property
    def in_flight(self) -> int:
        """The number of C-STORE requests without a response; a lane has one, too."""
        self._sent = {one for one in self._sent if not one.done()}
        return len(self._sent)

    @property
    def is_full(self) -> bool:
        """Whether one more would have to wait."""
        return self.in_flight >= self._agreed

    @property
    def _agreed(self) -> int:
        """How many C-STOREs may be in flight."""
        association = self._association
        most: int = self._proposal["async_ops"][0] if self._proposal.get("async_ops") else 1
        return min(association.window or most, most) if association is not None else 1

    @property
    def is_open(self) -> bool:
        """Whether an association is established."""
        return self._association is not None and self._association.ended is None

    def drain(self, queue: StoreQueue, pair: Pair, originator: Originator) -> None:
        """Start lanes, at most as many as C-STOREs may be in flight, for instances of this kind.

        Raises NoRoute if there is no association.
        """
        association = self._association_for(pair)
        for _ in range(min(self._agreed - self.in_flight, queue.unattended)):
            queue.begin_lane()
            lane = association.begin(lambda over: queue.send_over(over, originator))
            self._sent.add(lane)
            lane.add_done_callback(lambda _: queue.end_lane())

    def begin(self, instance: Any, originator: tuple[str, int] | None) -> StartedStore:
        """Send a data set, file or claim by C-STORE, without waiting for the response.

        Raises NoRoute if there is no association, and GatewayError or OSError for what cannot be
        sent.
        """
        if not isinstance(instance, Dataset):
            instance = in_memory(instance_in(instance), IN_MEMORY)
        association = self._association_for(pair_of(instance))
        contexts = association.accepted_contexts.values()
        if self.fitting is None or isinstance(instance, Dataset):
            _, fitted = fit(instance, contexts)
        else:
            _, fitted = self.fitting.fit(instance, contexts)
        answered = association.begin_c_store(fitted, originator=originator)
        self._sent.add(answered)
        return StartedStore(fitted.sop_instance_uid, answered)

    def release(self) -> None:
        """Release the association, if there is one, after the last response."""
        association, self._association = self._association, None
        if association is None:
            return
        wait(self._sent)
        if association.ended is not None:
            return
        try:
            association.release()
        except AssociationError as error:
            log.warning("destination=%s the release failed: %s", self._address, error)

    def abort(self) -> None:
        """Abort the association, if there is one."""
        association, self._association = self._association, None
        if association is not None and association.ended is None:
            try:
                association.abort()
            except AssociationError as error:
                log.warning("destination=%s the abort failed: %s", self._address, error)

    def _association_for(self, pair: Pair) -> BlockingAssociation:
        association = self._association
        self._wanted.setdefault(pair)
        if association is not None and association.ended is None:
            if self._own is not None or pair in self._proposed or _is_accepted(association, pair):
                return association
            self.release()
            self._chances += 1
        if not self._chances:
            raise NoRoute(f"the destination {self._address} is not tried again")
        self._chances -= 1
        contexts = self._own or contexts_of(self._with_offered((pair, *self._wanted)))
        self._proposed = {(uid, syntaxes[0]) for uid, syntaxes in contexts if len(syntaxes) == 1}
        proposal = Proposal(contexts, **self._proposal)
        try:
            self._association = association = self._associate(self._address, proposal)
        except (GatewayError, OSError) as error:
            self._chances = 0
            raise NoRoute(f"no association with {self._address}: {error}") from error
        self.was_reached = True
        return association

    def _with_offered(self, pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
        """Return pairs of SOP class and transfer syntax, and those that they may become."""
        if self.fitting is None:
            return pairs
        offered = self.fitting.offered
        more = tuple((uid, other) for uid, syntax in pairs for other in offered(syntax))
        return tuple(dict.fromkeys(pairs + more))


def pair_of(instance: Any) -> Pair:
    if isinstance(instance, Dataset):
        return str(instance.SOPClassUID), syntax_of(instance)
    return instance.sop_class_uid, instance.transfer_syntax_uid


def _is_accepted(association: BlockingAssociation, pair: Pair) -> bool:
    """Return whether an instance can be sent as it is, although that was not proposed as such."""
    sop_class, syntax = pair
    try:
        select_context(association.accepted_contexts.values(), sop_class, (syntax,))
    except NoContext:
        return False
    return True
