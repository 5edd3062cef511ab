"""The acceptor's end of the fabric, on its asyncio loop.

The decisions are made in `gateway.fabric.acceptor.registry`: what arrives becomes a stimulus,
effects are done in their order, and one timer runs. What is asked within one turn of the loop is
one stimulus, so that it leaves in one message for each member.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any

import zmq

from gateway.errors import FabricError, Reason, Unanswered
from gateway.events import CATALOGUE
from gateway.fabric.acceptor import batches, effects
from gateway.fabric.acceptor.acceptor_place import AcceptorPlace
from gateway.fabric.acceptor.commands import OpenCommands
from gateway.fabric.acceptor.feed import Feed
from gateway.fabric.acceptor.held_events import HeldEvents
from gateway.fabric.acceptor.interventions import Intervention
from gateway.fabric.acceptor.process_watch import ProcessWatcher
from gateway.fabric.acceptor.reception import Reception
from gateway.fabric.acceptor.registry import Registry
from gateway.fabric.acceptor.remote_side import RemoteSide
from gateway.fabric.acceptor.sinks import NOBODY, AwaitedAnswer
from gateway.fabric.wire import address
from gateway.fabric.wire.sockets import REQUESTS_HWM, Frames, LoopPort, SendResult, make

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from gateway.fabric.acceptor.commands import AssociationCommand
    from gateway.fabric.wire.envelopes import CommandResult
    from gateway.fabric.wire.terms import Answer
    from gateway.settings import FabricSettings, RememberedWorker

logger = logging.getLogger("gateway.fabric")


class Server(HeldEvents):
    """Asks workers, and publishes to watchers; everything on the loop that `start` ran on."""

    def __init__(
        self,
        settings: FabricSettings,
        run_dir: Path,
        index: int,
        *,
        expect: Sequence[str] = (),
        remembered: Sequence[RememberedWorker] = (),
        catalogue: Collection[str] = CATALOGUE,
    ) -> None:
        self._settings = settings
        self._run_dir = address.local(run_dir)
        self._index = index
        self._expect = tuple(expect)
        self._remembered = tuple(remembered)
        self._all_known = asyncio.Event()
        self._topics = [n for n in catalogue if CATALOGUE[n].is_notification]
        self._running = False
        self._asked: list[Intervention] = []
        """The requests of this turn of the loop."""
        self._timer: asyncio.TimerHandle | None = None
        self._beacons_at = 0.0
        self.on_wants_changed: Callable[[set[str]], None] | None = None
        """Called with the topics that are now wanted, whenever they change."""
        self.on_worker_known: Callable[[RememberedWorker], None] = _ignore
        """Called with what a worker serves, whenever that changes."""
        self.on_worker_left: Callable[[str], None] = _ignore
        """Called with the name of a worker whose last member has said BYE."""
        self._remote: RemoteSide | None = None
        """For workers on other hosts; None: there are none."""
        self._commands = OpenCommands(self._send_result)
        self._perform: dict[type[effects.Effect], Callable[[Any], None]] = {
            effects.Deliver: self._do_deliver,
            effects.Post: self._do_post,
            effects.HandOn: self._do_hand_on,
            effects.Fail: self._do_fail,
            effects.Tell: self._do_tell,
            effects.WatchProcess: lambda effect: self._watcher.watch(effect.peer, effect.pid),
            effects.UnwatchProcess: self._do_unwatch,
            effects.WorkerKnown: lambda effect: self.on_worker_known(effect.worker),
            effects.WorkerLeft: lambda effect: self.on_worker_left(effect.name),
            effects.AllKnown: lambda _: self._all_known.set(),
        }

    async def start(self) -> None:
        """Bind; raises FabricError if the directory is not safe or the index is taken."""
        self._loop = asyncio.get_running_loop()
        self._place = AcceptorPlace(self._run_dir, self._index)
        stream = f"{self._place.name}-{secrets.token_hex(6)}"
        self._registry = Registry(
            self._settings,
            stream=stream,
            now=self._loop.time(),
            expect=self._expect,
            remembered=self._remembered,
            joining=self._place.has_neighbours,
        )
        if self._registry.knows_all:
            self._all_known.set()
        self._watcher = ProcessWatcher(self._gone)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        try:
            self._bind(stream)
        except FabricError:
            self._context.destroy(linger=0)
            self._place.unlock()
            raise
        self._running = True
        self._tick()

    def configure(self, names: Sequence[str]) -> None:
        """Take other workers as the configured ones; what they serve counts while they are away."""
        self._expect = tuple(names)
        self._registry.configure(names)

    def _bind(self, stream: str) -> None:
        router = make(self._context, zmq.ROUTER, REQUESTS_HWM)
        xpub = make(self._context, zmq.XPUB, self._settings.high_water_mark)
        self._place.bind(router, xpub)
        self._events = LoopPort(xpub, 1, self._on_subscription)
        self._feed = Feed(stream, self._topics, self._settings.ring, self._events.send)
        self._reception = Reception(
            self._registry, self._commands, self._feed, self, self._loop.time
        )
        self._requests = LoopPort(router, 2, self._reception.receive)
        if self._settings.listen:
            self._open_remote()

    def _open_remote(self) -> None:
        place, parts = (self._run_dir, self._index), (self._registry, self._reception, self._feed)
        try:
            self._remote = RemoteSide(self._settings, place, *parts, self._on_subscription)
        except FabricError:
            self._events.close(0)
            self._requests.close(0)
            raise

    async def stop(self, grace: float = 1.0) -> None:
        """Fail what is open, flush the notifications for at most `grace` seconds, unbind."""
        if not self._running:
            return
        self.do(self._registry.close())
        self._commands.close()
        self._feed.beacons()
        self._running = False
        self._all_known.set()
        if self._timer is not None:
            self._timer.cancel()
        self._watcher.close()
        self._events.close(grace)
        self._requests.close(grace)
        if self._remote is not None:
            self._remote.close(grace)
            await self._loop.run_in_executor(None, self._remote.term)
        await self._loop.run_in_executor(None, self._context.term)
        self._place.leave()

    # -- interventions

    @property
    def trouble(self) -> str:
        """What is wrong at present, in words; empty: nothing."""
        return self._place.trouble if self._running else ""

    def facts(self) -> dict[str, Any]:
        """Return what there is to tell of workers and requests."""
        if not self._running:
            return {"workers": {}, "in_flight": 0}
        remote = {} if self._remote is None else {"other_hosts": self._remote.facts()}
        in_flight = self._registry.in_flight
        return {"workers": self._registry.describe(), "in_flight": in_flight, **remote}

    def ask(self, intervention: Intervention) -> None:
        """Ask the worker that holds the event, at the end of this turn of the loop.

        Answers and errors go to the sink, never within this call.
        """
        if not self._asked:
            asyncio.get_running_loop().call_soon(self._ask_all)
        self._asked.append(intervention)

    async def ask_once(
        self,
        event: str,
        payload: dict[str, Any],
        *,
        assoc: bytes,
        data: bytes | None = None,
        asker: str = "",
    ) -> Answer:
        """Return the one answer of the worker that holds the event; raises Unanswered.

        Cancelling the task tells the worker.
        """
        awaited = AwaitedAnswer()
        intervention = Intervention(event, payload, assoc, data, sink=awaited, asker=asker)
        self.ask(intervention)
        try:
            return await awaited.future
        except asyncio.CancelledError:
            self.abandon(intervention)
            raise

    def cancel(self, intervention: Intervention) -> None:
        """Tell the worker that the peer wants no more; the final answer still comes."""
        if self._running:
            self.do(self._registry.cancel(intervention))

    def abandon(self, intervention: Intervention) -> None:
        """End a request: its sink is not called any more, and the worker is told."""
        intervention.sink = NOBODY
        if self._running:
            self.do(self._registry.abandon(intervention))

    def consumed(self, intervention: Intervention, answers: int) -> None:
        """Let the worker send this many more answers of a stream."""
        if self._running:
            self.do(self._registry.consumed(intervention, answers, self._loop.time()))
            self._hurry()

    def _ask_all(self) -> None:
        asked, self._asked = self._asked, []
        if self._running:
            self.do(self._registry.ask(asked, self._loop.time()))
            self._hurry()
        else:
            text = "the fabric is not running"
            self.do([effects.Fail(intervention, Reason.NOBODY, text) for intervention in asked])

    # -- commands

    @property
    def on_command(self) -> Callable[[AssociationCommand], None] | None:
        """Takes commands of workers to associations; None: they are refused."""
        return self._commands.on_command

    @on_command.setter
    def on_command(self, take: Callable[[AssociationCommand], None] | None) -> None:
        self._commands.on_command = take

    def _send_result(self, peer: bytes, envelope: CommandResult, data: bytes | None) -> None:
        header = envelope.encode()
        if self._running and not self.send(peer, header, *(() if data is None else (data,))):
            self._loop.call_soon(self._gone, peer)

    # -- notifications

    def wants(self, topic: str) -> bool:
        """Return whether anybody watches the topic; otherwise its body need not be built."""
        return self._running and topic in self._feed.wanted

    def publish(self, topic: str, body: dict[str, Any], assoc: bytes = b"") -> None:
        """Publish a notification without waiting; a watcher that is too slow loses it."""
        if self._running and topic in self._feed.wanted:
            self._feed.publish(topic, body, assoc, time.time())

    def _on_subscription(self, frames: Frames) -> None:
        if not self._feed.subscription(frames[0]):
            return
        for peer in list(self._registry.members):
            self._reception.tell_what_is_watched(peer)
        if self.on_wants_changed is not None:
            self.on_wants_changed(set(self._feed.wanted))

    # -- effects

    def do(self, effects: list[effects.Effect]) -> None:
        for effect in effects:
            self._perform[type(effect)](effect)

    def send(self, peer: bytes, *frames: bytes | memoryview) -> bool:
        """Send a message if that is possible at once."""
        if self._remote is not None and self._remote.has(peer):
            return self._remote.send(peer, frames)
        return self._requests.send((peer, *frames)) is SendResult.DONE

    def _do_deliver(self, effect: effects.Deliver) -> None:
        for chunk in batches.cut(effect.deliveries):
            self._send_requests(effect.peer, chunk)

    def _send_requests(self, peer: bytes, deliveries: list[effects.Delivery]) -> None:
        try:
            translate = None if self._remote is None else self._remote.payload_of(peer)
            frames = batches.encode(deliveries, translate)
        except FabricError as error:
            self._send_singly(peer, deliveries, str(error))
            return
        if not self.send(peer, *frames):
            for intervention, *_ in deliveries:
                intervention.unsent = True
            self._loop.call_soon(self._gone, peer)

    def _send_singly(self, peer: bytes, deliveries: list[effects.Delivery], error: str) -> None:
        """Send one by one the requests of a batch that cannot be encoded; fail the invalid ones."""
        if len(deliveries) == 1:
            _, token, _, _ = deliveries[0]
            self.do(self._registry.unsent(peer, token, error, self._loop.time()))
            return
        for delivery in deliveries:
            self._send_requests(peer, [delivery])

    def _do_post(self, effect: effects.Post) -> None:
        if not self.send(effect.peer, effect.envelope.encode()):
            self._loop.call_soon(self._gone, effect.peer)

    def _do_hand_on(self, effect: effects.HandOn) -> None:
        for intervention, answer in effect.answers:
            try:
                intervention.sink.answered(answer)
            except Exception:  # an error of one association must not lose the answers to others
                logger.exception("a sink failed to take an answer event=%s", intervention.event)

    def _do_fail(self, effect: effects.Fail) -> None:
        error = Unanswered(effect.reason, effect.text, poisonous=effect.poisonous)
        effect.intervention.sink.unanswered(error)

    def _do_tell(self, effect: effects.Tell) -> None:
        who = effect.body
        told = [effect.topic, who["worker"], who["generation"], who["member"]]
        if "holder" in who:
            logger.info("%s worker=%r generation=%s member=%s holder=%r", *told, who["holder"])
        else:
            logger.info("%s worker=%r generation=%s member=%s", *told)
        self.publish(effect.topic, who)

    def _do_unwatch(self, effect: effects.UnwatchProcess) -> None:
        """End the commands of a member whose lease has ended."""
        self._watcher.unwatch(effect.peer)
        self._commands.lose(effect.peer)
        if self._remote is not None:
            self._remote.lose(effect.peer)

    # -- time

    def _drain(self) -> None:
        self._requests.drain()
        if self._remote is not None:
            self._remote.drain()

    def _gone(self, peer: bytes) -> None:
        if self._running:
            self._drain()
            self.do(self._registry.gone(peer, self._loop.time()))

    def _tick(self) -> None:
        """Handle messages, then deadlines: a delay of this process is not silence of others."""
        self._drain()
        now = self._loop.time()
        self.do(self._registry.tick(now))
        if now >= self._beacons_at:
            self._beacons_at = now + self._settings.heartbeat
            self._feed.beacons()
            self._place.restore()
            if self._remote is not None:
                self._remote.refresh()
        self._arm(self._registry.next_due(self._loop.time()))

    def _hurry(self) -> None:
        """Run the next tick earlier if a deadline comes first."""
        if self._timer is not None and self._registry.soonest < self._timer.when():
            self._arm(self._registry.soonest)

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._tick)


def _ignore(_: object) -> None:
    """Do nothing: nobody wants to know."""
