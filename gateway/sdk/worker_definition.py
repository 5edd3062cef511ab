"""A worker: a name, and the handlers that are bound to events under it."""

from __future__ import annotations

import re
import threading
from typing import (
    TYPE_CHECKING,
    Any,
    NotRequired,
    Protocol,
    Required,
    TypeAlias,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

from gateway.events import (
    DEADLINE,
    NegotiationEvent,
    NotificationEvent,
    PairEvent,
    QueryEvent,
    RetrieveEvent,
    StatusEvent,
    TransformEvent,
)
from gateway.sdk import bound_handler
from gateway.sdk.bound_handler import AnyEvent, AnyHandler, BoundHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from os import PathLike

    from gateway.sdk.bound_handler import (
        AnyBatchHandler,
        EventTest,
        PairAnswer,
        PairHandler,
        QueryAnswer,
        QueryHandler,
        RetrieveAnswer,
        RetrieveHandler,
        StatusAnswer,
        StatusBatch,
        StatusBatchHandler,
        StatusHandler,
        Watcher,
    )
    from gateway.sdk.worker_context import WorkerContext

    StatusH = TypeVar("StatusH", bound=StatusHandler)
    PairH = TypeVar("PairH", bound=PairHandler)
    QueryH = TypeVar("QueryH", bound=QueryHandler)
    RetrieveH = TypeVar("RetrieveH", bound=RetrieveHandler)
    WatcherH = TypeVar("WatcherH", bound=Watcher)
    StatusBatchH = TypeVar("StatusBatchH", bound=StatusBatchHandler)
    BatchH = TypeVar("BatchH", bound=AnyBatchHandler)
    Hook = TypeVar("Hook", bound=Callable[[], Any])
    ReloadHook: TypeAlias = Callable[[Mapping[str, Any]], Callable[[], None]]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_CONCURRENCY = 1024


class HandlerOptions(TypedDict, total=False):
    """The options of a handler's registration; see `Worker.bind`."""

    redeliver: bool
    durable: bool
    deadline: float
    sop_classes: Iterable[str] | None
    sends: Iterable[str]


class BatchOptions(HandlerOptions):
    """The options of a batch handler's registration; see `Worker.bind`."""

    batch: Required[int]
    alone: NotRequired[EventTest | None]


class Follower(Protocol):
    """An observer that must know when a running worker is bound to other events."""

    def rebind(self) -> None:
        """Register what is bound now; raises FabricError if that is refused."""


class Worker:
    """Handlers under one name, which holds the leases on their intervention events.

    Raises ValueError for a name that is not 1 to 64 letters, digits, dots, dashes or underscores,
    or a concurrency outside of 1 to 1024.
    """

    def __init__(self, name: str, concurrency: int = 8) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(
                f"a worker's name is 1 to 64 letters, digits, dots, dashes or underscores "
                f"and begins with a letter or digit, not {name!r}"
            )
        if not 1 <= concurrency <= _MAX_CONCURRENCY:
            raise ValueError(f"concurrency is 1 to {_MAX_CONCURRENCY}, not {concurrency!r}")
        self.name = name
        self.concurrency = concurrency
        """Requests that each of its processes may have in hand at once."""
        self.start_hooks: list[Callable[[], Any]] = []
        self.stop_hooks: list[Callable[[], Any]] = []
        self.reload_hooks: list[ReloadHook] = []
        self._context: WorkerContext | None = None
        self._bound: dict[str, tuple[BoundHandler, ...]] = {}
        self._lock = threading.RLock()
        self._follower: Follower | None = None

    def __repr__(self) -> str:
        return f"<Worker {self.name}: {', '.join(sorted(self._bound)) or 'nothing bound'}>"

    @property
    def context(self) -> WorkerContext:
        """The worker's gateway, set before the start hooks run; RuntimeError before that."""
        if self._context is None:
            raise RuntimeError(f"worker {self.name} has no context before it is started")
        return self._context

    @context.setter
    def context(self, context: WorkerContext) -> None:
        self._context = context

    @overload
    def on(
        self, event: StatusEvent | TransformEvent, **how: Unpack[HandlerOptions]
    ) -> Callable[[StatusH], StatusH]: ...
    @overload
    def on(self, event: PairEvent, **how: Unpack[HandlerOptions]) -> Callable[[PairH], PairH]: ...
    @overload
    def on(
        self, event: QueryEvent, **how: Unpack[HandlerOptions]
    ) -> Callable[[QueryH], QueryH]: ...
    @overload
    def on(
        self, event: RetrieveEvent, **how: Unpack[HandlerOptions]
    ) -> Callable[[RetrieveH], RetrieveH]: ...
    @overload
    def on(
        self, event: NotificationEvent | NegotiationEvent, **how: Unpack[HandlerOptions]
    ) -> Callable[[WatcherH], WatcherH]: ...
    @overload
    def on(
        self, event: StatusEvent | TransformEvent, **how: Unpack[BatchOptions]
    ) -> Callable[[StatusBatchH], StatusBatchH]: ...
    @overload
    def on(
        self, event: PairEvent | NegotiationEvent, **how: Unpack[BatchOptions]
    ) -> Callable[[BatchH], BatchH]: ...
    def on(  # noqa: PLR0913 - how it is registered
        self,
        event: AnyEvent,
        *,
        redeliver: bool = False,
        durable: bool = False,
        deadline: float = DEADLINE,
        batch: int = 0,
        sop_classes: Iterable[str] | None = None,
        sends: Iterable[str] = (),
        alone: EventTest | None = None,
    ) -> Callable[[Any], Any]:
        """Bind the decorated function to `event`; see `bind`."""
        classes = _classes(sop_classes, sends)

        def decorate(handler: AnyHandler) -> AnyHandler:
            how = redeliver, durable, deadline, batch, *classes, alone
            self._add(BoundHandler(event, handler, (), *how))
            return handler

        return decorate

    @overload
    def bind(
        self,
        event: StatusEvent | TransformEvent,
        handler: Callable[..., StatusAnswer],
        args: Sequence[Any] | None = None,
        **how: Unpack[HandlerOptions],
    ) -> None: ...
    @overload
    def bind(
        self,
        event: PairEvent,
        handler: Callable[..., PairAnswer],
        args: Sequence[Any] | None = None,
        **how: Unpack[HandlerOptions],
    ) -> None: ...
    @overload
    def bind(
        self,
        event: QueryEvent,
        handler: Callable[..., QueryAnswer],
        args: Sequence[Any] | None = None,
        **how: Unpack[HandlerOptions],
    ) -> None: ...
    @overload
    def bind(
        self,
        event: RetrieveEvent,
        handler: Callable[..., RetrieveAnswer],
        args: Sequence[Any] | None = None,
        **how: Unpack[HandlerOptions],
    ) -> None: ...
    @overload
    def bind(
        self,
        event: NotificationEvent | NegotiationEvent,
        handler: AnyHandler,
        args: Sequence[Any] | None = None,
        **how: Unpack[HandlerOptions],
    ) -> None: ...
    @overload
    def bind(
        self,
        event: StatusEvent | TransformEvent,
        handler: Callable[..., StatusBatch],
        args: Sequence[Any] | None = None,
        **how: Unpack[BatchOptions],
    ) -> None: ...
    @overload
    def bind(
        self,
        event: PairEvent | NegotiationEvent,
        handler: AnyHandler,
        args: Sequence[Any] | None = None,
        **how: Unpack[BatchOptions],
    ) -> None: ...
    def bind(  # noqa: PLR0913 - how it is registered
        self,
        event: AnyEvent,
        handler: AnyHandler,
        args: Sequence[Any] | None = None,
        *,
        redeliver: bool = False,
        durable: bool = False,
        deadline: float = DEADLINE,
        batch: int = 0,
        sop_classes: Iterable[str] | None = None,
        sends: Iterable[str] = (),
        alone: EventTest | None = None,
    ) -> None:
        """Call `handler(event, *args)` for each `event`; works while the worker runs, too.

        Args:
            event: One of `gateway.evt`.
            handler: A function, a coroutine function or, for C-FIND, C-GET and C-MOVE, a generator
                function or an asynchronous one.
            args: What it is called with after the event.
            redeliver: It may be given a request that another member had in hand when it died.
            durable: The data set of a C-STORE is on disk before it is offered.
            deadline: Seconds for each answer.
            batch: Call `handler(events, *args)` with all requests that wait, at most this many, one
                call at a time. It returns a list with the answer to each, in their order. An
                exception in the list fails that one; an exception that is raised fails all of them.
                If the handler is a generator function, it may yield once, and returns the list at
                its end: the next call then runs up to its own `yield` at the same time, and what is
                behind runs in the order of the calls.
                Not for C-FIND, C-GET and C-MOVE. The worker's concurrency limits the size of a
                batch.
            sop_classes: UIDs of the SOP classes whose requests it takes: the abstract syntaxes of
                presentation contexts. Several workers can so share an event. Without the list it
                takes every SOP class whose service has the operation (PS3.4), except those that
                another worker names; for EVT_C_STORE with private ones. Not for negotiation events
                and notifications.
            sends: UIDs of SOP classes for which the worker sends requests on the peer's
                association, so that contexts of them are accepted although no handler takes any.
            alone: With `batch`: a function that tells the events whose work may take long. They
                come one by one, each in a list of its own, while batches of the others go on.

        Raises TypeError or ValueError for what can never work, and FabricError if the worker runs
        and another one holds the event for one of the SOP classes, or both name none.
        """
        how = redeliver, durable, deadline, batch, *_classes(sop_classes, sends), alone
        self._add(BoundHandler(event, handler, tuple(args or ()), *how))

    def unbind(self, event: AnyEvent, handler: AnyHandler) -> None:
        """No longer call `handler` for `event`; nothing happens if it is not bound."""
        with self._lock:
            kept = tuple(b for b in self._bound.get(event.name, ()) if b.function != handler)
            self._set(event.name, kept)

    def get_events(self) -> list[AnyEvent]:
        """Return the events that something is bound to, by name."""
        return [bound[0].event for _, bound in sorted(self._bound.items())]

    def get_handlers(self, event: AnyEvent) -> Any:
        """Return an intervention event's `(handler, args or None)`, or a notification's list.

        An empty list if nothing is bound.
        """
        found = [(b.function, list(b.args) or None) for b in self._bound.get(event.name, ())]
        return found[0] if found and event.is_intervention else found

    def on_start(self, hook: Hook) -> Hook:
        """Call the decorated function before the worker registers; `context` is set."""
        self.start_hooks.append(hook)
        return hook

    def on_stop(self, hook: Hook) -> Hook:
        """Call the decorated function after the last answer; not if a handler still runs then."""
        self.stop_hooks.append(hook)
        return hook

    def on_reload(self, hook: ReloadHook) -> ReloadHook:
        """Call the decorated function with the options that another configuration has.

        It checks them, and raises ConfigError if the worker cannot work with them: then the whole
        configuration is refused. It returns a function that puts them in force. A worker whose own
        table has changed is replaced instead; the tables of stock workers are what is left.
        """
        self.reload_hooks.append(hook)
        return hook

    def run(
        self,
        run_dir: str | PathLike[str],
        *,
        data_dir: str | PathLike[str] = "gateway-data",
        options: dict[str, Any] | None = None,
        durable: bool = True,
    ) -> int:
        """Work for the gateway whose run directory this is until SIGTERM or SIGINT.

        Return the exit status; raise ConfigError or FabricError if the worker could not start.
        """
        from gateway.sdk.script import run

        return run(self, run_dir, data_dir=data_dir, options=options, durable=durable)

    def bound(self, event: str) -> tuple[BoundHandler, ...]:
        """Return the handlers bound to this event, without waiting for a running bind."""
        return self._bound.get(event, ())

    def bound_for(self, event: str, assoc: bytes) -> tuple[BoundHandler, ...]:  # noqa: ARG002 - all alike
        """Return the handlers for an event on the association that `assoc` describes."""
        return self.bound(event)

    def follow(self, follower: Follower | None) -> None:
        """Notify `follower` whenever another set of events is bound."""
        with self._lock:
            self._follower = follower

    def _add(self, new: BoundHandler) -> None:
        bound_handler.check(new)
        with self._lock:
            before = self.bound(new.event.name)
            if new in before and new.event.is_notification:
                return
            if before and new.event.is_intervention:
                raise ValueError(
                    f"{new.event} is answered by one handler, and worker {self.name} "
                    f"has bound {before[0].name} already"
                )
            self._set(new.event.name, (*before, new))

    def _set(self, event: str, bound: tuple[BoundHandler, ...]) -> None:
        before = self._bound
        self._bound = {**before, event: bound}
        if not bound:
            del self._bound[event]
        if self._follower is None or self._bound.get(event) == before.get(event):
            return
        try:
            self._follower.rebind()
        except Exception:
            self._bound = before
            raise


def _classes(
    sop_classes: Iterable[str] | None, sends: Iterable[str]
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    named = None if sop_classes is None else bound_handler.uids(sop_classes, "sop_classes")
    return named, bound_handler.uids(sends, "sends")
