"""Which instance a data set is, seen while it passes by.

A C-STORE whose command and data set disagree must not be stored. What looks at that takes any
bytes, holds few of them and never raises.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from struct import Struct

from gateway.part10.elements import BIG, LIMIT, LITTLE, PREAMBLE, Header, Layout, text_of
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

_PIECE = 4096
_PACKED_PIECE = 1024
_LONGEST_VALUE = 128
"""Bytes kept of a UID; a well formed one has 64."""
_UNDEFINED = 0xFFFFFFFF
_SOP_CLASS_UID = 0x00080016
_SOP_INSTANCE_UID = 0x00080018
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SHORT_VRS = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UI UL US".split())
"""Those of 16 bits that are met at the start of a data set."""
_IMPLICIT, _EXPLICIT = Struct("<HHL"), Struct("<HH2sH")


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
        self._first: Header | None = None
        self._explicit = transfer_syntax_uid != IMPLICIT_VR_LITTLE_ENDIAN
        self._layout = BIG if transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else LITTLE
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
        self._unknown: tuple[int, bool, Layout] | None = None
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
        if self._layout is not LITTLE:
            return False
        at = 0
        found: dict[int, str] = {}
        first: Header | None = None
        while (header := self._plain(view, at)) is not None and header.tag <= _SOP_INSTANCE_UID:
            first = first or header
            begin, at = at + header.size, at + header.size + header.length
            if at > len(view):
                break
            if header.tag in (_SOP_CLASS_UID, _SOP_INSTANCE_UID):
                found[header.tag] = text_of(bytes(view[begin : min(at, begin + _LONGEST_VALUE)]))
            if header.tag == _SOP_INSTANCE_UID:
                self._first, self.done = first, True
                self.sop_class_uid = found.get(_SOP_CLASS_UID)
                self.sop_instance_uid = found[_SOP_INSTANCE_UID]
                return True
        return False

    def _plain(self, view: memoryview, at: int) -> Header | None:
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
        return Header(group << 16 | element, vr, length, 8)

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

    def _step(self, header: Header) -> bool:
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

    def _top_level(self, header: Header) -> bool:
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

    def _begins_like_a_file(self, header: Header) -> bool:
        # File Meta Information is little endian whatever the data set is: 0200H is its group too.
        group = header.tag >> 16
        foreign = group == 0x0200 and self._layout is BIG
        return group == 0x0002 or foreign or self._buffer.startswith(PREAMBLE, self._at)

    def _take(self, header: Header) -> bool:
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

    def _open(self, header: Header) -> None:
        # PS3.5 6.2.2: what stands in a UN of undefined length is implicit VR little endian.
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
