"""The text of values in the index, which has every byte of a value that cannot be decoded.

Databases take text, and PostgreSQL no NUL and no lone surrogates. So a value that its character set
does not decode, or that has none, is *unread*: each ASCII byte is its character, each other byte
one of 256 private characters. A value with one of these characters of its own, or with an escape
sequence or NUL left in it, is unread too, so that `bytes_of` always returns what was stored.
"""

from __future__ import annotations

import re
from contextlib import suppress
from hashlib import blake2b

LONGEST = 1024
"""Characters of a value that are stored; the longest valid value has some 200."""
_PRIVATE = 0xEF00
"""The private character of byte 0."""
_CUT = chr(_PRIVATE + ord("\n"))
"""Stands between the start of a value that is too long and the digest of the whole."""
_DIGEST = 16

_OTHERS = (0, *range(0x80, 0x100))
_TO_PRIVATE = {byte: _PRIVATE + byte for byte in _OTHERS}
_TO_BYTE = {private: byte for byte, private in _TO_PRIVATE.items()}
_UNREAD = re.compile(f"[{chr(_PRIVATE)}-{chr(_PRIVATE + 0xFF)}]")
_NEVER_READ = re.compile(f"[\0\x1b{chr(_PRIVATE)}-{chr(_PRIVATE + 0xFF)}\ud800-\udfff]")


def unread(raw: bytes) -> str:
    """Return bytes as text that says nothing about their meaning."""
    return raw.decode("latin-1").translate(_TO_PRIVATE)


def is_text(decoded: str) -> bool:
    """Return whether a decoded value can be stored as it is."""
    return _NEVER_READ.search(decoded) is None


def is_unread(text: str) -> bool:
    """Return whether bytes of a stored value could not be decoded, or are not all there."""
    return not text.isascii() and _UNREAD.search(text) is not None


def is_cut(text: str) -> bool:
    """Return whether a stored value is the start of one that was too long."""
    return _CUT in text


def bytes_of(text: str) -> bytes | None:
    """Return the bytes of an ASCII or unread value; None if they are not in the index."""
    if is_cut(text):
        return None
    try:
        return text.translate(_TO_BYTE).encode("latin-1")
    except UnicodeEncodeError:
        return None


def readable(text: str) -> str:
    """Return a stored value for people, and to be compared: unread bytes by the best guess."""
    if text.isascii() or not is_unread(text):
        return text
    text = text.partition(_CUT)[0]
    raw = bytes_of(text)
    if raw is None:
        return _UNREAD.sub("\ufffd", text)
    try:
        return raw.decode().replace("\0", "")
    except UnicodeDecodeError:
        return raw.decode("latin-1").replace("\0", "")


def spellings(text: str) -> tuple[str, ...]:
    """Return a key in each form in which the same value may be stored."""
    if text.isascii():
        return (text,)
    plain = readable(text)
    forms = [text, plain, unread(plain.encode("utf-8", "replace"))]
    with suppress(UnicodeEncodeError):
        forms.append(unread(plain.encode("latin-1")))
    return tuple(dict.fromkeys(forms))


def clean(text: str) -> str:
    """Return a value without insignificant padding (PS3.5 6.2), of limited length."""
    text = text.rstrip("\0 ").lstrip(" ")
    if text.isascii():
        return bounded(text.replace("\0", chr(_PRIVATE)))
    return bounded(text.replace("\0", chr(_PRIVATE)).encode("utf-8", "replace").decode())


def bounded(text: str) -> str:
    """Return a text, or the start of one that is too long with a digest of the whole.

    So two long values never become one, and a key of the same value is equal to it.
    """
    if len(text) <= LONGEST:
        return text
    digest = blake2b(text.encode("utf-8", "replace"), digest_size=_DIGEST).hexdigest()
    return text[: LONGEST - len(digest) - 1] + _CUT + digest
