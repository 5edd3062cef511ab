"""Requests as they leave: what goes to one member in one turn of the loop, in few messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.fabric.wire.envelopes import Requested
from gateway.fabric.wire.fields import RequestItem, SharedPart
from gateway.fabric.wire.frames import check_size, join_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.fabric.acceptor.effects import Delivery

BATCH = 64
"""Requests of one message; far more would only delay the first of them."""
BATCH_DATA = 1024 * 1024
"""Bytes of the data sets of one message that has more than one request."""


def cut(deliveries: list[Delivery]) -> Iterator[list[Delivery]]:
    """Return the requests of each message."""
    chunk: list[Delivery] = []
    total = 0
    for delivery in deliveries:
        data = delivery.intervention.data
        size = 0 if data is None else len(data)
        if chunk and (len(chunk) == BATCH or total + size > BATCH_DATA):
            yield chunk
            chunk, total = [], 0
        chunk.append(delivery)
        total += size
    if chunk:
        yield chunk


def encode(deliveries: Sequence[Delivery]) -> list[bytes | memoryview]:
    """Return the frames of a REQUESTED; raises FabricError for what cannot travel."""
    shared: dict[tuple[str, bytes, int], int] = {}
    parts: list[SharedPart] = []
    items: list[RequestItem] = []
    sets: list[bytes | None] = []
    for intervention, token, attempt, deadline in deliveries:
        data = intervention.data
        check_size(data)
        key = (intervention.event, intervention.assoc, id(intervention.shared))
        place = shared.setdefault(key, len(parts))
        if place == len(parts):
            parts.append(SharedPart(intervention.event, intervention.assoc, intervention.shared))
        size = None if data is None else len(data)
        window, payload = intervention.window, intervention.payload
        items.append(RequestItem(token, place, attempt, deadline, window, payload, size))
        sets.append(data)
    envelope = Requested(tuple(parts), tuple(items)).encode()
    frame = join_data(sets)
    return [envelope] if frame is None else [envelope, frame]
