"""The frames of a message: msgpack with bounded lengths and no extension types, and data.

A message is the envelope's frame and, for data sets, one trailing frame in which they follow one
another and are not encoded in any way. PROTOCOL.md is the reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never

import msgpack

from gateway.errors import FabricError

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 3
"""The version of the protocol; an acceptor also works with workers of the one before and after."""
MAX_ENVELOPE = 1024 * 1024
"""Bytes of an envelope at most."""
MAX_DATA = 64 * 1024 * 1024
"""Bytes of a trailing data frame, or of any other frame, at most."""
MAX_ITEMS = 65536
"""Entries of one array or map at most."""
DELIMITER = b"\0"
"""The end of a topic's frame, because subscriptions match by prefix."""


_idle_packers: list[msgpack.Packer] = []
"""Packers that no thread uses at present: to make one takes as long as to encode a request."""


def pack(value: Any) -> bytes:
    """Encode one envelope; raise FabricError if that is not possible."""
    try:
        packer = _idle_packers.pop()
    except IndexError:
        packer = msgpack.Packer(use_bin_type=True)
    try:
        packed: bytes = packer.pack(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise FabricError(f"cannot be encoded: {error}") from error
    if len(packed) > MAX_ENVELOPE:
        raise FabricError(f"envelope of {len(packed)} bytes, {MAX_ENVELOPE} are the limit")
    _idle_packers.append(packer)  # not one whose buffer became large, or that failed
    if len(packed) > MAX_ITEMS:  # a shorter one cannot have more entries than are decoded
        _decode(packed, "cannot be encoded")
    return packed


def unpack(data: bytes | memoryview) -> Any:
    """Decode one envelope; raise FabricError for anything but exactly one plain value."""
    if len(data) > MAX_ENVELOPE:
        raise FabricError(f"envelope of {len(data)} bytes, {MAX_ENVELOPE} are the limit")
    return _decode(data, "not an envelope")


def _decode(data: bytes | memoryview, blame: str) -> Any:
    try:
        return msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            ext_hook=_no_extension,
            max_str_len=MAX_ENVELOPE,
            max_bin_len=MAX_ENVELOPE,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_ITEMS,
            max_ext_len=0,
        )
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise FabricError(f"{blame}: {error}") from error


def _no_extension(code: int, _data: bytes) -> Never:
    raise ValueError(f"extension type {code}")


def check_size(size: int, limit: int = MAX_DATA) -> None:
    """Raise FabricError if the bytes are too many for a data frame."""
    if size > limit:
        raise FabricError(f"data of {size} bytes, {limit} are the limit")


def join_data(sets: Sequence[bytes | memoryview]) -> bytes | memoryview:
    """Return the data frame of a message."""
    return sets[0] if len(sets) == 1 else b"".join(sets)


def split_data(
    sizes: Sequence[int | None], frame: bytes | memoryview | None
) -> Sequence[memoryview | None]:
    """Return the data sets of a message; raises FabricError if they do not fill its data frame."""
    if frame is None and sizes.count(None) == len(sizes):
        return [None] * len(sizes)
    whole = memoryview(frame or b"")
    parts: list[memoryview | None] = []
    at = 0
    for size in sizes:
        parts.append(None if size is None else whole[at : at + size])
        at += size or 0
    if at != len(whole):
        raise FabricError(f"data frame of {len(whole)} bytes for data sets of {at}")
    return parts


def topic_frame(topic: str) -> bytes:
    """Return the frame that a topic is subscribed to and published under."""
    return topic.encode("utf-8") + DELIMITER


def topic_of(frame: bytes) -> str | None:
    """Return the topic of a frame or subscription; None if it is not a whole topic."""
    if not frame.endswith(DELIMITER):
        return None
    try:
        return frame[:-1].decode("utf-8")
    except UnicodeDecodeError:
        return None
