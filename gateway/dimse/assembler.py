"""Assemble messages from parts of PDVs (PS3.7 6.3.1, PS3.8 annex E).

A command set is collected, up to 64 KiB. A data set is passed on part by part, so memory does not
depend on its size. One message is received at a time: fragments of two messages must not be
interleaved on an association (PS3.8 E.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.dimse.command_set import LIMIT
from gateway.dimse.errors import MessageError, abort
from gateway.dimse.message import Message, decode

if TYPE_CHECKING:
    from gateway.ul.primitives import PDataPart


@dataclass(slots=True)
class MessageBegun:
    """The command set of a message is complete; its data set, if any, follows."""

    context_id: int
    message: Message
    has_data_set: bool
    command_set: bytes


@dataclass(slots=True)
class MessageFailed:
    """A request that can only be answered with a failure, in place of MessageBegun.

    Its data set, if any, follows and must be discarded.
    """

    context_id: int
    error: MessageError
    has_data_set: bool
    command_set: bytes


@dataclass(slots=True)
class DataFragment:
    """A part of the data set; not frozen, because there is one for each read of the socket."""

    context_id: int
    data: memoryview
    """Valid until the next `receive_data`."""


@dataclass(slots=True)
class MessageEnded:
    """The message is complete."""

    context_id: int


AssemblerEvent = MessageBegun | MessageFailed | DataFragment | MessageEnded


class Assembler:
    """Assembles the messages of one association."""

    def __init__(self) -> None:
        self._context_id: int | None = None
        self._in_data_set = False
        self._command = bytearray()
        self._received = 0

    @property
    def is_open(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._context_id is not None

    def begin_data_set(self, context_id: int) -> None:
        """Begin a message whose command set needs no decoding; only while none is open."""
        self._context_id, self._in_data_set = context_id, True

    def takes_data(self, part: PDataPart) -> bool:
        """Return whether the part belongs to the data set, and process it if it does.

        `receive` must not be called for it then; if it is the last part, the message has ended.
        """
        if not self._in_data_set or part.context_id != self._context_id or part.command:
            return False
        if part.last:
            self._context_id, self._in_data_set = None, False
        return True

    def receive(self, part: PDataPart) -> tuple[AssemblerEvent, ...]:
        """Process a part of a PDV; raises RemoteProtocolError if the association must abort."""
        if part.context_id != self._context_id:
            self._open(part)
        if part.command:
            return self._receive_command(part)
        if not self._in_data_set:
            raise abort("data set fragment where a command set fragment was expected")
        return self._receive_data(part)

    def _open(self, part: PDataPart) -> None:
        if self._context_id is not None:
            raise abort(
                f"fragment on context {part.context_id} within a message on {self._context_id}"
            )
        if not part.command:
            raise abort("data set fragment without a command set")
        self._context_id = part.context_id

    def _receive_command(self, part: PDataPart) -> tuple[AssemblerEvent, ...]:
        if self._in_data_set:
            raise abort("command set fragment within a data set")
        # An empty fragment counts as a byte, because a peer could send any number of them.
        self._received += len(part.data) or 1
        if self._received > LIMIT:
            raise abort(f"command set of more than {LIMIT} bytes")
        if not part.last:
            self._command += part.data
            return ()
        command_set = bytes(self._command + part.data) if self._command else bytes(part.data)
        self._command, self._received = bytearray(), 0
        begun = _begin(part.context_id, command_set)
        self._in_data_set = begun.has_data_set
        if begun.has_data_set:
            return (begun,)
        self._context_id = None
        return (begun, MessageEnded(part.context_id))

    def _receive_data(self, part: PDataPart) -> tuple[AssemblerEvent, ...]:
        if not part.last:
            return (DataFragment(part.context_id, part.data),) if part.data else ()
        self._context_id, self._in_data_set = None, False
        ended = MessageEnded(part.context_id)
        return (DataFragment(part.context_id, part.data), ended) if part.data else (ended,)


def _begin(context_id: int, command_set: bytes) -> MessageBegun | MessageFailed:
    try:
        message, has_data_set = decode(command_set)
    except MessageError as error:
        return MessageFailed(context_id, error, error.has_data_set, command_set)
    return MessageBegun(context_id, message, has_data_set, command_set)
