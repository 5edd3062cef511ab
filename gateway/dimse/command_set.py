"""Encode and decode command sets: group 0000 in implicit VR little endian (PS3.7 6.3.1).

Encoding is strict: ascending tags, the right group length, even lengths. Decoding tolerates what
can be understood anyway: a wrong or missing group length, another order of elements, retired
elements, a number with more than one value (the first counts), and text after a NUL.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct, error, pack, unpack
from typing import TYPE_CHECKING, NamedTuple

from gateway.dimse.command_elements import BY_TAG, COMMAND_GROUP_LENGTH, VR
from gateway.dimse.errors import abort
from gateway.errors import LocalProtocolError
from gateway.uid import is_tolerable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LIMIT = 64 * 1024
"""The maximum number of bytes of a command set."""

COMMENT_LENGTH = 64
"""The maximum number of characters of an LO value (PS3.5 6.2)."""

AE_LENGTH = 16

Value = int | str | tuple[int, ...] | bytes
"""The value of an element; bytes only if it is not in PS3.7 table E.1-1."""

_HEADER = Struct("<HHL")
_GROUP_LENGTH = Struct("<HHLL")
_SHORT_ELEMENT = Struct("<HHLH")
_LONG = Struct("<L")


class PeerUid(str):
    """A UID of a peer whose encoding is not ours: it is malformed or padded in another way.

    Responses repeat it byte for byte.
    """

    __slots__ = ("raw",)
    raw: bytes

    @classmethod
    def of(cls, text: str, raw: bytes) -> PeerUid:
        """Return the UID `text`, encoded as `raw`."""
        uid = cls(text)
        uid.raw = raw if len(raw) % 2 == 0 else raw + b"\0"
        return uid


def split(data: bytes) -> tuple[dict[int, bytes], str]:
    """Return the raw values of a command set by element number, and an error text or "".

    Works for any bytes: the values before the error are returned.
    """
    layout = _layouts.get(len(data))
    if layout is not None and layout.headers(data) == layout.expected:
        return dict(zip(layout.tags, layout.values(data), strict=True)), ""
    values, damage = _split(data)
    if values and not damage and len(values) <= _MAX_ELEMENTS:
        _remember(values)
    return values, damage


class _CommandLayout(NamedTuple):
    """The elements of a command set; the next one of the same peer often differs in values only."""

    expected: tuple[int, ...]
    """Group, element and length of each."""
    headers: Callable[[bytes], tuple[int, ...]]
    """Reads those of another command set."""
    tags: tuple[int, ...]
    values: Callable[[bytes], tuple[bytes, ...]]
    """Reads its values."""


_layouts: dict[int, _CommandLayout] = {}
"""By the length of the command set: the layout of the last valid one."""
_MAX_LAYOUTS = 1024
_MAX_ELEMENTS = 32
"""Elements of a command set whose layout is kept: what a peer can fill memory with is bounded."""


def _remember(values: dict[int, bytes]) -> None:
    lengths = [len(value) for value in values.values()]
    headers = Struct("<" + "".join(f"HHL{length}x" for length in lengths))
    contents = Struct("<" + "".join(f"8x{length}s" for length in lengths))
    expected = [n for tag, length in zip(values, lengths, strict=True) for n in (0, tag, length)]
    if len(_layouts) >= _MAX_LAYOUTS:
        _layouts.clear()
    _layouts[headers.size] = _CommandLayout(
        tuple(expected), headers.unpack_from, tuple(values), contents.unpack_from
    )


def _split(data: bytes) -> tuple[dict[int, bytes], str]:
    values: dict[int, bytes] = {}
    at, end = 0, len(data)
    while at < end:
        if end - at < _HEADER.size:
            return values, f"{end - at} trailing bytes"
        group, number, length = _HEADER.unpack_from(data, at)
        begin = at + 8
        at = begin + length
        if group or at > end or number in values:
            return values, _damage(group, number, is_long=at > end)
        values[number] = data[begin:at]
    return values, ""


def _damage(group: int, number: int, *, is_long: bool) -> str:
    if group:
        return f"element of group {group:04X} in a command set"
    if is_long:
        return f"element (0000,{number:04X}) is longer than its command set"
    return f"element (0000,{number:04X}) occurs twice"


def decode(data: bytes) -> dict[int, Value]:
    """Decode a command set to values by tag; raises RemoteProtocolError if it is invalid.

    Elements that are not in PS3.7 table E.1-1 are bytes; empty elements are left out.
    """
    raw, damage = split(bytes(data))
    if damage:
        raise abort(damage)
    values: dict[int, Value] = {}
    for tag, value in raw.items():
        element = BY_TAG.get(tag)
        try:
            decoded = DECODERS[element.vr](value) if element else value
        except ValueError as fault:
            raise abort(f"element (0000,{tag:04X}): {fault}") from None
        if decoded is not None:
            values[tag] = decoded
    return values


def encode(values: Mapping[int, Value | None]) -> bytes:
    """Encode values by tag; a value of None is left out, the group length is computed.

    Raises LocalProtocolError for a value that its element cannot have.
    """
    return encode_elements(
        (tag, value)
        for tag, value in sorted(values.items())
        if value is not None and tag != COMMAND_GROUP_LENGTH
    )


def encode_elements(elements: Iterable[tuple[int, Value]]) -> bytes:
    """Encode a command set from tags and values, in the order of the tags.

    Raises LocalProtocolError for a value that its element cannot have.
    """
    pieces = [b""]
    tag, value = 0, None
    try:
        for tag, value in elements:
            # The two kinds that nearly all elements are of come first, and without a call.
            if tag in _SHORT_TAGS:
                pieces.append(_SHORT_ELEMENT.pack(0, tag, 2, value))
            elif tag in _UID_TAGS:
                uid = _encode_uid(value)
                pieces.append(_HEADER.pack(0, tag, len(uid)) + uid)
            else:
                encoded = _ENCODERS[BY_TAG[tag].vr](value)
                pieces.append(_HEADER.pack(0, tag, len(encoded)) + encoded)
    except (LookupError, ValueError, TypeError, AttributeError, error) as fault:
        raise _unsendable(tag, value, fault) from None
    body = b"".join(pieces)
    if len(body) + _GROUP_LENGTH.size > LIMIT:
        raise LocalProtocolError(f"command set of {len(body) + _GROUP_LENGTH.size} bytes")
    return _GROUP_LENGTH.pack(0, COMMAND_GROUP_LENGTH, 4, len(body)) + body


def _unsendable(tag: int, value: Value | None, fault: Exception) -> LocalProtocolError:
    element = BY_TAG.get(tag)
    if element is None:
        return LocalProtocolError(f"unknown command element ({tag >> 16:04X},{tag & 0xFFFF:04X})")
    return LocalProtocolError(f"{element.keyword} {value!r}: {fault}")


def default_repertoire(text: str, length: int = COMMENT_LENGTH) -> str:
    """Return `text` in at most `length` characters of the default repertoire (PS3.5 6.1.2.1).

    White space becomes a space. A backslash, which would separate values, and everything that is
    not printable ISO 646 becomes a question mark.
    """
    head = (" " if c.isspace() else c for c in text[: 4 * length].strip()[:length])
    return "".join(c if " " <= c <= "~" and c != "\\" else "?" for c in head).rstrip()


def _decode_unsigned(length: int) -> Callable[[bytes], int | None]:
    def decode_unsigned(raw: bytes) -> int | None:
        if len(raw) == length:
            return int.from_bytes(raw, "little")
        if len(raw) % length:
            raise ValueError(f"has {len(raw)} bytes instead of {length}")
        return int.from_bytes(raw[:length], "little") if raw else None

    return decode_unsigned


def _decode_tags(raw: bytes) -> tuple[int, ...] | None:
    if len(raw) % 4:
        raise ValueError(f"has {len(raw)} bytes, not a multiple of 4")
    halves = unpack(f"<{len(raw) // 2}H", raw)
    pairs = zip(halves[::2], halves[1::2], strict=True)
    return tuple(group << 16 | number for group, number in pairs) or None


@lru_cache(256)
def _decode_uid(raw: bytes) -> str | None:
    text = raw.rstrip(b"\0 ").decode("latin-1")
    length = len(text)
    if len(raw) == length + length % 2 and raw[-1:] != b" " and is_tolerable(text):
        return text
    return PeerUid.of(text, raw) if text else None


def is_ae_title(text: str) -> bool:
    """Return whether an AE element can have the value (PS3.5 6.2)."""
    printable = text.isascii() and text.isprintable() and "\\" not in text
    return printable and 1 <= len(text.strip(" ")) <= AE_LENGTH


def _decode_ae(raw: bytes) -> str | None:
    text = raw.partition(b"\0")[0].decode("latin-1").strip(" ")
    if text and not is_ae_title(text):
        raise ValueError("is not a valid AE title")
    return text or None


def _decode_comment(raw: bytes) -> str | None:
    return default_repertoire(raw.rstrip(b"\0 ").decode("latin-1")) or None


DECODERS: dict[VR, Callable[[bytes], Value | None]] = {
    VR.AE: _decode_ae,
    VR.AT: _decode_tags,
    VR.LO: _decode_comment,
    VR.UI: _decode_uid,
    VR.UL: _decode_unsigned(4),
    VR.US: _decode_unsigned(2),
}
"""Decoders by VR: they return None for an empty value, and raise ValueError for an invalid one."""


def _encode_text(text: str, pad: bytes) -> bytes:
    encoded = text.encode("latin-1")
    return encoded + pad if len(encoded) % 2 else encoded


def _encode_uid(value: Value) -> bytes:
    if isinstance(value, PeerUid):
        return value.raw
    if not isinstance(value, str) or not is_tolerable(value):
        raise ValueError("not a valid UID")
    return _encode_text(value, b"\0")


def _encode_ae(value: Value) -> bytes:
    if not isinstance(value, str) or not is_ae_title(value):
        raise ValueError("not a valid AE title")
    return _encode_text(value.strip(" "), b" ")


def _encode_comment(value: Value) -> bytes:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return _encode_text(default_repertoire(value), b" ")


def _encode_tags(value: Value) -> bytes:
    if isinstance(value, str | bytes):
        raise TypeError("not a list of tags")
    tags = (value,) if isinstance(value, int) else value
    return b"".join(pack("<HH", tag >> 16, tag & 0xFFFF) for tag in tags)


_ENCODERS: dict[VR, Callable[[Value], bytes]] = {
    VR.AE: _encode_ae,
    VR.AT: _encode_tags,
    VR.LO: _encode_comment,
    VR.UL: _LONG.pack,
}
_SHORT_TAGS = frozenset(tag for tag, element in BY_TAG.items() if element.vr is VR.US)
_UID_TAGS = frozenset(tag for tag, element in BY_TAG.items() if element.vr is VR.UI)
