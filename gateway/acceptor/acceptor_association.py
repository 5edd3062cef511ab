"""One association in the acceptor role: the calls of its engine, and the answers to them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol

from gateway.acceptor import admission
from gateway.acceptor.admission import Explained
from gateway.acceptor.budget import UnfinishedAsk
from gateway.acceptor.plain_store import PlainStores
from gateway.acceptor.requests import decide
from gateway.acceptor.shares import Holder
from gateway.acceptor.tracing import TOPICS
from gateway.association.description import describe
from gateway.association.engine import AssociationEngine
from gateway.association.errors import Aborted, Rejected, Released
from gateway.association.phase import Phase
from gateway.fabric.wire.frames import pack
from gateway.ul.negotiation import Answers, negotiate
from gateway.ul.pdu import AAssociateAC, AAssociateRJ
from gateway.ul.upper_layer import Side

if TYPE_CHECKING:
    from gateway.acceptor.shared import Shared
    from gateway.acceptor.tracing import TraceRecorder
    from gateway.association.errors import AssociationError
    from gateway.association.port import PeerRequest
    from gateway.dimse.assembler import MessageBegun
    from gateway.events import NotificationEvent
    from gateway.policy_rules import Verdict
    from gateway.ul.negotiation import AcceptedContext, Policy
    from gateway.ul.pdu import AAssociateRQ

log = logging.getLogger("gateway.acceptor")


class Observer(Protocol):
    """The object that counts the associations of the process."""

    def connected(self, association: AcceptorAssociation) -> None: ...

    def requested(self, association: AcceptorAssociation) -> None: ...

    def ended(self, association: AcceptorAssociation, error: AssociationError) -> None: ...

    def closed(self, association: AcceptorAssociation) -> None: ...


class AcceptorAssociation:
    """The port of an engine whose requests are answered by workers."""

    def __init__(self, shared: Shared, observer: Observer) -> None:
        self.shared = shared
        self.engine = AssociationEngine(
            Side.ACCEPTOR,
            self,
            shared.timeouts,
            max_pdu=shared.settings.association.max_pdu,
            topics=shared.topics,
        )
        self.id = self.engine.id
        self.transport = self.engine.transport
        self.holder = Holder("")
        """The peer: its address is known once it is connected, its AE title later."""
        self.plain: PlainStores | None = None
        """Takes C-STOREs that come whole and plain, once the association is established."""
        self.is_used = False
        """A worker has given a command for this association, and may refer to it after its end."""
        self._verdict: Verdict | None = None
        """What the configured policy says of the peer."""
        self._unfinished: UnfinishedAsk | None = None
        self._recorders: tuple[TraceRecorder, ...] = ()
        self._observer = observer
        self._description = b""
        self._described_state = ""
        self._negotiating: asyncio.Task[None] | None = None

    # what requests need

    @property
    def calling_ae_title(self) -> str:
        request = self.engine.upper.request
        return request.calling_ae_title if request is not None else ""

    @property
    def called_ae_title(self) -> str:
        request = self.engine.upper.request
        return request.called_ae_title if request is not None else ""

    def description(self) -> bytes:
        """Return the association's description for workers, encoded once for each of its states."""
        if self._described_state != self.engine.state:
            settings = self.shared.settings
            self._described_state = self.engine.state
            self._description = pack(
                describe(self.engine, acceptor=settings.name, ae_title=settings.ae_title)
            )
        return self._description

    def abort(self, why: str) -> None:
        """Send an A-ABORT, unless the association has not begun or is over."""
        if self.engine.phase is not Phase.PENDING:
            self.engine.abort(Aborted(why))

    @property
    def policy(self) -> Policy:
        """The rules of negotiation with this peer, once its request has arrived."""
        return self.shared.policy_for(self._verdict.rule if self._verdict else None)

    def is_idle_since(self, moment: float) -> bool:
        """Return whether the association is open, nothing is in hand, and nothing came since."""
        engine = self.engine
        return (
            engine.phase is Phase.ESTABLISHED
            and engine.inbox.is_idle
            and not len(engine.in_flight)
            and max(engine.transport.last_received, engine.inbox.progress) <= moment
        )

    # the engine's calls

    def connected(self) -> None:
        self.holder = Holder(self.shared.origins.of(self.transport.remote[0]))
        self._observer.connected(self)

    def requesting(self, size: int) -> None:
        if self._unfinished is None:
            self._unfinished = UnfinishedAsk(self.shared.budget, self.holder, self.transport.abort)
        self._unfinished.grown(size)

    def requested(self, request: AAssociateRQ) -> None:
        self._ask_is_over()
        self.holder = self.holder._replace(ae_title=request.calling_ae_title)
        self._observer.requested(self)
        verdict = self._verdict = admission.verdict_on(self.shared, self.engine, request)
        if (refusal := admission.turn_away(self.shared, request, verdict)) is not None:
            self.engine.reject(*refusal)
        elif not self.shared.knows_workers or admission.questions(self.shared, request):
            loop = asyncio.get_running_loop()
            self._negotiating = loop.create_task(self._negotiate(request, verdict), name=self.id)
        else:
            self._conclude(negotiate(request, self.policy, Answers()))

    async def _negotiate(self, request: AAssociateRQ, verdict: Verdict) -> None:
        try:
            if not self.shared.knows_workers:
                await self.shared.fabric.workers_known()
            answers = await admission.ask(self, admission.questions(self.shared, request))
            # The state may have changed while the workers' answers were awaited.
            refusal = admission.turn_away(self.shared, request, verdict)
            if isinstance(answers, Explained):
                self._conclude(answers.rejection, answers.why)
            elif refusal is not None:
                self._conclude(refusal.rejection, refusal.why)
            else:
                self._conclude(negotiate(request, self.policy, answers), admission.NOT_VERIFIED)
        except Exception:  # a bug: it must not take other associations with it
            log.exception("association=%s negotiation failed", self.engine.name)
            self.abort("negotiation failed")

    def _conclude(self, outcome: AAssociateAC | AAssociateRJ, why: str = "") -> None:
        if self.engine.phase is not Phase.NEGOTIATING:
            return
        if isinstance(outcome, AAssociateRJ):
            self.engine.reject(outcome, why)
        elif not self.shared.places.find_room(self.holder):
            self.engine.reject(*admission.no_room(self.shared, self.holder))
        else:
            self.shared.places.take(self)  # before the answer, which the peer may act on at once
            self.engine.accept(outcome)

    def _ask_is_over(self) -> None:
        if self._unfinished is not None:
            self._unfinished.over()
            self._unfinished = None

    def established(self) -> None:
        self.plain = PlainStores(self)
        self.engine.upper.take_whole = self.plain.take
        self.engine.inbox.takes_reports = bool(self.shared.settings.contexts)
        acceptance = self.engine.upper.acceptance
        window = acceptance.user_information.async_ops if acceptance is not None else None
        if window is not None:
            limit = self.shared.settings.association.max_operations_performed
            self.engine.inbox.window = min(window.invoked or limit, limit)

    def receive(self, context: AcceptedContext, begun: MessageBegun) -> PeerRequest:
        return decide(self, context, begun)

    def association_ended(self, error: AssociationError) -> None:
        is_balancer = not self.holder.address
        if is_balancer and self.shared.health_checks.is_routine(self.engine):
            self.engine.counts.log_level = logging.DEBUG
        elif isinstance(error, Rejected):
            rejection = error.rejection
            log.warning(
                "association=%s A-ASSOCIATE-RJ (%d,%d,%d): %s",
                *(self.engine.name, rejection.result, rejection.source, rejection.reason),
                error.why,
            )
        elif not isinstance(error, Released):
            log.warning("association=%s %s", self.engine.name, error)
        self.shared.places.leave(self)
        if self._negotiating is not None and self._negotiating is not asyncio.current_task():
            self._negotiating.cancel()
        self._observer.ended(self, error)

    def closed(self) -> None:
        self._ask_is_over()
        self._observer.closed(self)
        if not (self.is_used or self.engine.inbox.begun):
            self.plain = self.engine.upper.take_whole = None
            self.engine.dissolve()

    def publish(self, event: NotificationEvent, body: dict[str, Any]) -> None:
        for recorder in self._recorders:
            recorder.take(event, body)
        if event.name in self.shared.topics:
            self.shared.fabric.publish(event.name, body, self.description())

    # what is watched

    def watch(self) -> None:
        """Tell what somebody watches of all associations, or of this one, from now on."""
        traced = TOPICS if self._recorders else ()
        self.engine.watch({*self.shared.topics, *traced})

    def trace(self, recorder: TraceRecorder) -> None:
        """Give a recorder what passes over this association, until `untrace`."""
        self._recorders += (recorder,)
        self.watch()

    def untrace(self, recorder: TraceRecorder) -> None:
        """Give it nothing any more."""
        self._recorders = tuple(one for one in self._recorders if one is not recorder)
        if self.engine.ended is None:
            self.watch()
