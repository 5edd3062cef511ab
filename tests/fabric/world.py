"""Real acceptors and clients over ipc, and ways to wait for what they do."""

from __future__ import annotations

import asyncio
import queue
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.fabric import (
    Answer,
    Binding,
    LeaseState,
    Notification,
    ReceivedIntervention,
    Registration,
)
from gateway.fabric.acceptor import Server
from gateway.fabric.worker import Client
from gateway.settings import FabricSettings
from tests.fabric.other_host import OtherHost, listening
from tests.patience import PATIENCE, WALL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

FAST = FabricSettings(heartbeat=0.2 * PATIENCE, lease_grace=5.0 * PATIENCE)
WAIT = WALL
ECHO = Binding("EVT_C_ECHO")
STORE = Binding("EVT_C_STORE", redeliver=True, durable=True)
FIND = Binding("EVT_C_FIND")

T = TypeVar("T")


class Member:
    """A client that writes down what it is told; requests are answered by the test or `reply`."""

    def __init__(
        self,
        run_dir: Path,
        *bindings: Binding,
        worker: str = "w",
        generation: int = 1,
        credit: int = 8,
        reply: Callable[[Member, ReceivedIntervention], None] | None = None,
        settings: FabricSettings = FAST,
    ) -> None:
        self.requests: queue.Queue[ReceivedIntervention] = queue.Queue()
        self.cancels: queue.Queue[tuple[str, str]] = queue.Queue()
        self.notifications: queue.Queue[Notification] = queue.Queue()
        self.states: queue.Queue[tuple[LeaseState, str]] = queue.Queue()
        self._reply = reply
        if isinstance(run_dir, OtherHost) and not settings.connect:
            settings = run_dir.connecting(settings, worker)
        self.client = Client(
            run_dir,
            Registration(worker, generation, 0, credit, bindings or (ECHO,)),
            settings=settings,
            on_requests=self._on_requests,
            on_cancel=lambda token, why: self.cancels.put((token, why)),
            on_notification=self.notifications.put,
            on_state=lambda state, detail: self.states.put((state, detail)),
        )

    def _on_requests(self, requests: list[ReceivedIntervention]) -> None:
        for request in requests:
            if self._reply is not None:
                self._reply(self, request)
            else:
                self.requests.put(request)

    def answer(self, request: ReceivedIntervention, **kw: Any) -> bool:
        return self.client.answer(request.token, Answer({"attempt": request.attempt}, **kw))

    async def start(self) -> Member:
        await asyncio.to_thread(self.client.start, WAIT)
        return self

    async def stop(self, *, bye: bool = True) -> None:
        await asyncio.to_thread(self.client.stop, bye=bye)


def echo(member: Member, request: ReceivedIntervention) -> None:
    member.client.answer(request.token, Answer({"status": 0}))


async def take(source: queue.Queue[T]) -> T:
    return await asyncio.to_thread(source.get, True, WAIT)


async def until(condition: Callable[[], bool], tick: threading.Event | None = None) -> None:
    """Give the loop its turns until the condition holds."""
    async with asyncio.timeout(WAIT):
        while not condition():
            await asyncio.to_thread((tick or threading.Event()).wait, 0.005)


@asynccontextmanager
async def acceptor(
    run_dir: Path, index: int = 0, settings: FabricSettings = FAST, **kw: Any
) -> AsyncIterator[Server]:
    server = Server(listening(settings, run_dir), run_dir, index, **kw)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def members(*some: Member) -> AsyncIterator[None]:
    try:
        for one in some:
            await one.start()
        yield
    finally:
        for one in some:
            await one.stop()
