"""The worker's end of calls: have an acceptor do something on an association."""

from __future__ import annotations

import secrets
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from gateway.errors import FabricError
from gateway.fabric.envelope import Envelope, HangUp, Invoke, Result
from gateway.fabric.framing import MAX_DATA
from gateway.fabric.model import Answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from gateway.fabric.link import Link


class Invocation:
    """The results of one call as an iterator; the last one is `final`.

    Waiting for one raises FabricError after `timeout` seconds, or if the acceptor is lost.
    """

    def __init__(
        self, name: str, link: Link, timeout: float, forget: Callable[[str], None]
    ) -> None:
        self.link = link
        self.timeout = timeout
        self._name = name
        self._forget = forget
        self._results: SimpleQueue[Answer | FabricError] = SimpleQueue()
        self._open = True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Answer:
        if not self._open:
            raise StopIteration
        try:
            result = self._results.get(timeout=self.timeout)
        except Empty:
            self.close()
            raise FabricError(f"{self.link.name} gave no result in {self.timeout:g} s") from None
        if isinstance(result, FabricError):
            self._end()
            raise result
        if result.final:
            self._end()
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Await no more; the acceptor is told if it is still at it."""
        if self._open:
            self._end()
            self.link.post(HangUp(self._name))

    def put(self, result: Answer | FabricError) -> None:
        self._results.put(result)

    def _end(self) -> None:
        self._open = False
        self._forget(self._name)


class Invoker:
    """The open calls of a client: begun by any thread, answered by the client's."""

    def __init__(self) -> None:
        self._open: dict[str, Invocation] = {}
        self.take: dict[type[Envelope], Callable[[Link, Any, Any], None]] = {
            Result: self._on_result
        }

    def begin(
        self,
        link: Link,
        association: str,
        operation: str,
        payload: dict[str, Any],
        data: bytes | memoryview | None,
        timeout: float,
    ) -> Invocation:
        """Send the call; raises FabricError if it cannot be encoded or is too large."""
        if data is not None and len(data) > MAX_DATA:
            raise FabricError(f"data of {len(data)} bytes, {MAX_DATA} are the limit")
        name = secrets.token_hex(8)
        call = Invocation(name, link, timeout, self._forget)
        self._open[name] = call
        try:
            link.post(Invoke(name, association, operation, payload), data)
        except FabricError:
            self._forget(name)
            raise
        if not link.lease:  # lost meanwhile: nobody else would say so
            self.lose(link)
        return call

    def lose(self, link: Link) -> None:
        """The lease is gone, and no result will come."""
        for call in list(self._open.values()):
            if call.link is link:
                call.put(FabricError(f"{link.name} is lost"))

    def _on_result(self, _link: Link, result: Result, data: memoryview | None) -> None:
        call = self._open.get(result.call)
        if call is not None:
            whole = None if data is None else bytes(data)
            call.put(Answer(result.payload, whole, result.final))

    def _forget(self, name: str) -> None:
        self._open.pop(name, None)
