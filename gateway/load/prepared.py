"""Messages encoded once, into which new values are inserted for each operation.

This is the hot path of the generator. The P-DATA-TF PDUs of a message are encoded once for each
template, context and maximum length of the peer. Everything that differs between two instances is
in the first few kilobytes, because a command set and UIDs come first. So a message costs one join
of that beginning, whatever its size; the rest is shared between all instances.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.association.outbox import grouped
from gateway.dimse.fragmenter import fragment
from gateway.dimse.message import CStoreRQ
from gateway.load.instance_identity import MESSAGE_ID_PLACEHOLDER, PLACEHOLDER, Field, tokens
from gateway.load.template import Pieces

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.dimse.message import Request
    from gateway.load.template import Template

_CHUNK = 1 << 20
"""Bytes in one write to the association."""

_MESSAGE_ID = {Field.MESSAGE_ID: tokens("")[Field.MESSAGE_ID]}


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """A command set and a data set with placeholders."""

    context_id: int
    command: bytes
    data: bytes | None
    head: int
    """The length of the part of the data set that has placeholders."""
    places: Mapping[Field, bytes]


class PreparedMessage:
    """The PDUs of a message for one maximum length, with places for values."""

    def __init__(self, message: MessageTemplate, limit: int) -> None:
        self._message, self._limit = message, limit
        data = message.data or b""
        stream = b"".join(fragment(message.context_id, message.command, message.data, limit))
        # A PDU has 12 bytes of headers. With a limit of 64 or more, at least half of it is content,
        # so the placeholders are within twice the length of what has them.
        within = 2 * (len(message.command) + message.head) + 64
        head = stream[:within] if limit == 0 or limit >= 64 else stream
        self._head = Pieces(head, message.places)
        tail = memoryview(stream)[len(head) :]
        self._tail = [bytes(tail[at : at + _CHUNK]) for at in range(0, len(tail), _CHUNK)]
        self._command = Pieces(message.command, message.places)
        self._beginning = Pieces(data[: message.head], message.places)
        # A placeholder that is split between two PDUs is not found: encode the PDUs each time.
        self._is_split = self._head.count != self._command.count + self._beginning.count
        self.size = len(stream)
        """Length of all PDUs in bytes."""

    def groups(self, values: Mapping[Field, bytes]) -> list[list[bytes]]:
        """Return the PDUs with these values, in groups that are written together."""
        if self._is_split:
            return self._encode_again(values)
        head, tail = self._head.render(values), self._tail
        if not tail:
            return [[head]]
        return [[head, tail[0]], *([piece] for piece in tail[1:])]

    def _encode_again(self, values: Mapping[Field, bytes]) -> list[list[bytes]]:
        message = self._message
        data = None
        if message.data is not None:
            data = self._beginning.render(values) + message.data[message.head :]
        command = self._command.render(values)
        return list(grouped(fragment(message.context_id, command, data, self._limit)))


def store(template: Template, context_id: int, limit: int, root: str) -> PreparedMessage:
    """Prepare a C-STORE-RQ (PS3.7 9.3.1.1)."""
    uid = template.own_uid or PLACEHOLDER.instance_uid(root)
    request = CStoreRQ(MESSAGE_ID_PLACEHOLDER, template.sop_class_uid, uid)
    places = _MESSAGE_ID if template.own_uid else tokens(root)
    command = request.encode(has_data_set=True)
    return PreparedMessage(
        MessageTemplate(context_id, command, template.data, template.head, places), limit
    )


def plain(request: Request, context_id: int, data: bytes | None, limit: int) -> PreparedMessage:
    """Prepare a request of which only the message ID changes."""
    command = request.encode(has_data_set=data is not None)
    return PreparedMessage(MessageTemplate(context_id, command, data, 0, _MESSAGE_ID), limit)
