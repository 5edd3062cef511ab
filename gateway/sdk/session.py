"""A running worker: its handlers between the fabric's client and the threads that run them.

The client calls on its own thread, which must never wait: requests go to the executor's queue,
notifications to the notifier's, and what ends the session to a queue of its own, which `wait`
reads.
"""

from __future__ import annotations

import logging
import time
from dataclasses import astuple
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from gateway.association.timers import Timeouts
from gateway.errors import ConfigError, FabricError
from gateway.events import CATALOGUE
from gateway.fabric import (
    CancelReason,
    LeaseState,
    Notification,
    ReceivedIntervention,
    Registration,
)
from gateway.fabric.worker import Client, gateway_at, next_generation
from gateway.sdk.executor import Executor, HandlerLoop
from gateway.sdk.hooks import call_start_hooks, call_stop_hooks
from gateway.sdk.move.routes import Routes
from gateway.sdk.notifications import NotificationThread, QueuedNotification
from gateway.sdk.open_associations import OpenAssociations
from gateway.sdk.requested_jobs import jobs_of
from gateway.sdk.session_commands import SessionCommands
from gateway.sdk.session_ending import LIFELINE_DRAIN, SessionEnding, SessionEndReason, drain_end
from gateway.sdk.transforming import Transforms
from gateway.sdk.unbound_publisher import UnboundPublisher
from gateway.sdk.worker_bindings import BindsEvents, WorkerBindings, watched
from gateway.sdk.worker_context import WorkerContext
from gateway.sdk.worker_measuring import WorkerMeasuring

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.fabric import Answer
    from gateway.fabric.worker import PendingCommand
    from gateway.sdk.bound_handler import BoundHandler
    from gateway.sdk.session_commands import AssociationBindings
    from gateway.settings import WorkerSettings

log = logging.getLogger("gateway.sdk")

START_TIMEOUT = 10.0
"""Seconds within which the acceptors must have granted the registration."""
_TICK = 0.25


class DefinedWorker(BindsEvents, Protocol):
    """The part of a `gateway.sdk.Worker` that a session uses."""

    name: str
    concurrency: int
    context: WorkerContext
    start_hooks: list[Callable[[], Any]]
    stop_hooks: list[Callable[[], Any]]

    def bound_for(self, event: str, assoc: bytes) -> tuple[BoundHandler, ...]: ...
    def follow(self, follower: Session | None) -> None: ...


class Session:
    """One member of a worker, from its registration to its end."""

    def __init__(self, worker: DefinedWorker, settings: WorkerSettings) -> None:
        self.name = settings.name or worker.name
        self._worker = worker
        self._endings: SimpleQueue[SessionEnding] = SimpleQueue()
        self._loop = HandlerLoop()
        concurrency = settings.concurrency or worker.concurrency
        # Acceptors keep the last place for one more address.
        self._credit = concurrency + (concurrency > 1)
        self._routes = Routes()
        self.adopt(settings)
        self._measuring = WorkerMeasuring(
            f"{self.name}-{settings.member}",
            in_hand=lambda: self._executor.in_hand,
            failures=lambda: self._executor.failures[0],
            lost=lambda: self._notifier.lost,
        )
        self._executor = Executor(
            self._credit,
            self._send,
            loop=self._loop,
            send_many=self._send_many,
            send_stream=self._send_stream,
            offer=self._offer,
            extend=self._extend,
            routes=self._routes,
            called=self._measuring.called,
        )
        self._notifier = NotificationThread(worker.bound_for, loop=self._loop)
        self._client: Client | None = None
        self._held = WorkerBindings()
        self._topics: set[str] = set()
        self._troubles: dict[str, str] = {}
        self._facts: dict[str, Any] = {}
        self._closed = False
        self._send_command = SessionCommands(self._call)
        """The same object each time, because associations are cached by it."""
        self.generation = settings.generation
        self.on_beat: Callable[[Session], None] = lambda _session: None
        """Called at each heartbeat, on the thread that takes requests and sends answers."""

    def serve_as(self, ae: object, bindings: AssociationBindings) -> None:
        """Before `start`: let associations have this `ae`, and handlers of their own."""
        self._send_command = SessionCommands(self._call, ae, bindings)

    def note_dead_thread(self, name: str) -> None:
        """Have `status` show that a thread of this process was stopped by an unexpected error."""
        self._troubles[f"thread {name}"] = (
            f"the thread {name} was stopped by an unexpected error: see the log"
        )

    def adopt(self, settings: WorkerSettings) -> None:
        """Use the destinations, timeouts and drain timeout of these settings from now on."""
        self._routes.change(settings.destinations, Timeouts.of(settings.association), settings.tls)
        self._settings = settings

    # Starting

    def start(
        self, timeout: float = START_TIMEOUT, wait: Callable[[Exception], bool] | None = None
    ) -> bool:
        """Call the start hooks and register; False if `wait` gave up.

        `wait` is called when a hook lacks something that may come back, and the hook is called
        again if it returns True. Raises ConfigError, AlreadyRegistered, FabricError, or what a
        hook raised.
        """
        self._worker.context = WorkerContext(
            data_dir=Path(self._settings.data_dir),
            run_dir=Path(self._settings.run_dir),
            durable=self._settings.durable,
            options=self._settings.options,
            member=self._settings.member,
            troubles=self._troubles,
            facts=self._facts,
            metrics=self._measuring.metrics,
            associations=self.associations,
            transforms=Transforms(self._acceptors, self._send_command),
            waiting=self._executor.waiting,
            destination=self._routes.destination,
            routes=self._routes,
            tls=self._settings.tls,
            publish=UnboundPublisher(self._acceptors, self._is_watched, self._publish),
        )
        if not call_start_hooks(self._worker.start_hooks, wait):
            return False
        self._executor.start()
        self._notifier.start()
        try:
            self._register(timeout)
        except Exception:
            self._client = None
            self.close(SessionEnding(SessionEndReason.REFUSED))
            raise
        self._worker.follow(self)
        self.rebind()  # register what another thread has bound meanwhile
        return True

    def _register(self, timeout: float) -> None:
        fabric = self._settings.fabric
        gateway = gateway_at(self._settings.run_dir, fabric)
        if not self._worker.get_events() and not self._worker.start_hooks:
            raise ConfigError(f"worker {self.name}: no handler is bound to any event")
        if not self.generation:
            self.generation = next_generation(gateway, self.name, fabric)
        held = self._held = WorkerBindings.of(self._worker)
        client = self._client = Client(
            gateway,
            Registration(
                worker=self.name,
                generation=self.generation,
                member=self._settings.member,
                credit=self._credit,
                bindings=held.bindings,
                sends=held.sends,
            ),
            settings=fabric,
            on_requests=self._on_requests,
            on_cancel=self._on_cancel,
            on_notification=self._on_notification,
            on_state=self._on_state,
            on_beat=self._beat,
            fetch_dir=Path(self._settings.data_dir) / "fetched",
        )
        self._topics = watched(self._worker)
        for topic in sorted(self._topics):
            client.subscribe(topic)
        client.start(timeout)

    def rebind(self) -> None:
        """Register what is bound now; raises FabricError if that is refused."""
        client, topics = self._client, watched(self._worker)
        if client is None:
            return
        if (held := WorkerBindings.of(self._worker)) != self._held:
            client.register(*held)
            self._held = held
        for topic in sorted(topics - self._topics):
            client.subscribe(topic)
        for topic in sorted(self._topics - topics):
            client.unsubscribe(topic)
        self._topics = topics

    # Called on the fabric's thread

    def _beat(self) -> None:
        self.on_beat(self)
        self._executor.rest()
        if self._client is not None:
            self._measuring.tell(self._client)

    def _on_requests(self, requests: list[ReceivedIntervention]) -> None:
        jobs = jobs_of(
            requests, self._worker.bound_for, self._publish, self._is_watched, self._send_command
        )
        if self._settings.fabric.connect:
            for _, _, event, _ in jobs:
                event._shares_files = False
        self._executor.submit_many(jobs)

    def _on_cancel(self, token: str, why: CancelReason) -> None:
        log.debug("token=%s cancelled: %s", token, why.value)
        self._executor.cancel(token, unwanted=why is not CancelReason.CANCEL)

    def _on_notification(self, notification: Notification) -> None:
        if notification.topic not in CATALOGUE:
            return
        acceptor, blob = notification.stream.rpartition("-")[0], bytes(notification.assoc)
        self._notifier.put(
            QueuedNotification(
                notification.topic,
                notification.stream,
                notification.seq,
                notification.timestamp,
                notification.body,
                blob,
                partial(self._publish, acceptor, blob),
                self._send_command,
            )
        )

    def _on_state(self, state: LeaseState, text: str = "") -> None:
        if state.name in SessionEndReason.__members__:
            self.end(SessionEndReason[state.name], text)

    def facts(self) -> dict[str, Any]:
        """Return what this process tells of itself at each heartbeat."""
        failures, last = self._executor.failures
        return {
            "worker": self.name,
            "generation": self.generation,
            "in_hand": self._executor.in_hand,
            "failures": failures,
            "last_exception": last,
            "troubles": dict(self._troubles),
            **self._facts,
        }

    # Called on handlers' threads

    def _send(self, token: str, answer: Answer) -> bool:
        return (client := self._client) is not None and client.answer(token, answer)

    def _send_stream(self, token: str, answers: Sequence[Answer]) -> bool:
        return (client := self._client) is not None and client.answer_stream(token, answers)

    def _offer(self, token: str, answers: Sequence[Answer]) -> int:
        return 0 if (client := self._client) is None else client.offer(token, answers)

    def _send_many(self, answers: list[tuple[str, Answer]]) -> None:
        if self._client is not None:
            self._client.answer_many(answers)

    def _extend(self, token: str) -> None:
        if self._client is not None:
            self._client.extend(token)

    def _publish(self, acceptor: str, blob: bytes, topic: str, body: dict[str, Any]) -> None:
        if (client := self._client) is not None and not client.publish(acceptor, topic, body, blob):
            self._measuring.unpublished()

    def _is_watched(self, acceptor: str, topic: str) -> bool:
        return self._client is not None and self._client.is_watched(acceptor, topic)

    def _call(self, *what: Any, **more: Any) -> PendingCommand:
        if self._client is None:
            raise FabricError("the worker has left")
        return self._client.command(*what, **more)

    def _acceptors(self) -> list[str]:
        return list(self._client.acceptors) if self._client is not None else []

    @property
    def associations(self) -> OpenAssociations:
        """The open associations of all acceptors."""
        return OpenAssociations(self._acceptors, self._send_command)

    # Ending

    def end(self, why: SessionEndReason, text: str = "") -> None:
        """Make `wait` return; may be called from any thread and from a signal handler."""
        self._endings.put(SessionEnding(why, text))

    def wait(self) -> SessionEnding:
        """Watch the deadlines until something ends the session."""
        while True:
            try:
                return self._endings.get(timeout=_TICK)
            except Empty:
                if self._executor.tick():
                    return SessionEnding(
                        SessionEndReason.HUNG, "a handler is past its deadline and does not return"
                    )

    def pause(self, seconds: float) -> bool:
        """Wait before the session has begun; return whether something ended it meanwhile."""
        try:
            self.end(*astuple(self._endings.get(timeout=seconds)))
        except Empty:
            return False
        return True

    def is_hung(self) -> bool:
        """Abandon handlers that are past their deadline; return True if one is past its grace."""
        return self._executor.tick()

    def give_up_hung(self) -> int:
        """Replace the threads of hanging handlers; return their number."""
        return self._executor.give_up_hung()

    def close(self, ending: SessionEnding) -> bool:
        """Finish the requests in hand and leave; False if a handler still runs.

        Closing once more does nothing.
        """
        if not self._closed:
            self._closed = True
            self._finish(ending)
        return not self._executor.in_hand

    def _finish(self, ending: SessionEnding) -> None:
        self._worker.follow(None)
        client = self._client
        says_bye = ending.why not in (SessionEndReason.HUNG, SessionEndReason.ORPHANED)
        if not says_bye:
            # As after a death, requests wait for the process that replaces this one.
            self._executor.hold_back()
            self._take_no_more()
        elif client is not None:
            client.leave()
        self._drain(ending)
        self._notifier.stop(LIFELINE_DRAIN)
        if client is not None:
            client.stop(bye=says_bye)
        self._client = None
        if not self._executor.in_hand:  # a hook might wait for the very handler that hangs
            call_stop_hooks(self.name, self._worker.stop_hooks)
        self._executor.stop()
        self._loop.stop()
        self._routes.close()

    def _take_no_more(self) -> None:
        """Keep the events, but let new requests wait at the acceptor."""
        try:
            if self._client is not None:
                self._client.register(timeout=LIFELINE_DRAIN, credit=0)
        except FabricError as error:
            log.warning("worker=%s %s", self.name, error)

    def _drain(self, ending: SessionEnding) -> None:
        """Wait for the requests in hand, except hung ones; without limit if superseded."""
        end = drain_end(ending.why, self._settings.drain_timeout)
        while not self._executor.drain(min(_TICK, max(0.0, end - time.monotonic()))):
            self._executor.tick()
            if self._is_orphaned():
                end = min(end, time.monotonic() + LIFELINE_DRAIN)
            if time.monotonic() >= end:
                log.warning("worker=%s leaves with %d in hand", self.name, self._executor.in_hand)
                return

    def _is_orphaned(self) -> bool:
        """Return whether the parent has gone meanwhile."""
        return not self._endings.empty() and self._endings.get().why is SessionEndReason.ORPHANED
