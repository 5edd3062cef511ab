"""The worker's end of commands to associations."""

from __future__ import annotations

import secrets
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from gateway.errors import FabricError
from gateway.fabric.wire.envelopes import Command, CommandCancel, CommandResult, Envelope
from gateway.fabric.wire.frames import MAX_DATA, check_size
from gateway.fabric.wire.terms import Answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from gateway.fabric.worker.link import Link


class PendingCommand:
    """The results of one command as an iterator; the last one is `final`.

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
        """Stop waiting for results; tell the acceptor if the command is still open."""
        if self._open:
            self._end()
            self.link.post(CommandCancel(self._name))

    def put(self, result: Answer | FabricError) -> None:
        self._results.put(result)

    def _end(self) -> None:
        self._open = False
        self._forget(self._name)


class PendingCommands:
    """The open commands of a client: any thread begins them, the client's takes results."""

    def __init__(self) -> None:
        self._open: dict[str, PendingCommand] = {}
        self.take: dict[type[Envelope], Callable[[Link, Any, Any], None]] = {
            CommandResult: self._on_result
        }

    def begin(
        self,
        link: Link,
        association: str,
        operation: str,
        payload: dict[str, Any],
        data: bytes | memoryview | None,
        timeout: float,
    ) -> PendingCommand:
        """Send the command; raises FabricError if it cannot be encoded or is too large."""
        check_size(len(data or b""), link.max_data or MAX_DATA)
        name = secrets.token_hex(8)
        pending = PendingCommand(name, link, timeout, self._forget)
        self._open[name] = pending
        try:
            link.post(Command(name, association, operation, payload), data)
        except FabricError:
            self._forget(name)
            raise
        if not link.lease:  # the lease was lost meanwhile: nothing else would end the command
            self.lose(link)
        return pending

    def lose(self, link: Link) -> None:
        """End the commands of a lease that is gone: no result will come."""
        for pending in list(self._open.values()):
            if pending.link is link:
                pending.put(FabricError(f"{link.name} is lost"))

    def _on_result(self, _link: Link, result: CommandResult, data: memoryview | None) -> None:
        pending = self._open.get(result.command)
        if pending is not None:
            whole = None if data is None else bytes(data)
            pending.put(Answer(result.payload, whole, result.final))

    def _forget(self, name: str) -> None:
        self._open.pop(name, None)
