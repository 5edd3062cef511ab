"""The outside of a DICOM file (PS3.10 7.1): written before a data set, read before one.

Nothing here decodes a data set. `IdentityScan` looks at the first elements of one as they pass by,
because a C-STORE whose command and data set disagree must not be stored; it takes any bytes, holds
few of them and never raises.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from struct import Struct
from typing import BinaryIO, NamedTuple

from gateway.errors import GatewayError
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

PREAMBLE = bytes(128) + b"DICM"

LIMIT = 64 * 1024
"""Bytes of File Meta Information, and of a data set's first elements, that are looked at."""

_PIECE = 4096
_PACKED_PIECE = 1024
_LONGEST_VALUE = 128
"""Bytes kept of a UID; a well formed one has 64."""
_UNDEFINED = 0xFFFFFFFF
_SOP_CLASS_UID = 0x00080016
_SOP_INSTANCE_UID = 0x00080018
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""Value representations with a length of 32 bits (PS3.5 7.1.2)."""
_SHORT_VRS = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UI UL US".split())
"""Those of 16 bits that are met at the start of a data set."""
_IMPLICIT, _EXPLICIT = Struct("<HHL"), Struct("<HH2sH")
_UID = re.compile(r"[0-9.]{1,64}")


class Part10Error(GatewayError):
    """A file is no DICOM file, or its File Meta Information is broken; the text says where."""


class _Header(NamedTuple):
    """Tag, value representation and length of one element."""

    tag: int
    vr: bytes
    """Empty where the encoding has none."""
    length: int
    size: int
    """Bytes of the header itself."""


class _Layout(NamedTuple):
    """How one byte order writes the numbers of an element's header."""

    tag: Struct
    short: Struct
    long: Struct

    def header(self, data: bytes | bytearray, at: int, *, explicit: bool) -> _Header | None:
        """The header that begins at `at`; None: it does not end within `data` (PS3.5 7.1)."""
        if len(data) - at < 8:
            return None
        group, element = self.tag.unpack_from(data, at)
        tag = group << 16 | element
        vr = bytes(data[at + 4 : at + 6]) if explicit and group != 0xFFFE else b""
        # Explicit VR data sets with implicit elements are met in the field: no letters, no VR.
        if not (vr.isalpha() and vr.isupper()):
            return _Header(tag, b"", self.long.unpack_from(data, at + 4)[0], 8)
        if vr not in _LONG_VRS:
            return _Header(tag, vr, self.short.unpack_from(data, at + 6)[0], 8)
        if len(data) - at < 12:
            return None
        return _Header(tag, vr, self.long.unpack_from(data, at + 8)[0], 12)


_LITTLE = _Layout(Struct("<HH"), Struct("<H"), Struct("<L"))
_BIG = _Layout(Struct(">HH"), Struct(">H"), Struct(">L"))


def file_meta(
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    source_ae_title: str = "",
) -> bytes:
    """Preamble, prefix and File Meta Information (PS3.10 7.1) to stand before a data set.

    Well formed whatever the texts are: one that is no UID is replaced by a UID derived from it, so
    that it can never pass for another instance's; an AE title keeps its legal characters.
    """
    before, after = _around_instance(sop_class_uid, transfer_syntax_uid, source_ae_title)
    instance = _element(0x0003, b"UI", _uid(sop_instance_uid))
    length = _LITTLE.long.pack(len(before) + len(instance) + len(after))
    return b"".join((PREAMBLE, _element(0x0000, b"UL", length), before, instance, after))


@lru_cache(maxsize=256)
def _around_instance(sop_class_uid: str, transfer_syntax: str, title: str) -> tuple[bytes, bytes]:
    """The elements before and after the SOP Instance UID: the same for many instances."""
    before = _element(0x0001, b"OB", b"\x00\x01") + _element(0x0002, b"UI", _uid(sop_class_uid))
    after = [
        _element(0x0010, b"UI", _uid(transfer_syntax)),
        _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID.encode("ascii")),
        _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME.encode("ascii")),
    ]
    if source := _ae_title(title):
        after.append(_element(0x0016, b"AE", source))
    return before, b"".join(after)


def _element(element: int, vr: bytes, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\x00" if vr == b"UI" else b" "
    tag = _LITTLE.tag.pack(0x0002, element)
    if vr in _LONG_VRS:
        return tag + vr + b"\x00\x00" + _LITTLE.long.pack(len(value)) + value
    return tag + vr + _LITTLE.short.pack(len(value)) + value


def _uid(text: str) -> bytes:
    text = text.rstrip("\x00 ")
    if not _UID.fullmatch(text):
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        text = f"2.25.{int.from_bytes(digest[:16], 'big')}"
    return text.encode("ascii")


def _ae_title(text: str) -> bytes:
    """The characters that PS3.5 6.2 allows in AE, the first 16 of them."""
    legal = "".join(c for c in text if " " <= c <= "~" and c != "\\")
    return legal.strip(" ")[:16].rstrip(" ").encode("ascii")


@dataclass(frozen=True, slots=True)
class FileMeta:
    """File Meta Information (PS3.10 7.1) of one file, and where its data set begins."""

    sop_class_uid: str
    """Media Storage SOP Class UID (0002,0002); empty if it is missing."""
    sop_instance_uid: str
    """Media Storage SOP Instance UID (0002,0003); empty if it is missing."""
    transfer_syntax_uid: str
    source_ae_title: str
    implementation_class_uid: str
    offset: int
    """Bytes of the file before the data set."""


def read_file_meta(source: str | Path | BinaryIO) -> FileMeta:
    """Read the File Meta Information of a file, or of a stream from where it stands.

    Raises Part10Error if there is none, or it has no transfer syntax, or is over 64 KiB; OSError.
    """
    if isinstance(source, str | Path):
        with Path(source).open("rb") as stream:
            return read_file_meta(stream)
    head = source.read(LIMIT)
    if head[128:132] != b"DICM":
        raise Part10Error("no DICM prefix at byte 128: this is no DICOM file (PS3.10 7.1)")
    values, offset = _group_2(head)
    if not values.get(0x0010):
        raise Part10Error("the File Meta Information has no Transfer Syntax UID (0002,0010)")
    return FileMeta(
        sop_class_uid=values.get(0x0002, ""),
        sop_instance_uid=values.get(0x0003, ""),
        transfer_syntax_uid=values[0x0010],
        source_ae_title=values.get(0x0016, ""),
        implementation_class_uid=values.get(0x0012, ""),
        offset=offset,
    )


def _group_2(head: bytes) -> tuple[dict[int, str], int]:
    """Values by element number, and the end of the group.

    The group length is not believed: writers get it wrong. What tells the group's elements from a
    data set, even a deflated one, is the group number, a VR's two letters and the ascending order.
    """
    values: dict[int, str] = {}
    at, last = len(PREAMBLE), -1
    while header := _LITTLE.header(head, at, explicit=True):
        element = header.tag & 0xFFFF
        if header.tag >> 16 != 0x0002 or not header.vr or element <= last:
            return values, at
        begin = at + header.size
        at, last = begin + header.length, element
        if at > len(head):
            raise Part10Error(
                f"element (0002,{element:04X}) ends past the file, or past the first {LIMIT} bytes"
            )
        values[element] = _text(head[begin:at])
    return values, at


def _text(value: bytes | bytearray) -> str:
    return value.decode("latin-1").rstrip("\x00 ")


class IdentityScan:
    """Finds SOP Class UID and SOP Instance UID at the start of a data set that is passing by.

    Feed it the fragments until it is `done`. Elements are looked at in the encoding that the
    transfer syntax promises (PS3.5 annex A); what does not follow it ends the scan, with nothing
    found. Memory and work are bounded by 64 KiB, also for a deflated data set.
    """

    __slots__ = (
        "_at",
        "_budget",
        "_buffer",
        "_deflated",
        "_depth",
        "_explicit",
        "_first",
        "_inflatable",
        "_inflate",
        "_layout",
        "_skip",
        "_unknown",
        "done",
        "has_group_2",
        "sop_class_uid",
        "sop_instance_uid",
    )

    def __init__(self, transfer_syntax_uid: str) -> None:
        self.done = False
        """Nothing more will be found."""
        self.sop_class_uid: str | None = None
        self.sop_instance_uid: str | None = None
        self.has_group_2 = False
        """It begins like a file: with group 0002, or with preamble and prefix."""
        self._first: _Header | None = None
        self._explicit = transfer_syntax_uid != IMPLICIT_VR_LITTLE_ENDIAN
        self._layout = _BIG if transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else _LITTLE
        self._deflated = transfer_syntax_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
        if self._deflated:
            self._inflate = zlib.decompressobj(-15)
            self._inflatable = LIMIT
        self._buffer = bytearray()
        self._at = 0
        self._skip = 0
        """Bytes of a value that have yet to pass by."""
        self._depth = 0
        """Items and sequences of undefined length that are open."""
        self._unknown: tuple[int, bool, _Layout] | None = None
        """Depth of an open UN of undefined length, and the encoding to go back to."""
        self._budget = LIMIT

    def feed(self, fragment: memoryview | bytes) -> None:
        """Look at the next bytes of the data set."""
        view = memoryview(fragment)
        if self.done or not view:
            return
        if self._deflated:
            self._feed_deflated(view)
        elif self._first is not None or self._buffer or not self._glance(view):
            self._pass(view)
        if self.done:
            self._buffer = bytearray()

    def may_be_data_set(self, size: int) -> bool:
        """Whether what passed by, `size` bytes in all, begins with an element that fits into it."""
        first = self._first
        if first is None or first.tag >= _ITEM:
            return False
        whole = self._deflated or first.length == _UNDEFINED
        return whole or first.size + first.length <= size

    def _glance(self, view: memoryview) -> bool:
        """Find both UIDs if all is as it nearly always is; otherwise nothing has happened.

        That is: the first fragment, and in it nothing before the SOP Instance UID but plain
        elements of group 0008 in little endian.
        """
        if self._layout is not _LITTLE:
            return False
        at = 0
        found: dict[int, str] = {}
        first: _Header | None = None
        while (header := self._plain(view, at)) is not None and header.tag <= _SOP_INSTANCE_UID:
            first = first or header
            begin, at = at + header.size, at + header.size + header.length
            if at > len(view):
                break
            if header.tag in (_SOP_CLASS_UID, _SOP_INSTANCE_UID):
                found[header.tag] = _text(bytes(view[begin : min(at, begin + _LONGEST_VALUE)]))
            if header.tag == _SOP_INSTANCE_UID:
                self._first, self.done = first, True
                self.sop_class_uid = found.get(_SOP_CLASS_UID)
                self.sop_instance_uid = found[_SOP_INSTANCE_UID]
                return True
        return False

    def _plain(self, view: memoryview, at: int) -> _Header | None:
        """The header at `at` if it is a plain one of group 0008 in little endian."""
        if at > min(len(view), _PIECE) - 8:
            return None
        if not self._explicit:
            group, element, length = _IMPLICIT.unpack_from(view, at)
            vr = b""
        else:
            group, element, vr, length = _EXPLICIT.unpack_from(view, at)
            if vr not in _SHORT_VRS:
                return None
        if group != 0x0008 or length == _UNDEFINED:
            return None
        return _Header(group << 16 | element, vr, length, 8)

    def _feed_deflated(self, view: memoryview) -> None:
        for start in range(0, len(view), _PACKED_PIECE):
            piece = view[start : start + _PACKED_PIECE]
            before = self._inflate.copy()
            try:
                self._unpack(piece)
            except zlib.error:
                # zlib keeps to itself what came before the fault in the same call; byte by byte it
                # gives that away, and so the outcome does not depend on the chunking.
                self._inflate = before
                self._salvage(piece)
            if self.done:
                return

    def _salvage(self, piece: memoryview) -> None:
        with suppress(zlib.error):
            for at in range(len(piece)):
                self._unpack(piece[at : at + 1])
        self.done = True

    def _unpack(self, packed: memoryview | bytes) -> None:
        while packed and not self.done:
            plain = self._inflate.decompress(packed, _PIECE)
            packed = self._inflate.unconsumed_tail
            # What is skipped had to be inflated too, so all of it counts here.
            self._pass(memoryview(plain)[: self._inflatable])
            self._inflatable -= len(plain)
            self.done |= self._inflate.eof or self._inflatable <= 0

    def _pass(self, view: memoryview) -> None:
        while view and not self.done:
            if self._skip:
                passed = min(self._skip, len(view))
                self._skip -= passed
                view = view[passed:]
                continue
            self._buffer += view[:_PIECE]
            view = view[_PIECE:]
            self._parse()

    def _parse(self) -> None:
        while not self.done and not self._skip:
            header = self._layout.header(self._buffer, self._at, explicit=self._explicit)
            if header is None or not self._step(header):
                break
        del self._buffer[: self._at]
        self._at = 0

    def _step(self, header: _Header) -> bool:
        """Go past one element, or into it; False: more bytes are needed first."""
        if self._depth == 0 and not self._top_level(header):
            return False
        if self.done:
            return True
        self._at += header.size
        self._spend(header.size)
        if header.tag in (_ITEM_END, _SEQUENCE_END):
            self._close()
        elif header.length == _UNDEFINED:
            self._open(header)
        else:
            end = self._at + header.length
            self._at = min(end, len(self._buffer))
            self._skip = end - self._at
        return True

    def _top_level(self, header: _Header) -> bool:
        tag = header.tag
        self._first = self._first or header
        if tag == 0 and len(self._buffer) - self._at < len(PREAMBLE):
            return False  # so begins a preamble: see first what follows it
        if self._begins_like_a_file(header):
            self.has_group_2 = self.done = True
        elif tag > _SOP_INSTANCE_UID:
            self.done = True
        elif tag in (_SOP_CLASS_UID, _SOP_INSTANCE_UID):
            return self._take(header)
        return True

    def _begins_like_a_file(self, header: _Header) -> bool:
        # File Meta Information is little endian whatever the data set is: 0200H is its group too.
        group = header.tag >> 16
        foreign = group == 0x0200 and self._layout is _BIG
        return group == 0x0002 or foreign or self._buffer.startswith(PREAMBLE, self._at)

    def _take(self, header: _Header) -> bool:
        begin = self._at + header.size
        end = begin + min(header.length, _LONGEST_VALUE)
        if len(self._buffer) < end:
            return False
        value = _text(self._buffer[begin:end])
        if header.tag == _SOP_CLASS_UID:
            self.sop_class_uid = value
        else:
            self.sop_instance_uid = value
            self.done = True
        return True

    def _open(self, header: _Header) -> None:
        # PS3.5 6.2.2: what stands in a UN of undefined length is implicit VR little endian.
        if header.vr == b"UN" and self._unknown is None:
            self._unknown = (self._depth, self._explicit, self._layout)
            self._explicit, self._layout = False, _LITTLE
        self._depth += 1

    def _close(self) -> None:
        self._depth -= 1
        if self._unknown is not None and self._unknown[0] == self._depth:
            _, self._explicit, self._layout = self._unknown
            self._unknown = None

    def _spend(self, amount: int) -> None:
        self._budget -= amount
        if self._budget <= 0:
            self.done = True
