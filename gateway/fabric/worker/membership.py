"""A worker's leases with the acceptors of a run directory.

Everything here belongs to the client's thread unless stated otherwise. Registration goes through
the acceptors in their fixed order, one after the other until every reachable one granted; later
each acceptor that appears or comes back is asked at once.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import zmq

from gateway.errors import AlreadyRegistered, FabricError
from gateway.fabric.wire import envelopes
from gateway.fabric.wire.terms import MISSED, CancelReason, LeaseState, Registration
from gateway.fabric.worker.claim_fetcher import ClaimFetcher
from gateway.fabric.worker.client_identity import ClientIdentity
from gateway.fabric.worker.in_hand import ReceivedInterventions
from gateway.fabric.worker.link import Link, Stage
from gateway.fabric.worker.pending_commands import PendingCommands
from gateway.fabric.worker.reach import Reach
from gateway.fabric.worker.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.fabric.wire.gateway_places import FabricGateway, ReachableAcceptor
    from gateway.fabric.wire.sockets import Frames
    from gateway.fabric.wire.terms import ReceivedIntervention
    from gateway.fabric.worker.callbacks import Callbacks
    from gateway.fabric.worker.poll_loop import PollLoop
    from gateway.settings import FabricSettings

logger = logging.getLogger("gateway.fabric")

LAST_WORD = "last"
"""Not a lease: the acceptor replies UNKNOWN, and by then has read all that came before."""


@dataclass(slots=True)
class BindingChange:
    """A live change of the bindings, on its way through the acceptors."""

    before: Registration
    error: FabricError | None = None
    done: threading.Event = field(default_factory=threading.Event)


class Membership:
    """Leases, heartbeats and the requests in hand."""

    def __init__(
        self,
        gateway: FabricGateway,
        registration: Registration,
        settings: FabricSettings,
        callbacks: Callbacks,
        loop: PollLoop,
    ) -> None:
        self._reach = Reach(gateway)
        self._settings = settings
        self._callbacks = callbacks
        self._loop = loop
        self._identity = ClientIdentity()
        self._born = 0.0
        self._heartbeat = settings.heartbeat
        self._living = False
        """Whether there was an acceptor that lives, silent or not, at the last look."""
        self._change: BindingChange | None = None
        self._superseded_at: float | None = None
        self._active = False
        self._told: LeaseState | None = None
        self.left = False
        self.registration = registration
        self._revision = 1
        self.links: dict[str, Link] = {}
        """The links by name, in their fixed order; other threads read this."""
        self.received = ReceivedInterventions(self._requested, self._cancelled)
        self.fetcher: ClaimFetcher | None = None
        """Fetches data sets from files of another host; None: they are files of this one."""
        self.commands = PendingCommands()
        self._unread: set[Link] = set()
        self.error: FabricError | None = None
        self.settled = threading.Event()
        """Set when the first registration has succeeded or failed (`error`)."""
        self.watching = Subscriptions(callbacks.notify)
        self.watching.on_confirmed = self._advance
        self._take: dict[type[envelopes.Envelope], Callable[[Link, Any, Any], None]] = {
            envelopes.Heartbeat: lambda *_: None,
            envelopes.Grant: self._on_grant,
            envelopes.Refuse: self._on_refuse,
            envelopes.Supersede: self._on_supersede,
            envelopes.Unknown: self._on_unknown,
            envelopes.End: self._on_end,
            envelopes.Acceptors: self._on_acceptors,
            **self.received.take,
            **self.commands.take,
            **self.watching.take,
        }

    def fetch_into(self, directory: Path, shared: str) -> None:
        """Fetch the files that claims name, because they are on another host."""
        call, answer = self._loop.call, self.received.answer
        fetcher = ClaimFetcher(directory, shared, call, self._callbacks.requests, answer)
        fetcher.open()
        self.fetcher, self.received.returned = fetcher, fetcher.returned
        self._take |= fetcher.take

    def open(self) -> None:
        """Make the ZeroMQ context; call this first, in the client's thread."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        self._born = time.monotonic()

    # -- time

    def beat(self, now: float) -> float:
        """Look for acceptors, send heartbeats; return when the next ones are due."""
        self._scan(now)
        for link in list(self.links.values()):
            if now - link.heard >= MISSED * self._heartbeat:
                self._reach.silenced(link)
                self._drop(link)
            else:
                self._sign_of_life(link)
        self.watching.tick(self.links.values(), now)
        self._advance()
        self._judge(now)
        return now + self._heartbeat

    def nobody(self, why: str) -> FabricError:
        """Return the error of a first registration that nobody granted; call this at the end."""
        return self._reach.nobody(why)

    def abort(self) -> None:
        """Report that the client's thread failed."""
        self.error = self.error or FabricError("the fabric's client failed; its log says why")
        self.settled.set()
        self._tell(LeaseState.LOST, str(self.error))

    def finish(self) -> None:
        """Let each acceptor confirm that it has read everything; ignore all other messages."""
        self._take = {envelopes.Unknown: self._on_unknown}
        self._unread = set(self.links.values())
        for link in self._unread:
            link.post(envelopes.Heartbeat(LAST_WORD))

    def is_read(self) -> bool:
        """Return whether every living acceptor has read everything."""
        self._unread = {link for link in self._unread if link.address.lives}
        return not self._unread

    def close(self) -> None:
        for link in list(self.links.values()):
            self._drop(link)
        self._context.term()
        if self.fetcher is not None:
            self.fetcher.close()

    # -- calls of the client's user

    def leave(self) -> None:
        """Say BYE to every acceptor; requests in hand may still be answered."""
        self.left = True
        for link in [link for link in self.links.values() if link.lease]:
            link.post(envelopes.Bye(link.lease))

    def change(self, registration: Registration, change: BindingChange) -> None:
        """Register again, with other bindings, on the leases that are held."""
        self._change = change
        self._renew(registration)

    def follow(self, topics: set[str]) -> None:
        self.watching.topics = topics
        for link in self.links.values():
            link.follow(topics, MISSED * self._heartbeat)
        self._settle()

    # -- acceptors that come and go

    def _scan(self, now: float) -> None:
        found = self._reach.gateway.find()
        names = {a.name for a in found}
        for link in [link for name, link in self.links.items() if name not in names]:
            self._drop(link)
        for one in found:
            if one.name not in self.links and one.lives:
                self._connect(one, now)
        self._living = self._reach.lives(self.links.values())
        if not self._active and (refusal := self._reach.refusal(self.links.values())) is not None:
            self._fail(refusal)

    def _connect(self, one: ReachableAcceptor, now: float) -> None:
        link = Link(self._context, one, self._settings.high_water_mark, self._loop.wake)
        link.connected_at = link.heard = now
        order = {**self.links, one.name: link}
        self.links = dict(sorted(order.items(), key=lambda item: item[1].address.index))
        self._loop.add(link.requests, lambda frames: self._on_message(link, frames))
        self._loop.add(link.events, lambda frames: self.watching.on_message(link, frames))
        history = 0 if self._active else self.watching.history
        link.follow(self.watching.topics, MISSED * self._heartbeat, history)
        if not self._reach.gateway.is_known:
            link.offer(envelopes.Heartbeat(""))

    def _drop(self, link: Link) -> None:
        self.links = {name: other for name, other in self.links.items() if other is not link}
        self._lose(link)
        self._loop.remove(link.requests)
        self._loop.remove(link.events)
        link.close()

    def _lose(self, link: Link) -> None:
        """Give up a lease, and its requests in hand."""
        link.lease, link.stage, link.watched = "", Stage.IDLE, None
        self.received.lose(link)
        if self.fetcher is not None:
            self.fetcher.lose(link)
        self.commands.lose(link)

    def _sign_of_life(self, link: Link) -> None:
        link.flush()
        link.offer(envelopes.Heartbeat(link.lease))
        if link.stage in (Stage.ASKED, Stage.REFUSED):
            link.stage = Stage.IDLE

    # -- registration

    def _advance(self) -> None:
        """Register with the acceptors that are next."""
        if self.left or not self._reach.gateway.is_known:
            return
        for link in self.links.values():
            settled = link.stage in (Stage.SUPERSEDED, Stage.ENDED)
            if settled or (link.stage is Stage.GRANTED and link.revision == self._revision):
                continue
            if link.stage in (Stage.IDLE, Stage.GRANTED) and self._may_ask(link):
                self._ask(link)
            if not self._active and link.name not in self._reach.silent:
                return
        self._settle()

    def _may_ask(self, link: Link) -> bool:
        """Return whether the acceptor knows of the subscriptions, or has had the time to.

        An acceptor takes connections once its workers have registered, so the subscriptions have to
        be in effect by then.
        """
        late = time.monotonic() - link.connected_at >= MISSED * self._heartbeat
        return bool(link.lease) or late or self.watching.confirmed([link])

    def _ask(self, link: Link) -> None:
        link.stage = Stage.ASKED
        elsewhere = any(other.lease for other in self.links.values() if other is not link)
        is_incumbent = self._active or elsewhere
        link.offer(self._identity.register(self.registration, self._revision, is_incumbent))

    def _settle(self) -> None:
        """Check whether every acceptor has granted the present registration."""
        links = self._reach.within(self.links.values())
        granted = [n.stage is Stage.GRANTED and n.revision == self._revision for n in links]
        if not links or not all(granted):
            return
        if self._change is not None:
            self._change.done.set()
            self._change = None
        if not self._active and not self.watching.confirmed(links):
            return
        self._active = True
        self._tell(LeaseState.GRANTED, "")
        self.settled.set()

    def _judge(self, now: float) -> None:
        """Report that no acceptor is left, or that a newer generation took over."""
        silence = MISSED * self._heartbeat
        if self._active and not self._living and not any(n.lease for n in self.links.values()):
            self._tell(LeaseState.LOST, f"no acceptor is left at {self._reach.gateway}")
        elif not self._active and not self._living and now - self._born >= silence:
            self._fail(self._reach.nobody())
        if self._superseded_at is None:
            return
        remaining = [n for n in self.links.values() if n.stage is not Stage.SUPERSEDED]
        if not remaining or now - self._superseded_at >= silence:
            self._tell(LeaseState.SUPERSEDED, "a newer generation took over")

    def _fail(self, error: FabricError) -> None:
        """End the first registration with an error, and return what was granted."""
        if not self.settled.is_set():
            self.error = error
            self.leave()
            self.settled.set()

    def _renew(self, registration: Registration) -> None:
        self.registration = registration
        self._revision += 1
        for link in self.links.values():
            if link.stage in (Stage.ASKED, Stage.REFUSED):
                link.stage = Stage.IDLE
        self._advance()

    # -- messages of acceptors

    def _on_message(self, link: Link, frames: Frames) -> None:
        link.heard = time.monotonic()
        self._reach.heard(link)
        try:
            envelope = envelopes.decode(frames[0])
            take = self._take.get(type(envelope))
            if take is not None:
                take(link, envelope, frames[1] if len(frames) > 1 else None)
        except envelopes.UnknownKind:
            return  # of an acceptor of the next version
        except FabricError as error:
            logger.warning("unusable message acceptor=%s error=%r", link.name, str(error))
            return
        link.flush()

    def _on_acceptors(self, _link: Link, told: envelopes.Acceptors, _data: object) -> None:
        self._reach.gateway.learn(told.numbers)
        self._scan(time.monotonic())
        self._advance()

    def _on_grant(self, link: Link, envelope: envelopes.Grant, _data: object) -> None:
        if self.left:
            link.post(envelopes.Bye(envelope.lease))
            return
        link.lease, link.revision = envelope.lease, envelope.revision
        link.stage = Stage.GRANTED if envelope.revision == self._revision else Stage.IDLE
        self._heartbeat = min(self._heartbeat, max(0.01, envelope.heartbeat))
        self._advance()
        self._settle()

    def _on_refuse(self, link: Link, envelope: envelopes.Refuse, _data: object) -> None:
        if envelope.revision != self._revision or self.left:
            return
        link.stage = Stage.REFUSED
        if envelope.refusal is envelopes.Refusal.JOINING:
            return
        refused = AlreadyRegistered(envelope.text, envelope.holder)
        if not self._active:
            wrong = envelope.refusal is envelopes.Refusal.INVALID
            self._tell(LeaseState.REFUSED, envelope.text)
            self._fail(FabricError(envelope.text) if wrong else refused)
        elif self._change is not None:
            change, self._change = self._change, None
            change.error = refused
            change.done.set()
            self._renew(change.before)
        elif envelope.refusal is envelopes.Refusal.SUPERSEDED:
            self._superseded(link)
        else:  # a worker that has other leases stays, and asks again at each heartbeat
            logger.warning("refused acceptor=%s error=%r", link.name, envelope.text)

    def _on_supersede(self, link: Link, envelope: envelopes.Supersede, _data: object) -> None:
        if envelope.lease == link.lease:
            self._superseded(link)

    def _superseded(self, link: Link) -> None:
        link.stage = Stage.SUPERSEDED
        if self._superseded_at is None:
            self._superseded_at = time.monotonic()
        self._judge(time.monotonic())

    def _on_unknown(self, link: Link, envelope: envelopes.Unknown, _data: object) -> None:
        if envelope.lease == LAST_WORD:
            self._unread.discard(link)
        if not link.lease or envelope.lease != link.lease:
            return
        superseded = link.stage is Stage.SUPERSEDED
        self._lose(link)
        if superseded:
            link.stage = Stage.SUPERSEDED
        self._advance()

    def _on_end(self, link: Link, envelope: envelopes.End, _data: object) -> None:
        if envelope.lease == link.lease:
            self._lose(link)
            link.stage = Stage.ENDED
            self.left = True
            self._tell(LeaseState.ENDED, f"{link.name}: {envelope.text}")

    def _requested(self, link: Link, requests: list[ReceivedIntervention]) -> None:
        if self.fetcher is None:
            self._callbacks.requests(requests)
        else:
            self.fetcher.requested(link, requests)

    def _cancelled(self, token: str, why: CancelReason) -> None:
        if self.fetcher is None or not self.fetcher.cancel(token, why):
            self._callbacks.cancel(token, why)

    def _tell(self, state: LeaseState, detail: str) -> None:
        if state is not self._told:
            self._told = state
            self._callbacks.state(state, detail)
