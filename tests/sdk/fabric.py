"""An acceptor's end of the fabric on a loop in a thread, for tests that are not asynchronous."""

from __future__ import annotations

import asyncio
import queue
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gateway.fabric.acceptor import Server
from gateway.fabric.wire.terms import Registration
from gateway.fabric.worker.client import Client
from gateway.settings import FabricSettings
from tests.patience import PATIENCE, WALL

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = FabricSettings(heartbeat=0.2 * PATIENCE, lease_grace=5.0 * PATIENCE)
WAIT = WALL


class Acceptor:
    """A running fabric server that tests ask and publish with."""

    def __init__(self, run_dir, index=0, **more):
        self.run_dir = run_dir
        self.server = Server(SETTINGS, run_dir, index, **more)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)

    def start(self):
        self._thread.start()
        self.run(self.server.start())

    def stop(self):
        self.run(self.server.stop(1.0))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(WAIT)
        self.loop.close()

    def begin(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine):
        return self.begin(coroutine).result(WAIT)

    def call(self, function, *args):
        async def call():
            return function(*args)

        return self.run(call())

    def asking(self, event, payload, *, assoc=b"", data=None):
        """A future of the answer."""
        return self.begin(self.server.ask_once(event, payload, assoc=assoc, data=data))

    def ask(self, event, payload, **more):
        return self.asking(event, payload, **more).result(WAIT)

    def publish(self, topic, body, assoc=b""):
        self.call(self.server.publish, topic, body, assoc)


@contextmanager
def acceptor(run_dir, **more) -> Iterator[Acceptor]:
    made = Acceptor(run_dir, **more)
    made.start()
    try:
        yield made
    finally:
        made.stop()


class Watcher:
    """The notifications of some topics, in order."""

    def __init__(self, run_dir, *topics):
        self.told = queue.SimpleQueue()
        self._client = Client(
            run_dir,
            Registration("watcher", 1, 0, 1),
            settings=SETTINGS,
            on_requests=lambda requests: None,
            on_cancel=lambda token, why: None,
            on_notification=self.told.put,
            on_state=lambda *state: None,
        )
        for topic in topics:
            self._client.subscribe(topic)
        self._client.start(WAIT)

    def next(self):
        """The next notification that is not about the watcher itself."""
        while (told := self.told.get(timeout=WAIT)).body.get("worker") == "watcher":
            """It may see itself come up."""
        return told

    def stop(self):
        self._client.stop()


def echo(message_id=1):
    return {
        "request": {"MessageID": message_id, "AffectedSOPClassUID": "1.2.840.10008.1.1"},
        "context": [1, "1.2.840.10008.1.1", "1.2.840.10008.1.2"],
        "message_id": message_id,
    }
