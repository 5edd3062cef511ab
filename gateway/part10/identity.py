"""Finds out which instance a data set is, from its first fragments.

A C-STORE request names a SOP class and instance, and so does its data set; if they disagree the
instance must not be stored. The check runs while the fragments arrive, on bytes that the peer
chose: it accepts any of them in any chunking, keeps at most a few KiB, and never raises.

Nearly always the first fragment has both UIDs among plain elements of group 0008: `_glance` reads
those in one pass without copying. Everything else - big endian, deflated, sequences, a fragment
that ends early - goes through `_pass`, an element at a time.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from gateway.part10.elements import BIG, LIMIT, LITTLE, PREAMBLE, ElementHeader, Layout, text_of
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_PIECE = 4096
_PACKED_PIECE = 1024
_LONGEST_VALUE = 128
"""The most bytes of a UID that are kept; a valid one has at most 64."""
_UNDEFINED = 0xFFFFFFFF
_SOP_CLASS_UID = 0x00080016
_SOP_INSTANCE_UID = 0x00080018
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SHORT_VRS = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UI UL US".split())
"""The VRs with a length of 16 bits that occur at the start of a data set."""
_IMPLICIT, _EXPLICIT = Struct("<HHL"), Struct("<HH2sH")


class _Start(NamedTuple):
    """The first elements of a data set; the next one often differs in their values only."""

    first: ElementHeader
    expected: tuple[bytes, ...]
    """The headers of the elements up to the SOP Instance UID."""
    headers: Callable[[memoryview], tuple[bytes, ...]]
    """Reads those of another data set."""
    values: Callable[[memoryview], tuple[bytes, ...]]
    """Reads its SOP Class UID, if these elements have one, and its SOP Instance UID."""
    size: int


_starts: dict[tuple[bool, bytes], _Start] = {}
"""By whether the VR is explicit, and the first header."""
_MAX_STARTS = 256
_MAX_ELEMENTS = 32


def _remember(explicit: bool, first: ElementHeader, headers: list[tuple[int, bytes]]) -> None:
    reads_headers = reads_values = "<"
    for element, header in headers:
        length = int.from_bytes(header[6:] if explicit else header[4:], "little")
        reads_headers += f"8s{length}x"
        wanted = element in (_SOP_CLASS_UID & 0xFFFF, _SOP_INSTANCE_UID & 0xFFFF)
        reads_values += f"8x{length}s" if wanted else f"{8 + length}x"
        if wanted and length > _LONGEST_VALUE:
            return
    if len(headers) > _MAX_ELEMENTS or len({element for element, _ in headers}) < len(headers):
        return
    if len(_starts) >= _MAX_STARTS:
        _starts.clear()
    expected = tuple(header for _, header in headers)
    read = Struct(reads_headers)
    _starts[explicit, expected[0]] = _Start(
        first, expected, read.unpack_from, Struct(reads_values).unpack_from, read.size
    )


def uids_at(view: memoryview, *, explicit: bool) -> tuple[bytes, ...] | None:
    """Return SOP Class UID, if there is one, and SOP Instance UID of a data set in little endian.

    They are values as encoded. None: it does not begin as one before it, and an `IdentityScan` is
    needed.
    """
    start = _starts.get((explicit, bytes(view[:8])))
    if start is None or len(view) < start.size or start.headers(view) != start.expected:
        return None
    return start.values(view)


class IdentityScan:
    """Finds SOP Class UID and SOP Instance UID at the start of a data set.

    Feed it the fragments until it is `done`. Elements are read in the encoding of the transfer
    syntax (PS3.5 annex A); bytes that do not follow it end the scan with nothing found. Memory and
    work are limited to 64 KiB of the data set, after inflating if it is deflated.
    """

    # fmt: off
    __slots__ = (
        "_at", "_budget", "_buffer", "_deflated", "_depth", "_explicit", "_first", "_inflatable",
        "_inflate", "_layout", "_skip", "_unknown", "done", "has_group_2", "sop_class_uid",
        "sop_instance_uid",
    )
    # fmt: on

    def __init__(self, transfer_syntax_uid: str) -> None:
        self.done = False
        """The scan is over."""
        self.sop_class_uid: str | None = None
        self.sop_instance_uid: str | None = None
        self.has_group_2 = False
        """The data set begins like a file: with group 0002, or with preamble and prefix."""
        self._first: ElementHeader | None = None
        self._explicit = transfer_syntax_uid != IMPLICIT_VR_LITTLE_ENDIAN
        self._layout = BIG if transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else LITTLE
        self._deflated = transfer_syntax_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
        if self._deflated:
            self._inflate = zlib.decompressobj(-15)
            self._inflatable = LIMIT
        self._buffer = bytearray()
        self._at = 0
        self._skip = 0
        """Bytes of a value that are still to be skipped."""
        self._depth = 0
        """The number of open items and sequences of undefined length."""
        self._unknown: tuple[int, bool, Layout] | None = None
        """The depth of an open UN of undefined length, and the encoding around it."""
        self._budget = LIMIT

    def feed(self, fragment: memoryview | bytes) -> None:
        """Scan the next bytes of the data set."""
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
        """Tell whether the bytes fed, `size` in all, begin with an element that fits into them."""
        first = self._first
        if first is None or first.tag >= _ITEM:
            return False
        whole = self._deflated or first.length == _UNDEFINED
        return whole or first.size + first.length <= size

    @property
    def first_tag(self) -> int | None:
        """The tag of the first element; None if there is not even the header of one."""
        first = self._first
        return None if first is None or first.tag >= _ITEM else first.tag

    def _glance(self, view: memoryview) -> bool:
        """Find both UIDs in the first fragment; False, and nothing has changed, if it is not plain.

        Plain: nothing stands before the SOP Instance UID but elements of group 0008 with a defined
        length, in little endian.
        """
        if self._layout is not LITTLE:
            return False
        found = uids_at(view, explicit=self._explicit)
        if found is None:
            return self._look(view)
        self._first, self.done = _starts[self._explicit, bytes(view[:8])].first, True
        *sop_class, instance = found
        self.sop_class_uid = text_of(sop_class[0]) if sop_class else None
        self.sop_instance_uid = text_of(instance)
        return True

    def _look(self, view: memoryview) -> bool:
        """Do what `_glance` does, element by element, and remember where the UIDs are."""
        headers: list[tuple[int, bytes]] = []
        at, last = 0, min(len(view), _PIECE) - 8
        sop_class: str | None = None
        first: ElementHeader | None = None
        while at <= last:
            if self._explicit:
                group, element, vr, length = _EXPLICIT.unpack_from(view, at)
            else:
                group, element, length = _IMPLICIT.unpack_from(view, at)
                vr = b""
            begin, end = at + 8, at + 8 + length
            plain = group == 0x0008 and element <= 0x0018 and end <= len(view)
            if not plain or (vr and vr not in _SHORT_VRS):
                return False
            if first is None:
                first = ElementHeader(0x00080000 | element, vr, length, 8)
            headers.append((element, bytes(view[at:begin])))
            if element == 0x0016:
                sop_class = text_of(bytes(view[begin : min(end, begin + _LONGEST_VALUE)]))
            elif element == 0x0018:
                self._first, self.done = first, True
                self.sop_class_uid = sop_class
                self.sop_instance_uid = text_of(
                    bytes(view[begin : min(end, begin + _LONGEST_VALUE)])
                )
                if end <= _PIECE:
                    _remember(self._explicit, first, headers)
                return True
            at = end
        return False

    def _feed_deflated(self, view: memoryview) -> None:
        for start in range(0, len(view), _PACKED_PIECE):
            piece = view[start : start + _PACKED_PIECE]
            before = self._inflate.copy()
            try:
                self._unpack(piece)
            except zlib.error:
                # zlib returns nothing of the call in which it finds a fault. Byte by byte it
                # returns what came before, so that the result does not depend on the chunking.
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
            # Skipped values had to be inflated as well, so they count.
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

    def _step(self, header: ElementHeader) -> bool:
        """Go past one element, or into it; False if more bytes are needed first."""
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

    def _top_level(self, header: ElementHeader) -> bool:
        tag = header.tag
        self._first = self._first or header
        if tag == 0 and len(self._buffer) - self._at < len(PREAMBLE):
            return False  # this may be a preamble: wait for what follows it
        if self._begins_like_a_file(header):
            self.has_group_2 = self.done = True
        elif tag > _SOP_INSTANCE_UID:
            self.done = True
        elif tag in (_SOP_CLASS_UID, _SOP_INSTANCE_UID):
            return self._take(header)
        return True

    def _begins_like_a_file(self, header: ElementHeader) -> bool:
        # File Meta Information is little endian, so a big endian reader sees its group as 0200H.
        group = header.tag >> 16
        foreign = group == 0x0200 and self._layout is BIG
        return group == 0x0002 or foreign or self._buffer.startswith(PREAMBLE, self._at)

    def _take(self, header: ElementHeader) -> bool:
        begin = self._at + header.size
        end = begin + min(header.length, _LONGEST_VALUE)
        if len(self._buffer) < end:
            return False
        value = text_of(self._buffer[begin:end])
        if header.tag == _SOP_CLASS_UID:
            self.sop_class_uid = value
        else:
            self.sop_instance_uid = value
            self.done = True
        return True

    def _open(self, header: ElementHeader) -> None:
        # The content of a UN of undefined length is implicit VR little endian (PS3.5 6.2.2).
        if header.vr == b"UN" and self._unknown is None:
            self._unknown = (self._depth, self._explicit, self._layout)
            self._explicit, self._layout = False, LITTLE
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
