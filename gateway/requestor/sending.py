"""From a message to the PDUs that carry it, a bounded number of them at a time.

A data set is given whole, or as parts that come one by one: from a file, a generator, another
association. Memory depends on the parts, never on the data set.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator

from gateway.dimse.fragmenter import CHUNK, Fragmenter, fragment

Bytes = bytes | bytearray | memoryview
DataSource = Bytes | Iterable[Bytes] | AsyncIterable[Bytes]
Groups = Iterable[list[bytes]] | AsyncGenerator[list[bytes], None]
"""P-DATA-TF PDUs in groups of about 1 MiB at the most, if the parts are no longer."""


def encode(
    context_id: int, command_set: bytes, data_set: DataSource | None, max_length: int
) -> Groups:
    """The PDUs of a message, made while they are asked for."""
    if data_set is None or isinstance(data_set, bytes | bytearray | memoryview):
        return grouped(fragment(context_id, command_set, data_set, max_length))
    fragmenter = Fragmenter(context_id, command_set, max_length)
    if isinstance(data_set, AsyncIterable):
        return _encode_async(fragmenter, data_set)
    return _encode(fragmenter, data_set)


def _encode(fragmenter: Fragmenter, parts: Iterable[Bytes]) -> Iterator[list[bytes]]:
    for part in parts:
        yield from grouped(fragmenter.feed(part))
    yield list(fragmenter.finish())


async def _encode_async(
    fragmenter: Fragmenter, parts: AsyncIterable[Bytes]
) -> AsyncGenerator[list[bytes], None]:
    iterator = aiter(parts)
    try:
        async for part in iterator:
            for group in grouped(fragmenter.feed(part)):
                yield group
        yield list(fragmenter.finish())
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()  # a file is closed now, not whenever it is collected


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
