"""The acceptor's end of calls: what workers want done on an association."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from gateway.errors import FabricError
from gateway.fabric.envelope import Invoke, Result
from gateway.fabric.framing import MAX_DATA

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_OPEN = 1024
"""Calls of one member that are open."""


class Trouble(Enum):
    """Why a call came to nothing."""

    ENDED = "ended"
    """There is no such association (any more), or it ended meanwhile."""
    TIMEOUT = "timeout"
    """The peer did not respond in time."""
    CONTEXT = "context"
    """The presentation context is not accepted, or not for this role."""
    INVALID = "invalid"
    """The call itself is wrong."""
    REFUSED = "refused"
    """The worker has no lease, too many calls are open, or this acceptor takes none."""


@dataclass(eq=False, slots=True)
class WorkerCall:
    """One call of a worker; whoever takes it owes it a final `reply`."""

    association: str
    operation: str
    payload: dict[str, Any]
    data: bytes | None
    send: Callable[[dict[str, Any], bytes | None, bool], None] = field(repr=False)
    gone: Callable[[], None] | None = None
    """To be set by whoever takes the call: called once if the worker awaits it no longer."""
    closed: bool = False
    """The final reply was given, or the worker awaits it no longer."""

    def reply(
        self, payload: dict[str, Any], data: bytes | None = None, *, final: bool = True
    ) -> None:
        """Tell the worker what came of it; dropped if nobody awaits it any more.

        Raises FabricError for what cannot be encoded or is too large; the call is then still open.
        """
        if not self.closed:
            self.send(payload, data, final)

    def fail(self, trouble: Trouble, text: str) -> None:
        """The call came to nothing."""
        self.reply({"error": text, "kind": trouble.value})


class Invocations:
    """The open calls of all members; `send` takes a peer, an envelope and a data set."""

    def __init__(self, send: Callable[[bytes, Result, bytes | None], None]) -> None:
        self._send = send
        self._open: dict[tuple[bytes, str], WorkerCall] = {}
        self._counts: Counter[bytes] = Counter()
        self.on_call: Callable[[WorkerCall], None] | None = None

    def take(self, peer: bytes, invoke: Invoke, data: bytes | None, *, member: bool) -> None:
        """Hand the call on, or say why not; `member`: the peer has a lease."""
        key = (peer, invoke.call)

        def send(payload: dict[str, Any], data: bytes | None, final: bool) -> None:
            self._reply(key, payload, data, final=final)

        call = WorkerCall(invoke.association, invoke.operation, invoke.payload, data, send)
        if not member:
            call.fail(Trouble.REFUSED, "a worker without a lease cannot call")
        elif self.on_call is None:
            call.fail(Trouble.REFUSED, "this acceptor takes no calls")
        elif key in self._open or self._counts[peer] >= MAX_OPEN:
            call.fail(Trouble.REFUSED, "the call is open already, or too many are")
        else:
            self._open[key] = call
            self._counts[peer] += 1
            self.on_call(call)

    def hang_up(self, peer: bytes, name: str) -> None:
        """The worker awaits no more of it."""
        if (call := self._remove((peer, name))) is not None and call.gone is not None:
            call.gone()

    def lose(self, peer: bytes, text: str = "the lease has ended") -> None:
        """The member is gone; in case that it is not, it is told."""
        for key in [key for key in self._open if key[0] == peer]:
            call = self._open[key]
            call.fail(Trouble.REFUSED, text)
            if call.gone is not None:
                call.gone()

    def close(self) -> None:
        """The acceptor leaves."""
        for peer in list(self._counts):
            self.lose(peer, "the acceptor leaves")

    def _reply(
        self, key: tuple[bytes, str], payload: dict[str, Any], data: bytes | None, *, final: bool
    ) -> None:
        if data is not None and len(data) > MAX_DATA:
            raise FabricError(f"data of {len(data)} bytes, {MAX_DATA} are the limit")
        self._send(key[0], Result(key[1], final, payload), data)
        if final:
            self._remove(key)

    def _remove(self, key: tuple[bytes, str]) -> WorkerCall | None:
        call = self._open.pop(key, None)
        if call is not None:
            call.closed = True
            self._counts[key[0]] -= 1
            if not self._counts[key[0]]:
                del self._counts[key[0]]
        return call
