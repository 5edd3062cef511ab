"""The acceptor's end of commands of workers to associations."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.fabric.wire.envelopes import Command, CommandResult
from gateway.fabric.wire.frames import check_size
from gateway.fabric.wire.terms import CommandFailure

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_OPEN = 1024
"""Open commands of one member at most."""


@dataclass(eq=False, slots=True)
class AssociationCommand:
    """One command of a worker; it needs exactly one final `reply`."""

    association: str
    operation: str
    payload: dict[str, Any]
    data: bytes | None
    send: Callable[[dict[str, Any], bytes | None, bool], None] = field(repr=False)
    gone: Callable[[], None] | None = None
    """Set by the function that takes the command; called once if the worker stops waiting."""
    closed: bool = False
    """Whether the final reply was given, or the worker does not wait for it any more."""

    def reply(
        self, payload: dict[str, Any], data: bytes | None = None, *, final: bool = True
    ) -> None:
        """Send a result to the worker; dropped if the worker does not wait for it any more.

        Raises FabricError for what cannot be encoded or is too large; the command stays open then.
        """
        if not self.closed:
            self.send(payload, data, final)

    def fail(self, failure: CommandFailure, text: str) -> None:
        """Tell the worker that the command failed."""
        self.reply({"error": text, "kind": failure.value})


class OpenCommands:
    """The open commands of all members; `send` takes a peer, an envelope and a data set."""

    def __init__(self, send: Callable[[bytes, CommandResult, bytes | None], None]) -> None:
        self._send = send
        self._open: dict[tuple[bytes, str], AssociationCommand] = {}
        self._counts: Counter[bytes] = Counter()
        self.on_command: Callable[[AssociationCommand], None] | None = None

    def take(self, peer: bytes, asked: Command, data: bytes | None, *, member: bool) -> None:
        """Hand the command on, or refuse it; `member`: whether the peer has a lease."""
        key = (peer, asked.command)

        def send(payload: dict[str, Any], data: bytes | None, final: bool) -> None:
            self._reply(key, payload, data, final=final)

        command = AssociationCommand(asked.association, asked.operation, asked.payload, data, send)
        if not member:
            command.fail(CommandFailure.REFUSED, "a worker without a lease cannot give commands")
        elif self.on_command is None:
            command.fail(CommandFailure.REFUSED, "this acceptor takes no commands")
        elif key in self._open or self._counts[peer] >= MAX_OPEN:
            command.fail(CommandFailure.REFUSED, "the command is open already, or too many are")
        else:
            self._open[key] = command
            self._counts[peer] += 1
            self.on_command(command)

    def cancel(self, peer: bytes, name: str) -> None:
        """End a command whose worker does not wait for results any more."""
        if (command := self._remove((peer, name))) is not None and command.gone is not None:
            command.gone()

    def lose(self, peer: bytes, text: str = "the lease has ended") -> None:
        """End the commands of a member whose lease has ended, and tell it in case it is alive."""
        for key in [key for key in self._open if key[0] == peer]:
            command = self._open[key]
            command.fail(CommandFailure.REFUSED, text)
            if command.gone is not None:
                command.gone()

    def close(self) -> None:
        """End every command: the acceptor is shutting down."""
        for peer in list(self._counts):
            self.lose(peer, "the acceptor is shutting down")

    def _reply(
        self, key: tuple[bytes, str], payload: dict[str, Any], data: bytes | None, *, final: bool
    ) -> None:
        check_size(len(data or b""))
        self._send(key[0], CommandResult(key[1], final, payload), data)
        if final:
            self._remove(key)

    def _remove(self, key: tuple[bytes, str]) -> AssociationCommand | None:
        command = self._open.pop(key, None)
        if command is not None:
            command.closed = True
            self._counts[key[0]] -= 1
            if not self._counts[key[0]]:
                del self._counts[key[0]]
        return command
