"""Read an encoded data set to its end, and the values for the index on the way.

Values are skipped by their length, so that pixel data is not read. pydicom would take longer for a
small instance than everything else that the storage worker does; so `ElementWalk` reads the
elements, and `element_runs` those of the top level that are the same in many instances. Their texts
are decoded once for all instances that have the same bytes there.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from gateway.datasets import encoded
from gateway.datasets.character_sets import ESCAPE, character_sets_of
from gateway.datasets.element_steps import (
    FIRST_WINDOW,
    IMPLICIT,
    ElementWalk,
    Encoding,
    Token,
    UnreadableDataSet,
)
from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from workers.archive import element_runs
from workers.archive.attributes import (
    ABOVE,
    ATTRIBUTES,
    BY_KEYWORD,
    BY_TAG,
    Level,
    MatchingKind,
    of_level,
)
from workers.archive.comparison_keys import PresentColumns, present_columns, text_of
from workers.archive.element_runs import CHARACTER_SET, WANTED, Runs
from workers.archive.header_templates import OWN, HeaderTemplate, HeaderTemplates
from workers.archive.other_vrs import in_own_vr
from workers.archive.stored_text import LONGEST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gateway.datasets.byte_sources import Source
    from gateway.datasets.encoded import EncodedDataSet
    from gateway.sdk import DatasetError

__all__ = ["HeaderValues", "read", "scan"]

MAX_STEPS = 1 << 22
"""Limit of elements and items that are read; to go further would take more than ten seconds."""
MAX_VALUE = 64 * 1024
"""Bytes of a value that are used."""

_RUNS = {
    IMPLICIT: element_runs.IMPLICIT,
    Encoding(is_explicit=True, is_little=True): element_runs.EXPLICIT,
}
_USUAL = {
    IMPLICIT_VR_LITTLE_ENDIAN: (element_runs.IMPLICIT, HeaderTemplates()),
    EXPLICIT_VR_LITTLE_ENDIAN: (element_runs.EXPLICIT, HeaderTemplates()),
}
"""By transfer syntax, for data sets that mostly end in native pixel data."""
_NUMBERS = tuple(attribute.keyword for attribute in ATTRIBUTES if attribute.vr == "US")
_INSTANCE = BY_KEYWORD["SOPInstanceUID"].tag
_UIDS = tuple(a.keyword for a in ATTRIBUTES if a.kind is MatchingKind.UID)
_PLAIN_UID = re.compile(rb"[0-9.]{1,64}").fullmatch
"""A UID whose text needs no look at character sets and padding."""
_US = Struct("<H").unpack_from
_UL = Struct("<L").unpack_from
_VALUE = Token.VALUE
_PIXEL_DATA = b"\xe0\x7f\x10\x00"
_PIXEL_DATA_HEADERS = frozenset(_PIXEL_DATA + vr + b"\0\0" for vr in (b"OW", b"OB"))
"""In explicit VR, up to the length."""
_FEW = 2
"""Values that tell that a data set is an instance."""
_INSTANCE_UID, _INSTANCE_NUMBER = "SOPInstanceUID", "InstanceNumber"
_IMAGE = tuple(
    a.keyword
    for a in of_level(Level.IMAGE)
    if a.keyword not in OWN and a.kind is not MatchingKind.UID
)
"""The attributes at image level that instances of a series may have in common."""
_MOST = 256
"""Combinations of texts that are remembered, and the bytes of each: a peer can fill so much."""
_LONGEST = 4096
_SHORT = 16
"""Bytes of an instance number that is remembered."""


class SharedValues(NamedTuple):
    """What instances of a series have in common, put together once for all of them."""

    above: tuple[str, ...]
    """The values of the attributes `ABOVE`, empty if absent."""
    image: PresentColumns
    """The columns of the index for `_IMAGE`."""


class HeaderValues(dict[str, str]):
    """The values as text by keyword; the text of an absent element is empty."""

    notes: tuple[str, ...] = ()
    """What was accepted although PS3.5 does not allow it."""
    fault: DatasetError | None = None
    """Why the data set cannot be read to its end; the values are those before."""
    shared: SharedValues | None = None
    """What these values have in common with those of other instances; None: it was not looked for.
    """

    @property
    def above(self) -> tuple[str, ...]:
        """The values of the attributes `ABOVE`, empty if absent."""
        if self.shared is not None:  # mostly
            return self.shared.above
        return tuple([self[keyword] for keyword in ABOVE])

    def __missing__(self, keyword: str) -> str:
        return ""


def read(path: str | Path, offset: int, transfer_syntax: str) -> HeaderValues:
    """Return the values of the data set that begins at `offset` of a file.

    Raises OSError if the file cannot be read.
    """
    if usual := _USUAL.get(transfer_syntax):
        head, size = encoded.head_of_file(path, offset, FIRST_WINDOW)
        if found := _usual_values(head, size, *usual):  # mostly
            return found
    with encoded.opened_file(path, offset, transfer_syntax) as data_set:
        return values_of(data_set)


def read_source(source: Source, transfer_syntax: str) -> HeaderValues:
    """Return the values of the data set that a source has, up to encapsulated pixel data.

    A source that is far away would have to be read at each fragment to get behind them. Raises what
    the source raises.
    """
    return values_of(encoded.in_source(source, transfer_syntax), to_fragments=True)


def scan(data: bytes | memoryview, transfer_syntax: str) -> HeaderValues:
    """Return the values of an encoded data set."""
    usual = _USUAL.get(transfer_syntax)
    if usual and (found := _usual_values(data, len(data), *usual)):  # mostly
        return found
    with encoded.opened_bytes(data, transfer_syntax) as data_set:
        return values_of(data_set)


def _usual_values(
    head: bytes | memoryview, size: int, runs: Runs, templates: HeaderTemplates
) -> HeaderValues | None:
    """Return the values of a data set of known runs, followed by native pixel data to its end.

    The first `FIRST_WINDOW` of its `size` bytes are enough. None, if anything about it is not
    usual: then `ElementWalk` says what it is.
    """
    if (like := templates.find(head, size)) is not None:  # mostly
        return _values_like(*like)
    raw: dict[str, bytes] = {}
    window = bytes(head[:FIRST_WINDOW])
    at, _ = runs.skim(raw, window, 0, 0)
    last = window[at : at + 12]
    if len(last) < 12:
        return None
    if runs.is_explicit:
        length, begin = _UL(last, 8)[0], at + 12
        is_pixel_data = last[:8] in _PIXEL_DATA_HEADERS
    else:
        length, begin = _UL(last, 4)[0], at + 8
        is_pixel_data = last.startswith(_PIXEL_DATA)
    if not is_pixel_data or begin + length != size or len(raw) < _FEW:
        return None
    found = _usual_texts(raw)
    if templates.can_learn(size):
        templates.learn(size, window[:begin], runs.elements(window, at), raw, found)
    return found


def _values_like(template: HeaderTemplate, pieces: tuple[bytes, ...]) -> HeaderValues:
    """Return the values of a header that is like a template, cut into the template's pieces."""
    if not template.is_shared:
        own = {keyword: pieces[number] for keyword, number in template.varying}
        return _usual_texts(template.raw | own)
    found = HeaderValues(template.texts)
    found.shared = template.texts.shared
    for keyword, number in template.varying:
        value = pieces[number]
        if keyword == _INSTANCE_UID and _PLAIN_UID(uid := value.removesuffix(b"\0")):  # mostly
            found[keyword] = uid.decode()
        else:
            _set_own(found, keyword, value)
    return found


class _TextMemory:
    """The texts of elements, by their bytes and the character set: of a bounded number and size."""

    def __init__(self, keywords: Sequence[str]) -> None:
        self._keywords = (CHARACTER_SET, *keywords)
        self._known: dict[tuple[bytes | None, ...], tuple[HeaderValues, SharedValues]] = {}

    def texts(self, raw: dict[str, bytes]) -> tuple[HeaderValues, SharedValues]:
        key = tuple(map(raw.get, self._keywords))
        return self._known.get(key) or self._learn(key)

    def _learn(self, key: tuple[bytes | None, ...]) -> tuple[HeaderValues, SharedValues]:
        pairs = zip(self._keywords, key, strict=True)
        raw = {keyword: value for keyword, value in pairs if value is not None}
        size = sum(map(len, raw.values()))
        texts = _texts(raw, is_little=True)
        for keyword in _UIDS:
            if keyword in self._keywords:
                texts[keyword] = texts.get(keyword, "").strip()
        learned = texts, SharedValues(texts.above, present_columns(_IMAGE, texts))
        if size <= _LONGEST:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = learned
        return learned


_above = _TextMemory(ABOVE)
_image = _TextMemory([a.keyword for a in of_level(Level.IMAGE) if a.keyword not in OWN])


def _usual_texts(raw: dict[str, bytes]) -> HeaderValues:
    """Return the texts of values, of which all but `OWN` are mostly known."""
    (above, of_above), (image, of_image) = _above.texts(raw), _image.texts(raw)
    found = HeaderValues(above)
    found.update(image)
    found.shared = SharedValues(of_above.above, of_image.image)
    found[_INSTANCE_UID] = ""
    for keyword in OWN:
        if (value := raw.get(keyword)) is not None:
            _set_own(found, keyword, value)
    return found


def columns_of_image(
    texts: Mapping[str, str | None],
) -> tuple[PresentColumns, PresentColumns]:
    """Return the columns of the index for an instance, without UIDs: shared ones, and its own."""
    if isinstance(texts, HeaderValues) and texts.shared is not None:  # mostly
        shared = texts.shared.image
    else:
        shared = present_columns(_IMAGE, texts)
    return shared, _own_columns(texts.get(_INSTANCE_NUMBER))


@lru_cache(1024)
def _own_columns(number: str | None) -> PresentColumns:
    return present_columns((_INSTANCE_NUMBER,), {_INSTANCE_NUMBER: number})


def _set_own(found: HeaderValues, keyword: str, value: bytes) -> None:
    if keyword == _INSTANCE_UID:
        found[keyword] = _own_text(keyword, value).strip()
    else:
        found[keyword] = (_known_text if len(value) <= _SHORT else _own_text)(keyword, value)


def _own_text(keyword: str, value: bytes) -> str:
    return text_of(BY_KEYWORD[keyword], value, character_sets_of(None), little=True)


_known_text = lru_cache(1024)(_own_text)
"""Most series have the same instance numbers."""


def _with_uids(found: HeaderValues) -> HeaderValues:
    """Return the values with all UIDs, without what surrounds them."""
    for keyword in _UIDS:
        # Empty UIDs are in the index too. Some writers end a UID with a space or a line feed.
        found[keyword] = found.get(keyword, "").strip()
    return found


def values_of(data_set: EncodedDataSet, *, to_fragments: bool = False) -> HeaderValues:
    """Return the values of a data set: those before the fault, if it has one.

    `to_fragments`: only those before encapsulated pixel data.
    """
    source, encoding, _, fault = data_set
    raw: dict[str, bytes] = {}
    runs = _RUNS.get(encoding)
    skim = partial(runs.skim, raw) if runs else None
    walk = ElementWalk(source, encoding, skim=skim)
    try:
        _collect(walk, source, raw, to_fragments=to_fragments)
        if len(raw) < 2 and not raw.keys() - {CHARACTER_SET}:
            raise UnreadableDataSet(_INSTANCE, "and all else that tells an instance is missing")
    except UnreadableDataSet as error:
        fault = fault or error
    found = _with_uids(_texts(raw, is_little=encoding.is_little))
    if walk.notes:
        found.notes = tuple(walk.notes)
    if fault is not None:
        found.fault = fault
    return found


def _collect(
    walk: ElementWalk, source: Source, raw: dict[str, bytes], *, to_fragments: bool
) -> None:
    """Put the wanted values that are in no run into `raw`."""
    for number, step in enumerate(walk):
        tag = step.tag
        if number == MAX_STEPS:
            raise UnreadableDataSet(tag, "follows too many elements")
        if step.token is not _VALUE or walk.depth:
            if to_fragments and step.token is Token.FRAGMENTS and walk.depth == 1:
                return
            continue
        if tag in WANTED:
            value = bytes(source.read(step.at, min(step.length, MAX_VALUE)))
            if step.vr and tag in BY_TAG:
                vr = step.vr.decode("latin-1")
                value = in_own_vr(BY_TAG[tag], vr, value, little=walk.is_little)
            raw[WANTED[tag]] = value
        elif tag < 0x00080000 and tag & 0xFFFF:
            raise UnreadableDataSet(tag, "does not belong into the data set of an instance")


def _texts(raw: dict[str, bytes], *, is_little: bool) -> HeaderValues:
    if is_little and (found := _plain_texts(raw)) is not None:
        return found
    sets = character_sets_of(raw.pop(CHARACTER_SET, None))
    return HeaderValues(
        (keyword, text_of(BY_KEYWORD[keyword], value, sets, is_little))
        for keyword, value in raw.items()
    )


def _plain_texts(raw: dict[str, bytes]) -> HeaderValues | None:
    """Return the texts, decoded together; None if they must be decoded one by one.

    That is so if one is not ASCII or too long, or if the separator or NUL occurs in a value.
    """
    texts = raw.copy()
    texts.pop(CHARACTER_SET, None)
    for keyword in _NUMBERS:
        if (number := raw.get(keyword)) is not None:
            if len(number) != 2:
                return None
            texts[keyword] = _number(number)
    everything = b"\n".join(texts.values())
    if not everything.isascii() or ESCAPE in everything or len(everything) > LONGEST:
        return None
    # The usual padding is removed from all values at once: a NUL or a space after one (PS3.5 6.2).
    text = everything.decode().replace("\0\n", "\n").rstrip("\0")
    text = text.replace(" \n", "\n").strip(" ")
    pieces = text.split("\n")
    if len(pieces) != len(texts) or "\0" in text:
        return None
    if " \n" in text or "\n " in text:
        pieces = [piece.strip(" ") for piece in pieces]
    return HeaderValues(zip(texts, pieces, strict=True))


@lru_cache(1024)
def _number(raw: bytes) -> bytes:
    """Return a number of two bytes as text."""
    return b"%d" % _US(raw)[0]
