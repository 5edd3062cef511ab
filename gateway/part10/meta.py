"""File Meta Information (PS3.10 7.1): encoded and read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from gateway.errors import GatewayError
from gateway.part10.elements import LIMIT, LITTLE, PREAMBLE, encode_element, text_of
from gateway.uid import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, MAX_LENGTH


class Part10Error(GatewayError):
    """A file is not a DICOM file, or its File Meta Information is broken; the text says where."""


def file_meta(
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    source_ae_title: str = "",
    receiving_ae_title: str = "",
    source_address: str = "",
) -> bytes:
    """Return preamble, prefix and File Meta Information, to stand before a data set.

    The titles are those of the association that it came on, and `source_address` its peer's. The
    result is well formed whatever the texts are. One that is not a UID is replaced by a UID derived
    from it, which cannot be mistaken for that of another instance; an AE title keeps its legal
    characters.
    """
    sources = source_ae_title, receiving_ae_title, source_address
    before, after = _around_instance(sop_class_uid, transfer_syntax_uid, sources)
    instance = _uid(sop_instance_uid)
    if len(instance) % 2:
        instance += b"\0"
    length = LITTLE.long.pack(len(before) + 2 + len(instance) + len(after))
    length_of_instance = LITTLE.short.pack(len(instance))
    return b"".join((_START, length, before, length_of_instance, instance, after))


_SCHEME = "dicom://"
_START = PREAMBLE + encode_element(0x00020000, b"UL", bytes(4))[:-4]
"""Everything up to the value of File Meta Information Group Length."""


@lru_cache(maxsize=256)
def _around_instance(
    sop_class_uid: str, transfer_syntax: str, sources: tuple[str, str, str]
) -> tuple[bytes, bytes]:
    """Return what stands before the length of the SOP Instance UID, and behind its value."""
    calling, called, address = sources
    before = [
        encode_element(0x00020001, b"OB", b"\x00\x01"),
        encode_element(0x00020002, b"UI", _uid(sop_class_uid)),
        LITTLE.tag.pack(0x0002, 0x0003) + b"UI",
    ]
    after = [
        encode_element(0x00020010, b"UI", _uid(transfer_syntax)),
        encode_element(0x00020012, b"UI", IMPLEMENTATION_CLASS_UID.encode("ascii")),
        encode_element(0x00020013, b"SH", IMPLEMENTATION_VERSION_NAME.encode("ascii")),
    ]
    if source := _ae_title(calling):
        after.append(encode_element(0x00020016, b"AE", source))
    if receiving := _ae_title(called):
        after.append(encode_element(0x00020018, b"AE", receiving))
    if address:
        host = f"[{address}]" if ":" in address else address
        after.append(
            encode_element(0x00020026, b"UR", f"{_SCHEME}{host}".encode("ascii", "replace"))
        )
    return b"".join(before), b"".join(after)


def _uid(text: str) -> bytes:
    text = text.rstrip("\x00 ")
    if not 0 < len(text) <= MAX_LENGTH or text.strip("0123456789."):
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        text = f"2.25.{int.from_bytes(digest[:16], 'big')}"
    return text.encode("ascii")


def _ae_title(text: str) -> bytes:
    """Return the first 16 characters that PS3.5 6.2 allows in AE."""
    legal = "".join(c for c in text if " " <= c <= "~" and c != "\\")
    return legal.strip(" ")[:16].rstrip(" ").encode("ascii")


@dataclass(frozen=True, slots=True)
class FileMeta:
    """The File Meta Information of one file, and where its data set begins."""

    sop_class_uid: str
    """Media Storage SOP Class UID (0002,0002); empty if it is missing."""
    sop_instance_uid: str
    """Media Storage SOP Instance UID (0002,0003); empty if it is missing."""
    transfer_syntax_uid: str
    source_ae_title: str
    implementation_class_uid: str
    offset: int
    """Bytes of the file before the data set."""
    receiving_ae_title: str = ""
    source_address: str = ""
    """The host that it came from; empty: unknown."""


def read_file_meta(source: str | Path | BinaryIO) -> FileMeta:
    """Read the File Meta Information of a file, or of a stream from its current position.

    Raises Part10Error if there is none, if it has no transfer syntax or if it is longer than
    64 KiB, and OSError.
    """
    if isinstance(source, str | Path):
        with Path(source).open("rb") as stream:
            return read_file_meta(stream)
    head = source.read(LIMIT)
    if head[128:132] != b"DICM":
        raise Part10Error("no DICM prefix at byte 128: not a DICOM file (PS3.10 7.1)")
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
        receiving_ae_title=values.get(0x0018, ""),
        source_address=values.get(0x0026, "").removeprefix(_SCHEME).strip("[]"),
    )


def _group_2(head: bytes) -> tuple[dict[int, str], int]:
    """Return the values by element number, and where the group ends.

    The group length is not used, because some writers get it wrong. The group number, the two
    letters of a VR and the ascending order tell the group's elements from a data set, even from a
    deflated one.
    """
    values: dict[int, str] = {}
    at, last = len(PREAMBLE), -1
    while header := LITTLE.header(head, at, explicit=True):
        element = header.tag & 0xFFFF
        if header.tag >> 16 != 0x0002 or not header.vr or element <= last:
            return values, at
        begin = at + header.size
        at, last = begin + header.length, element
        if at > len(head):
            raise Part10Error(
                f"element (0002,{element:04X}) ends past the file, or past the first {LIMIT} bytes"
            )
        values[element] = text_of(head[begin:at])
    return values, at
