"""The acceptor's end of the fabric, on its asyncio loop.

The decisions are made in `gateway.fabric.acceptor.registry`: what arrives becomes a stimulus,
effects are done in their order, and one timer runs.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from typing import TYPE_CHECKING, Any

import zmq

from gateway.errors import FabricError, Reason, Unanswered
from gateway.events import CATALOGUE
from gateway.fabric.acceptor.commands import OpenCommands
from gateway.fabric.acceptor.effects import (
    Deliver,
    Effect,
    Fail,
    SendEnvelope,
    Tell,
    UnwatchProcess,
    WatchProcess,
)
from gateway.fabric.acceptor.feed import Feed
from gateway.fabric.acceptor.interventions import Intervention
from gateway.fabric.acceptor.process_watch import ProcessWatcher
from gateway.fabric.acceptor.registry import Registry
from gateway.fabric.acceptor.stream import AwaitedAnswer, Stream
from gateway.fabric.wire import address
from gateway.fabric.wire.envelopes import (
    Answered,
    Bye,
    Command,
    CommandCancel,
    CommandResult,
    Envelope,
    Extend,
    Generation,
    Heartbeat,
    NextGeneration,
    Publish,
    Register,
    Repeat,
    Replay,
    Replayed,
    Requested,
    Unknown,
    Watched,
    decode,
)
from gateway.fabric.wire.frames import MAX_DATA
from gateway.fabric.wire.sockets import REQUESTS_HWM, Frames, LoopPort, SendResult, make

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from gateway.fabric.acceptor.commands import AssociationCommand
    from gateway.fabric.wire.terms import Answer, Binding
    from gateway.settings import FabricSettings

logger = logging.getLogger("gateway.fabric")


class Server:
    """Asks workers, and publishes to watchers; everything on the loop that `start` ran on."""

    def __init__(
        self,
        settings: FabricSettings,
        run_dir: Path,
        index: int,
        *,
        expect: Sequence[str] = (),
        catalogue: Collection[str] = CATALOGUE,
    ) -> None:
        self._settings = settings
        self._run_dir = address.local(run_dir)
        self._index = index
        self._expect = tuple(expect)
        self._topics = [n for n in catalogue if CATALOGUE[n].is_notification]
        self._place = address.place()
        self._running = False
        self._asked: list[Intervention] = []
        """Interventions of this turn of the loop."""
        self._timer: asyncio.TimerHandle | None = None
        self._beacons_at = 0.0
        self.on_wants_changed: Callable[[set[str]], None] | None = None
        """Called with the topics that are now wanted, whenever they change."""
        self._commands = OpenCommands(self._send_result)
        self._perform: dict[type[Effect], Callable[[Any], None]] = {
            SendEnvelope: self._do_send,
            Deliver: self._do_deliver,
            Fail: self._do_fail,
            Tell: self._do_tell,
            WatchProcess: lambda effect: self._watcher.watch(effect.peer, effect.pid),
            UnwatchProcess: self._do_unwatch,
        }
        self._take: dict[type[Envelope], Callable[[bytes, Any, bytes | None], None]] = {
            Answered: self._on_answered,
            Heartbeat: self._on_heartbeat,
            Register: self._on_register,
            Bye: self._on_bye,
            Publish: self._on_publish,
            Replay: self._on_replay,
            NextGeneration: self._on_next_generation,
            Command: self._on_worker_command,
            CommandCancel: lambda peer, envelope, _data: self._commands.cancel(
                peer, envelope.command
            ),
            Extend: self._on_extend,
        }

    async def start(self) -> None:
        """Bind; raises FabricError if the directory is not safe or the index is taken."""
        self._loop = asyncio.get_running_loop()
        self._address = address.prepare(self._run_dir, self._index)
        others = any(a.lives for a in address.find(self._run_dir) if a.index != self._index)
        self._lock = address.lock(self._run_dir, self._index)
        stream = f"{self._address.name}-{secrets.token_hex(6)}"
        self._registry = Registry(
            self._settings,
            stream=stream,
            now=self._loop.time(),
            expect=self._expect,
            joining=others,
        )
        self._watcher = ProcessWatcher(self._gone)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        try:
            self._bind(stream)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            os.close(self._lock)
            raise FabricError(f"cannot bind at {self._address.home}: {error}") from error
        self._running = True
        self._tick()

    async def stop(self, grace: float = 1.0) -> None:
        """Fail what is open, flush the notifications for at most `grace` seconds, unbind."""
        if not self._running:
            return
        self._do(self._registry.close())
        self._commands.close()
        self._feed.beacons()
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
        self._watcher.close()
        self._events.close(grace)
        self._requests.close(grace)
        await self._loop.run_in_executor(None, self._context.term)
        address.remove(self._address, self._run_dir)
        os.close(self._lock)

    # -- interventions

    def binding(self, event: str) -> Binding | None:
        """How the event is held, also while its worker is vacant; None: nobody.

        While configured workers are still to register after the start, a careful stand-in.
        """
        return self._registry.binding(event, self._loop.time()) if self._running else None

    def is_held(self, event: str) -> bool:
        """A worker has registered for the event, and has not said farewell."""
        return self._running and event in self._registry.holders

    def is_lost(self, event: str) -> bool:
        """The worker that held the event died, and none has registered for it since."""
        return self._running and event in self._registry.lost

    def ask(self, intervention: Intervention) -> None:
        """Ask the worker that holds the event, at the end of this turn of the loop.

        What comes of it goes to the sink, errors as well, and never within this call.
        """
        if not self._asked:
            asyncio.get_running_loop().call_soon(self._ask_all)
        self._asked.append(intervention)

    async def ask_once(
        self, event: str, payload: dict[str, Any], *, assoc: bytes, data: bytes | None = None
    ) -> Answer:
        """Return the one answer of the worker that holds the event; raises Unanswered.

        Cancelling the task tells the worker.
        """
        awaited = AwaitedAnswer()
        intervention = Intervention(event, payload, assoc, data, sink=awaited)
        self.ask(intervention)
        try:
            return await awaited.future
        except asyncio.CancelledError:
            self.abandon(intervention)
            raise

    def stream(
        self, event: str, payload: dict[str, Any], *, assoc: bytes, data: bytes | None = None
    ) -> Stream:
        """Return the answers of the worker that holds the event; iterate inside `async with`."""
        return Stream(self, event, payload, assoc, data)

    def cancel(self, intervention: Intervention) -> None:
        """Tell the worker that the peer wants no more; the final answer still comes."""
        if self._running:
            self._do(self._registry.cancel(intervention))

    def abandon(self, intervention: Intervention) -> None:
        """Await no further answer: the sink is not called any more, and the worker is told."""
        if self._running:
            self._do(self._registry.abandon(intervention))
        intervention.closed = True

    def consumed(self, intervention: Intervention, answers: int) -> None:
        """Let the worker send so many more answers of a stream."""
        if self._running:
            self._do(self._registry.consumed(intervention, answers, self._loop.time()))
            self._hurry()

    def _ask_all(self) -> None:
        asked, self._asked = self._asked, []
        for intervention in asked:
            if intervention.closed:
                continue
            if not self._running:
                _fail(intervention, "the fabric is not running")
            elif intervention.data is not None and len(intervention.data) > MAX_DATA:
                _fail(intervention, f"data of {len(intervention.data)} bytes, limit {MAX_DATA}")
            else:
                self._do(self._registry.ask(intervention, self._loop.time()))
        self._hurry()

    # -- commands

    @property
    def on_command(self) -> Callable[[AssociationCommand], None] | None:
        """Takes what workers want done on an association; None: refused."""
        return self._commands.on_command

    @on_command.setter
    def on_command(self, take: Callable[[AssociationCommand], None] | None) -> None:
        self._commands.on_command = take

    # -- notifications

    def wants(self, topic: str) -> bool:
        """Whether anybody watches the topic; otherwise there is no need to build it."""
        return self._running and topic in self._feed.wanted

    def publish(self, topic: str, body: dict[str, Any], assoc: bytes = b"") -> None:
        """Tell whoever watches; never waits, and a watcher that is too slow loses it."""
        if self._running and topic in self._feed.wanted:
            self._feed.publish(topic, body, assoc, time.time())

    # -- what arrives

    def _bind(self, stream: str) -> None:
        router = make(self._context, zmq.ROUTER, REQUESTS_HWM)
        xpub = make(self._context, zmq.XPUB, self._settings.high_water_mark)
        router.bind(f"ipc://{self._address.requests}")
        xpub.bind(f"ipc://{self._address.events}")
        self._requests = LoopPort(router, 2, self._on_request)
        self._events = LoopPort(xpub, 1, self._on_subscription)
        self._feed = Feed(stream, self._topics, self._settings.ring, self._events.send)

    def _on_request(self, frames: Frames) -> None:
        peer = bytes(frames[0])
        try:
            if not 2 <= len(frames) <= 3:
                raise FabricError(f"{len(frames)} frames")
            envelope = decode(frames[1])
            take = self._take.get(type(envelope))
            if take is None:
                raise FabricError(f"{type(envelope).__name__} is no envelope of a worker")
        except FabricError as error:
            logger.warning("undecodable message peer=%s error=%r", peer.hex(), str(error))
            self._do(self._registry.fault(peer, self._loop.time()))
            return
        take(peer, envelope, bytes(frames[2]) if len(frames) == 3 else None)

    def _on_answered(self, peer: bytes, envelope: Answered, data: bytes | None) -> None:
        self._do(self._registry.answer(peer, envelope, data, self._loop.time()))

    def _on_heartbeat(self, peer: bytes, envelope: Heartbeat, _data: bytes | None) -> None:
        self._do(self._registry.heartbeat(peer, envelope.lease, self._loop.time()))

    def _on_register(self, peer: bytes, envelope: Register, _data: bytes | None) -> None:
        local = bool(self._place) and envelope.place == self._place
        self._do(self._registry.register(peer, envelope, self._loop.time(), local=local))
        self._tell_what_is_watched(peer)

    def _on_bye(self, peer: bytes, envelope: Bye, _data: bytes | None) -> None:
        self._do(self._registry.bye(peer, envelope.lease, self._loop.time()))

    def _on_publish(self, peer: bytes, envelope: Publish, _data: bytes | None) -> None:
        if peer not in self._registry.members:
            self._post(peer, Unknown(""))
        elif envelope.topic in self._topics:
            self.publish(envelope.topic, envelope.body, envelope.assoc)
        else:
            self._do(self._registry.fault(peer, self._loop.time()))

    def _on_replay(self, peer: bytes, envelope: Replay, _data: bytes | None) -> None:
        end, kept = self._feed.replay(envelope)
        repeat = Repeat(envelope.topic).encode()
        for encoded in kept:
            if self._requests.send((peer, repeat, encoded)) is not SendResult.DONE:
                return
        self._post(peer, Replayed(envelope.topic, envelope.stream, envelope.first, end))

    def _on_next_generation(
        self, peer: bytes, envelope: NextGeneration, _data: bytes | None
    ) -> None:
        promised = self._registry.generations.promise(envelope.worker)
        self._post(peer, Generation(envelope.worker, promised))

    def _on_worker_command(self, peer: bytes, envelope: Command, data: bytes | None) -> None:
        self._commands.take(peer, envelope, data, member=peer in self._registry.members)

    def _on_extend(self, peer: bytes, envelope: Extend, _data: bytes | None) -> None:
        self._do(self._registry.extend(peer, envelope.token, self._loop.time()))

    def _on_subscription(self, frames: Frames) -> None:
        if not self._feed.subscription(frames[0]):
            return
        for peer in list(self._registry.members):
            self._tell_what_is_watched(peer)
        if self.on_wants_changed is not None:
            self.on_wants_changed(set(self._feed.wanted))

    def _tell_what_is_watched(self, peer: bytes) -> None:
        """Before any request that follows: a worker need not build what nobody watches."""
        if peer in self._registry.members:
            self._post(peer, Watched(tuple(sorted(self._feed.wanted))))

    # -- effects

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._perform[type(effect)](effect)

    def _do_send(self, effect: SendEnvelope) -> None:
        try:
            header = effect.envelope.encode()
        except FabricError as error:
            self._unsendable(effect, str(error))
            return
        data = effect.data
        frames = (effect.peer, header) if data is None else (effect.peer, header, data)
        if self._requests.send(frames) is not SendResult.DONE:
            self._loop.call_soon(self._gone, effect.peer)

    def _unsendable(self, effect: SendEnvelope, text: str) -> None:
        envelope = effect.envelope
        if not isinstance(envelope, Requested):
            raise FabricError(text)
        self._do(self._registry.unsent(effect.peer, envelope.token, text, self._loop.time()))

    def _do_deliver(self, effect: Deliver) -> None:
        effect.call.sink.answered(effect.answer)

    def _do_fail(self, effect: Fail) -> None:
        error = Unanswered(effect.reason, effect.text, poisonous=effect.poisonous)
        effect.call.sink.unanswered(error)

    def _do_tell(self, effect: Tell) -> None:
        who = effect.body
        logger.info(
            "%s worker=%r generation=%s member=%s%s",
            effect.topic,
            who["worker"],
            who["generation"],
            who["member"],
            f" holder={who['holder']!r}" if "holder" in who else "",
        )
        self.publish(effect.topic, who)

    def _do_unwatch(self, effect: UnwatchProcess) -> None:
        """The lease has ended, and with it the calls."""
        self._watcher.unwatch(effect.peer)
        self._commands.lose(effect.peer)

    def _send_result(self, peer: bytes, envelope: CommandResult, data: bytes | None) -> None:
        header = envelope.encode()
        frames = (peer, header) if data is None else (peer, header, data)
        if self._running and self._requests.send(frames) is not SendResult.DONE:
            self._loop.call_soon(self._gone, peer)

    def _post(self, peer: bytes, envelope: Envelope) -> None:
        self._requests.send((peer, envelope.encode()))

    # -- time

    def _gone(self, peer: bytes) -> None:
        if self._running:
            self._requests.drain()
            self._do(self._registry.gone(peer, self._loop.time()))

    def _tick(self) -> None:
        """Look at what arrived first: a process that was held up must not blame the others."""
        self._requests.drain()
        now = self._loop.time()
        self._do(self._registry.tick(now))
        if now >= self._beacons_at:
            self._beacons_at = now + self._settings.heartbeat
            self._feed.beacons()
        self._arm(self._registry.next_due(self._loop.time()))

    def _hurry(self) -> None:
        """A deadline may be nearer than the next tick."""
        due = self._registry.next_deadline()
        if due is not None and self._timer is not None and due < self._timer.when():
            self._arm(due)

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._tick)


def _fail(intervention: Intervention, text: str) -> None:
    intervention.closed = True
    intervention.sink.unanswered(Unanswered(Reason.LOST, text))
