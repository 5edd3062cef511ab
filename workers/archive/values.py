"""From the bytes of an element to the text that is kept, and to the keys that are compared."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING

from pydicom import charset
from pydicom.valuerep import PersonName

from workers.archive.attributes import Attribute, Kind, Level, of_level

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONGEST = 1024
"""Characters of a value that are kept; the longest that is legal has some 200."""

_TEXT_VRS = frozenset({"SH", "LO", "PN"})
"""Value representations that the Specific Character Set governs (PS3.5 6.1.2.2)."""
ESCAPE = 0x1B
_US = {True: Struct("<H"), False: Struct(">H")}
_DATE = re.compile(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})")
_TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(?:\.(\d{1,6}))?")
_DATETIME = re.compile(
    r"(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:\.(\d{1,6}))?([+-]\d{4})?"
)
_NUMBER = re.compile(r"[+-]?\d{1,18}")

_FIRST = ("", "01", "01", "00", "00", "00")
_LAST = ("", "12", "31", "23", "59", "59")
"""What a date and time that is not said to the end begins and ends with."""


@lru_cache(64)
def encodings_of(value: bytes | None) -> list[str]:
    """Python's names of the character sets; what is unknown is the default repertoire."""
    text = (value or b"").decode("ascii", "replace").strip("\0 ")
    names = [name.strip() for name in text.split("\\")]
    try:
        return charset.convert_encodings(names if len(names) > 1 else names[0])
    except (LookupError, ValueError):
        return [charset.default_encoding]


def text_of(attribute: Attribute, raw: bytes, encodings: list[str], little: bool) -> str:
    """The value as text, without what is insignificant at its ends (PS3.5 6.2)."""
    vr = attribute.vr
    if vr == "US":
        return str(_US[little].unpack_from(raw)[0]) if len(raw) >= 2 else ""
    governed = vr in _TEXT_VRS
    if raw.isascii() and not (governed and ESCAPE in raw):
        text = raw.decode("ascii")
        return text.replace("\0", "").strip(" ")[:LONGEST]
    raw = raw[: LONGEST * 8]
    if not governed:
        text = raw.decode("ascii", "replace")
    elif vr == "PN":
        text = str(PersonName(raw.rstrip(b"\0 "), encodings))
    else:
        text = charset.decode_bytes(raw, encodings, {0x5C})
    return clean(text)


def clean(text: str) -> str:
    """A value as it is kept: no padding, no NUL (which no database takes), not endless."""
    text = text.replace("\0", "").strip(" ")[:LONGEST]
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def names(level: Level) -> tuple[str, ...]:
    """The columns of a level's table that are made of its attributes."""
    return tuple(
        name
        for attribute in of_level(level)
        for name in dict.fromkeys((attribute.column, *attribute.keys))
    )


def row(level: Level, texts: Mapping[str, str | None]) -> list[str | None]:
    """What stands in these columns, made of cleaned texts by keyword; None: no such element."""
    values: list[str | None] = []
    for keyword, with_keys, nothing in _COLUMNS[level]:
        text = texts.get(keyword)
        if text is None:
            values += nothing
        elif with_keys is None:
            values.append(text)
        else:
            values += with_keys(text)
    return values


def fold(text: str) -> str:
    """A component group as it is compared: width and case are of no account."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "^".join(part.strip() for part in folded.split("^")).rstrip("^ ")


def name_keys(text: str) -> tuple[str, str, str]:
    """The three component groups of a person's name (PS3.5 6.2.1.2), folded."""
    groups = [fold(group) for group in text.split("=")[:3]]
    first, second, third = (*groups, "", "")[:3] if len(groups) < 3 else groups
    return first, second, third


def date_key(text: str) -> str | None:
    """YYYYMMDD; also of the forms of ACR-NEMA (PS3.5 6.2)."""
    found = _DATE.fullmatch(text)
    return "".join(found.groups()) if found else None


def time_key(text: str, *, fill: str = "0") -> str | None:
    """HHMMSS.FFFFFF; what is not said is filled with zeros, or with nines for an end."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hour, minute, second, fraction = found.groups()
    rest = "00" if fill == "0" else "59"
    return f"{hour}{minute or rest}{second or rest}.{(fraction or '').ljust(6, fill)}"


def datetime_key(text: str, *, fill: str = "0") -> str | None:
    """YYYYMMDDHHMMSS.FFFFFF in UTC; without an offset it counts as UTC (PS3.5 6.2, DT)."""
    found = _DATETIME.fullmatch(text)
    if found is None:
        return None
    *parts, fraction, offset = found.groups()
    rests = (
        ("", "01", "01", "00", "00", "00") if fill == "0" else ("", "12", "31", "23", "59", "59")
    )
    whole = [part or rest for part, rest in zip(parts, rests, strict=True)]
    key = "".join(whole) + "." + (fraction or "").ljust(6, fill)
    return _to_utc(key, offset) if offset else key


def _to_utc(key: str, offset: str) -> str:
    from datetime import datetime, timedelta

    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    shift = timedelta(minutes=-minutes if offset[0] == "+" else minutes)
    try:
        moment = datetime.strptime(key, "%Y%m%d%H%M%S.%f") + shift
    except (ValueError, OverflowError):
        return key
    return f"{moment.year:04d}{moment:%m%d%H%M%S.%f}"


def number_key(text: str) -> str | None:
    """An integer without plus sign and leading zeros."""
    return str(int(text)) if _NUMBER.fullmatch(text) else text or None


_SAME = 1024
"""Values that are remembered, for each kind: those of a series are the same in most instances."""

_WITH_KEYS: dict[Kind, Callable[[str], tuple[str | None, ...]]] = {
    Kind.NAME: lru_cache(_SAME)(lambda text: (text, *name_keys(text))),
    Kind.DATE: lru_cache(_SAME)(lambda text: (date_key(text) or text,)),
    Kind.TIME: lru_cache(_SAME)(lambda text: (text, time_key(text))),
    Kind.DATETIME: lru_cache(_SAME)(lambda text: (text, datetime_key(text))),
    Kind.NUMBER: lru_cache(_SAME)(lambda text: (text, number_key(text))),
}


def _nothing(attribute: Attribute) -> tuple[str | None, ...]:
    """What stands there if there is no element: an empty name is a name."""
    if attribute.kind is Kind.NAME:
        return (None, *name_keys(""))
    return (None,) * len(dict.fromkeys((attribute.column, *attribute.keys)))


_COLUMNS = {
    level: [(a.keyword, _WITH_KEYS.get(a.kind), _nothing(a)) for a in of_level(level)]
    for level in Level
}
