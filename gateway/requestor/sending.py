"""From a message to the PDUs that carry it, a bounded number of them at a time.

A data set is given whole, or as parts that come one by one: from a file, a generator, another
association. Memory depends on the parts, never on the data set.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator
from typing import TYPE_CHECKING

from gateway.dimse.fragmenter import CHUNK, Fragmenter, fragment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Bytes = bytes | bytearray | memoryview
DataSource = Bytes | Iterable[Bytes] | AsyncIterable[Bytes]


async def encode(
    context_id: int, command_set: bytes, data_set: DataSource | None, max_length: int
) -> AsyncIterator[list[bytes]]:
    """P-DATA-TF PDUs in groups of about 1 MiB at the most, if the parts are no longer."""
    if data_set is None or isinstance(data_set, bytes | bytearray | memoryview):
        for group in grouped(fragment(context_id, command_set, data_set, max_length)):
            yield group
        return
    fragmenter = Fragmenter(context_id, command_set, max_length)
    if isinstance(data_set, AsyncIterable):
        async for part in data_set:
            for group in grouped(fragmenter.feed(part)):
                yield group
    else:
        for part in data_set:
            for group in grouped(fragmenter.feed(part)):
                yield group
    yield list(fragmenter.finish())


def grouped(pdus: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Some PDUs each time: one write to the socket is cheaper than many."""
    group: list[bytes] = []
    size = 0
    for pdu in pdus:
        group.append(pdu)
        size += len(pdu)
        if size >= CHUNK:
            yield group
            group, size = [], 0
    if group:
        yield group
