"""The worker's end of the fabric: a thread of its own, so that no handler can stop the heartbeats.

Any thread may call a `Client`; state is touched in the client's thread only, which sleeps until a
socket, a command or the next heartbeat wakes it. Callbacks run there and must not block.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway.errors import FabricError
from gateway.events import NOTIFICATIONS
from gateway.fabric.wire.envelopes import Extend, Publish
from gateway.fabric.wire.frames import pack, unpack
from gateway.fabric.wire.gateway_places import gateway_at
from gateway.fabric.worker.callbacks import Callbacks
from gateway.fabric.worker.membership import BindingChange, Membership
from gateway.fabric.worker.poll_loop import PollLoop

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from gateway.fabric.wire import terms
    from gateway.fabric.wire.gateway_places import FabricGateway
    from gateway.fabric.worker.pending_commands import PendingCommand
    from gateway.settings import FabricSettings

logger = logging.getLogger("gateway.fabric")

LINGER = 1.0
"""Seconds that acceptors have to read the last answers and the BYE."""
_LOOK = 0.05
"""Seconds between two checks whether an acceptor still lives."""


class Client:
    """One member of a worker: registers everywhere, takes requests, answers, watches.

    Callbacks: `on_requests(list[ReceivedIntervention])`; `on_cancel(token, why)` with a
    `CancelReason`; `on_notification(Notification)`; `on_state(LeaseState, detail)`; `on_beat()`, at
    each heartbeat. `history`: how many notifications of each topic, published before the start, are
    asked for; they have arrived when `start` returns. `fetch_dir`: a directory for data sets that
    an acceptor of another host has in files; without it such requests arrive without a path.
    """

    def __init__(  # noqa: PLR0913 - the callbacks are what it is told
        self,
        run_dir: str | os.PathLike[str] | FabricGateway,
        registration: terms.Registration,
        *,
        settings: FabricSettings,
        on_requests: Callable[[list[terms.ReceivedIntervention]], None],
        on_cancel: Callable[[str, terms.CancelReason], None] = lambda _token, _why: None,
        on_notification: Callable[[terms.Notification], None] = lambda _notification: None,
        on_state: Callable[[terms.LeaseState, str], None] = lambda _state, _detail: None,
        on_beat: Callable[[], None] = lambda: None,
        history: int = 0,
        fetch_dir: Path | None = None,
    ) -> None:
        self._gateway = gateway_at(run_dir, settings)
        self._fetch_dir = fetch_dir
        self._settings = settings
        self._loop = PollLoop()
        self._on_beat = on_beat
        name = registration.worker
        callbacks = Callbacks(name, on_requests, on_cancel, on_notification, on_state)
        self._membership = Membership(self._gateway, registration, settings, callbacks, self._loop)
        self._membership.watching.history = history
        self._thread = threading.Thread(target=self._run, name="fabric", daemon=True)
        self._changing = threading.Lock()
        self._topics: set[str] = set()
        self._stopping = False
        self._ended = False

    def start(self, timeout: float = 10.0) -> None:
        """Return when every reachable acceptor granted and confirmed the subscriptions.

        Raises AlreadyRegistered, naming the holder, or FabricError if there is no gateway.
        """
        if not self._gateway.is_there:
            raise self._gateway.nobody()
        self._loop.open()
        if self._gateway.is_remote and self._fetch_dir is not None:
            self._membership.fetch_into(self._fetch_dir, self._settings.shared_spool)
        self._thread.start()
        in_time = self._membership.settled.wait(timeout)
        if in_time and self._membership.error is None:
            return
        self.stop()
        late = f"its acceptors do not grant within {timeout:g} s"
        if self._gateway.is_remote:
            raise self._membership.error or self._membership.nobody(late)
        raise self._membership.error or FabricError(f"no gateway at {self._gateway}: {late}")

    def answer(self, token: str, answer: terms.Answer) -> bool:
        """Answer a request; False if nobody awaits it any more.

        Each request needs one final answer, also after a cancel: it gives the credit back. An
        answer that is not final blocks until there is credit for it. Raises FabricError for what
        is too large or cannot be encoded; the request can then still be answered otherwise.
        """
        return self._membership.received.answer(token, answer)

    def answer_stream(self, token: str, answers: Sequence[terms.Answer]) -> bool:
        """Give answers to one request, none of them final, in as few messages as credit allows.

        Blocks until there is credit for all of them. False if nobody awaits them any more. Raises
        FabricError as `answer` does.
        """
        return self._membership.received.answer_stream(token, answers)

    def offer(self, token: str, answers: Sequence[terms.Answer]) -> int:
        """Give answers to one request, none of them final, as far as there is credit at once.

        Returns how many were given. Raises FabricError as `answer` does.
        """
        return self._membership.received.offer(token, answers)

    def answer_many(self, answers: Sequence[tuple[str, terms.Answer]]) -> None:
        """Give the final answers to several requests, those of one acceptor in one message.

        Raises FabricError, and none of them is sent, if they are too large together or one of them
        cannot be encoded.
        """
        self._membership.received.answer_many(answers)

    def extend(self, token: str) -> None:
        """Restart the deadline of a request in hand: its handler is waiting for a third party."""
        held = self._membership.received.get(token)
        if held is not None and not held.closed:
            held.link.offer(Extend(token))

    def command(
        self,
        acceptor: str,
        association: str,
        operation: str,
        payload: dict[str, Any],
        *,
        data: bytes | memoryview | None = None,
        timeout: float,
    ) -> PendingCommand:
        """Send an acceptor a command to one of its associations; iterate over the results.

        `timeout`: seconds to each result. A result with *error* says why the command failed.
        Raises FabricError if there is no such acceptor or the command cannot be encoded.
        """
        if threading.current_thread() is self._thread:
            raise FabricError("a command cannot be sent from the client's own thread")
        link = self._membership.links.get(acceptor)
        if link is None or not link.lease:
            raise FabricError(f"no lease of acceptor {acceptor!r}")
        return self._membership.commands.begin(link, association, operation, payload, data, timeout)

    def register(
        self,
        bindings: Iterable[terms.Binding] | None = None,
        sends: Iterable[str] | None = None,
        timeout: float = 5.0,
        *,
        credit: int | None = None,
    ) -> None:
        """Hold these events from now on, and no others, with this credit; None: as before.

        `sends`: the SOP classes for which requests are sent.

        Returns when every acceptor agreed; raises AlreadyRegistered, and what was held before
        stands, if one of them did not.
        """
        with self._changing:
            before = self._membership.registration
            after = replace(
                before,
                bindings=before.bindings if bindings is None else tuple(bindings),
                sends=before.sends if sends is None else tuple(sends),
                credit=before.credit if credit is None else credit,
            )
            if not self._thread.is_alive():
                self._membership.registration = after
                return
            change = BindingChange(before)
            self._loop.call(lambda: self._membership.change(after, change))
            if threading.current_thread() is self._thread:
                return
            if not change.done.wait(timeout):
                raise FabricError(f"no answer to a change of bindings within {timeout:g} s")
            if change.error is not None:
                raise change.error

    def subscribe(self, topic: str, timeout: float = 5.0) -> None:
        """Watch a topic; returns when every acceptor confirmed it (`start`, if not yet started)."""
        if topic not in NOTIFICATIONS:
            raise FabricError(f"{topic!r} is not a notification event")
        self._follow(self._topics | {topic}, timeout)

    def unsubscribe(self, topic: str) -> None:
        """Stop watching a topic."""
        self._follow(self._topics - {topic}, 0.0)

    def publish(self, acceptor: str, topic: str, body: dict[str, Any], assoc: bytes = b"") -> bool:
        """Have an acceptor publish a notification.

        False if there is no such acceptor or it does not read: a notification may be lost. Raises
        FabricError for a body that cannot be decoded there: the mistake must show where it is made.
        """
        if topic not in NOTIFICATIONS:
            raise FabricError(f"{topic!r} is not a notification event")
        unpack(pack(body))
        link = self._membership.links.get(acceptor)
        return link is not None and link.offer(Publish(topic, body, assoc))

    def is_watched(self, acceptor: str, topic: str) -> bool:
        """Whether anybody watches the topic there, as of the last request; True if not known."""
        link = self._membership.links.get(acceptor)
        watched = None if link is None else link.watched
        return watched is None or topic in watched

    @property
    def acceptors(self) -> list[str]:
        """Names of the acceptors that granted."""
        links = self._membership.links
        return [name for name, n in links.items() if n.lease]

    def leave(self) -> None:
        """Take no more requests (BYE); those in hand can be answered until `stop`."""
        self._loop.call(self._membership.leave)

    def stop(self, *, bye: bool = True) -> None:
        """End the thread; without `bye` the lease ends as by a death."""
        if self._thread.ident is None or self._stopping:
            return
        self._stopping = True
        self._loop.call(lambda: self._end(bye=bye))
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _end(self, *, bye: bool) -> None:
        if bye:
            self._membership.leave()
        self._ended = True

    def _follow(self, topics: set[str], timeout: float) -> None:
        self._topics = topics
        membership = self._membership
        running = self._thread.is_alive()
        if not running:
            membership.watching.topics = set(topics)
            return
        self._loop.call(lambda: membership.follow(set(topics)))
        if timeout and threading.current_thread() is not self._thread:
            with membership.watching.news:
                confirmed = membership.watching.news.wait_for(
                    lambda: all(topics <= n.confirmed for n in membership.links.values()), timeout
                )
            if not confirmed:
                raise FabricError(f"no subscription was confirmed within {timeout:g} s")

    def _run(self) -> None:
        """Run the client's thread."""
        membership = self._membership
        due = 0.0
        try:
            membership.open()
            while not self._ended:
                now = time.monotonic()
                if now >= due:
                    due = membership.beat(now)
                    self._on_beat()
                self._loop.turn(due - time.monotonic())
        except Exception:  # a bug: the thread ends, and the membership says so
            logger.exception("client failed worker=%s", membership.registration.worker)
            membership.abort()
        finally:
            self._let_be_read()
            membership.close()
            self._loop.close()

    def _let_be_read(self) -> None:
        """Wait until every living acceptor has read the last answers, for at most `LINGER`."""
        until = time.monotonic() + LINGER
        self._membership.finish()
        while not self._membership.is_read() and (left := until - time.monotonic()) > 0:
            self._loop.turn(min(left, _LOOK))
