"""Batches of requests: those for one member in one turn of the loop go in few messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.fabric.wire.envelopes import Requested
from gateway.fabric.wire.frames import check_size, join_data, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gateway.fabric.acceptor.effects import Delivery
    from gateway.fabric.wire.fields import RequestItem, SharedPart

    Payload: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

BATCH = 64
"""Requests in one message; many more would only delay the first of them."""
BATCH_DATA = 1024 * 1024
"""Bytes of the data sets in one message that has more than one request."""


def cut(deliveries: list[Delivery]) -> Iterator[list[Delivery]]:
    """Return the requests of each message."""
    chunk: list[Delivery] = []
    total = 0
    for delivery in deliveries:
        data = delivery[0].data
        size = 0 if data is None else len(data)
        if chunk and (len(chunk) == BATCH or total + size > BATCH_DATA):
            yield chunk
            chunk, total = [], 0
        chunk.append(delivery)
        total += size
    if chunk:
        yield chunk


def encode(
    deliveries: Sequence[Delivery], translate: Payload | None = None
) -> list[bytes | memoryview]:
    """Return the frames of a REQUESTED; raise FabricError if they cannot be encoded.

    `translate` returns the payload that the member is to get.
    """
    places: dict[tuple[str, bytes, int], int] = {}
    parts: list[SharedPart] = []
    items: list[RequestItem] = []
    sets: list[bytes] = []
    for intervention, token, attempt, deadline in deliveries:
        event, assoc, shared = intervention.event, intervention.assoc, intervention.shared
        place = places.setdefault((event, assoc, id(shared)), len(parts))
        if place == len(parts):
            parts.append((event, assoc, shared))
        size = None
        if (data := intervention.data) is not None:
            check_size(size := len(data))
            sets.append(data)
        credit, payload = intervention.window, intervention.payload
        if translate is not None:
            payload = translate(payload)
        items.append((token, place, attempt, deadline, credit, payload, size))
    envelope = pack([Requested.KIND, parts, items, {}])
    return [envelope, join_data(sets)] if sets else [envelope]
