"""Decode text by Specific Character Set (PS3.3 C.12.1.1.2, PS3.5 6.1.2).

Theory of operation. A value has two code elements: G0 for the bytes below 0x80, at first ASCII, and
G1 for the others, at first the set of the first defined term. Escape sequences put other sets in
place (ISO 2022); delimiters put the first ones back. UTF-8, GB18030 and GBK know no escape
sequences; their codec decodes the whole value.

What the field writes is read too: terms that are misspelled, sets that are not declared or not put
in place again after a delimiter, the name of a codec in place of a term. What is still not decoded
raises UnicodeDecodeError: nothing is replaced.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

ESCAPE = 0x1B

_SINGLE_BYTE = {
    13: "shift_jis",
    100: "latin_1",
    101: "iso8859_2",
    109: "iso8859_3",
    110: "iso8859_4",
    126: "iso8859_7",
    127: "iso8859_6",
    138: "iso8859_8",
    144: "iso8859_5",
    148: "iso8859_9",
    166: "tis_620",
    203: "iso8859_15",
}
"""The codecs of the sets with one byte for a character, by ISO registration number (ISO-IR)."""
_MULTI_BYTE = {58: "gb2312", 149: "euc_kr"}
"""The codecs of the sets with two bytes from 0x80 on for a character, which become G1."""
"""Sets that are not named here are G0 (ISO-IR 6, 14, 87, 159): their escape sequences say so."""

_G1_ESCAPES = {
    b"-A": 100,
    b"-B": 101,
    b"-C": 109,
    b"-D": 110,
    b"-F": 126,
    b"-G": 127,
    b"-H": 138,
    b"-L": 144,
    b"-M": 148,
    b"-T": 166,
    b"-b": 203,
    b")I": 13,
    b"$)A": 58,
    b"$)C": 149,
}
_G0_ESCAPES = {
    b"(B": "",
    b"(J": "",
    b"(I": "katakana",
    b"$B": "euc_jp",
    b"$@": "euc_jp",
    b"$(D": "jisx0212",
    b"$A": "gb2312",
    b"$(A": "gb2312",
    b"$(C": "euc_kr",
}
"""The sets of G0: ASCII (and ISO-IR 14, which differs in two signs) is the empty name."""

_NUMBERED = re.compile(r"(?:ISO[ _.-]*2022[ _.-]*)?(?:ISO)?[ _.-]*(?:IR)?[ _.-]*(\d{1,3})")
_CODEC = re.compile(
    r"(?:ISO[ _-]?)?(?P<part>8859[ _-]\d{1,2})|(?:WINDOWS|CP)[ _-]?(?P<page>125[0-8]|874|949|932)"
)
_NAMED = {
    "UTF8": "utf_8",
    "ISOIR192": "utf_8",
    "ISO2022IR192": "utf_8",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "LATIN1": "latin_1",
    "SHIFTJIS": "shift_jis",
    "SJIS": "shift_jis",
    "EUCJP": "euc_jp",
    "EUCKR": "euc_kr",
    "GB2312": "gb2312",
    "BIG5": "big5",
    "KOI8R": "koi8_r",
    "ISO2022GBK": "gbk",
    "ISO202258": "gb2312",
    "ISO88591": "latin_1",
}
_TOKENS = re.compile(
    rb"\x1b(\$\([ACD]|\$\)[AC]|\$[@AB]|\([BIJ]|\)I|-[A-Zb])|([\x00-\x1a\x1c-\x7f]+)|([\x80-\xff]+)"
)
_RESETS = re.compile(rb"[\t\n\f\r\\]"), re.compile(rb"[\t\n\f\r\\^=]")
"""After these the first sets are in place again (PS3.5 6.1.2.5.3): in text, and in a name."""
_CONTROL = re.compile(rb"[\x00-\x20]")


class CharacterSets(NamedTuple):
    """What the values of a Specific Character Set mean for decoding."""

    codec: str
    """The codec for the bytes from 0x80 on; empty if none is declared."""
    is_replaced: bool = False
    """The codec is the one of the first term, which a delimiter puts in place again."""


def codec_of(term: str) -> str:
    """Return the codec of a defined term for bytes from 0x80 on; empty if it has none."""
    term = term.upper()
    squeezed = re.sub(r"[ _.-]", "", term)
    if squeezed in _NAMED:
        return _NAMED[squeezed]
    if found := _CODEC.fullmatch(term):
        part, page = found.group("part"), found.group("page")
        return re.sub(r"[ -]", "_", f"iso{part}") if part else f"cp{page}"
    if (found := _NUMBERED.fullmatch(term)) and "I" in term:
        number = int(found.group(1))
        return _SINGLE_BYTE.get(number) or _MULTI_BYTE.get(number, "")
    return ""


@lru_cache(64)
def character_sets_of(value: bytes | None) -> CharacterSets:
    """Return the sets of a Specific Character Set; none for terms that are not known."""
    text = (value or b"").decode("ascii", "replace")
    codecs = [codec_of(term.strip("\0 ")) for term in text.split("\\")]
    if codecs[0]:
        return CharacterSets(codecs[0], True)
    return CharacterSets(next(filter(None, codecs), ""))


def decode(raw: bytes, sets: CharacterSets, *, is_name: bool = False) -> str:
    """Return a value as text; raises UnicodeDecodeError."""
    if ESCAPE not in raw:
        return raw.decode(sets.codec or "ascii")
    return "".join(_decoded(raw, sets, _RESETS[is_name]))


def _decoded(raw: bytes, sets: CharacterSets, resets: re.Pattern[bytes]) -> list[str]:
    """Return the pieces of a value with escape sequences (PS3.5 6.1.2.5)."""
    low, high, at = "", sets.codec, 0
    pieces = []
    while at < len(raw):
        found = _TOKENS.match(raw, at)
        if found is None:
            raise UnicodeDecodeError("iso2022", raw, at, at + 1, "unknown escape sequence")
        escape, below, above = found.groups()
        if escape is not None and escape in _G0_ESCAPES:
            low = _G0_ESCAPES[escape]
        elif escape is not None:
            high = _g1_codec(raw, at, escape)
        elif above is not None:
            pieces.append(above.decode(high or "ascii"))
        else:
            pieces.append(_low(below, low))
            if not low and sets.is_replaced and resets.search(below):
                high = sets.codec
        at = found.end()
    return pieces


def _g1_codec(raw: bytes, at: int, escape: bytes) -> str:
    number = _G1_ESCAPES.get(escape)
    if number is None:
        raise UnicodeDecodeError("iso2022", raw, at, at + 1, "unknown escape sequence")
    return _SINGLE_BYTE.get(number) or _MULTI_BYTE[number]


def _low(run: bytes, low: str) -> str:
    """Return bytes below 0x80 as text by the set in G0; a control character ends a wide set."""
    if not low:
        return run.decode("ascii")
    control = _CONTROL.search(run)
    end = control.start() if control else len(run)
    wide = bytes(byte | 0x80 for byte in run[:end])
    if low == "katakana":
        text = wide.decode("shift_jis")
    elif low == "jisx0212":
        pairs = (wide[n : n + 2] for n in range(0, len(wide), 2))
        text = b"".join(b"\x8f" + pair for pair in pairs).decode("euc_jp")
    else:
        text = wide.decode(low)
    return text + run[end:].decode("ascii")
