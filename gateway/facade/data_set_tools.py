"""Encode and decode data sets and file meta information, for programs (`gateway.dsutils`)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset, read_preamble
from pydicom.filewriter import write_file_meta_info
from pydicom.multival import MultiValue
from pydicom.valuerep import VR

from gateway.datasets import DatasetError, coding
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

if TYPE_CHECKING:
    from io import BytesIO
    from pathlib import Path

    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

log = logging.getLogger("gateway.facade")

__all__ = [
    "create_file_meta",
    "decode",
    "encode",
    "encode_file_meta",
    "pretty_dataset",
    "pretty_element",
    "split_dataset",
]

PYNETDICOM_IMPLEMENTATION_UID = coding.any_uid(IMPLEMENTATION_CLASS_UID)
"""This gateway's implementation class UID, under the name that programs write into files by."""
PYNETDICOM_IMPLEMENTATION_VERSION = IMPLEMENTATION_VERSION_NAME
PYNETDICOM_UID_PREFIX = "2.25."
"""The root of UIDs made from UUIDs (PS3.5 B.2), which `pydicom.uid.generate_uid` takes, too."""

_FILE_META_GROUP = 0x0002
_SHORT_VALUE = 13
"""The number of bytes of a binary value that are shown."""


def create_file_meta(
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax: str,
    implementation_uid: str = IMPLEMENTATION_CLASS_UID,
    implementation_version: str = IMPLEMENTATION_VERSION_NAME,
) -> FileMetaDataset:
    """Return file meta information (PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength = 0
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = coding.any_uid(sop_class_uid)
    meta.MediaStorageSOPInstanceUID = coding.any_uid(sop_instance_uid)
    meta.TransferSyntaxUID = coding.any_uid(transfer_syntax)
    meta.ImplementationClassUID = coding.any_uid(implementation_uid)
    meta.ImplementationVersionName = implementation_version
    meta.set_original_encoding(False, True)
    return meta


def decode(
    bytestring: BytesIO, is_implicit_vr: bool, is_little_endian: bool, deflated: bool = False
) -> Dataset:
    """Return the data set in a stream, from its start; raise DatasetError."""
    bytestring.seek(0)
    return coding.decode(bytestring, _syntax(is_implicit_vr, is_little_endian, deflated))


def encode(
    ds: Dataset, is_implicit_vr: bool, is_little_endian: bool, deflated: bool = False
) -> bytes | None:
    """Return a data set's bytes, without groups 0000 and 0002; None if it cannot be written."""
    try:
        return coding.encode(ds, _syntax(is_implicit_vr, is_little_endian, deflated))
    except DatasetError as error:
        log.error("%s", error)  # noqa: TRY400 - says it all
        return None


def encode_file_meta(file_meta: FileMetaDataset) -> bytes:
    """Return the bytes of file meta information, without preamble and prefix (PS3.10 7.1)."""
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = False, True
    write_file_meta_info(stream, file_meta)
    encoded: bytes = stream.getvalue()
    return encoded


def split_dataset(path: Path) -> tuple[Dataset, int]:
    """Return the file meta information of a file, and the position where its data set begins."""
    with open(path, "rb") as file:
        read_preamble(file, force=False)
        meta = read_dataset(
            file,
            is_implicit_VR=False,
            is_little_endian=True,
            stop_when=lambda tag, _vr, _length: tag.group != _FILE_META_GROUP,
        )
        return meta, file.tell()


def pretty_dataset(ds: Dataset, indent: int = 0, indent_char: str = "  ") -> list[str]:
    """Return a data set as lines, one for each element and each item of a sequence.

    The lines have patients' data. `indent`: how often `indent_char` stands before each line.
    """
    lines = []
    for element in ds:
        lines.append(indent * indent_char + pretty_element(element))
        if element.VR != VR.SQ:
            continue
        for number, item in enumerate(element.value or (), start=1):
            lines.append(f"{(indent + 1) * indent_char}(Sequence item #{number})")
            lines += pretty_dataset(item, indent + 2, indent_char)
    return lines


def pretty_element(elem: DataElement) -> str:
    """Return an element as a line: tag, VR, value, multiplicity and keyword."""
    tag = f"({elem.tag.group:04X},{elem.tag.element:04X})"
    try:
        value = _pretty_value(elem)
    except Exception:  # a program may have assigned anything
        value = "(the value cannot be shown)"
    return f"{tag} {elem.VR} {value:<40} # {elem.VM} {elem.keyword}"


def _pretty_value(elem: DataElement) -> str:
    value = elem.value
    if elem.VR == VR.SQ:
        return f"(Sequence with {len(value)} item{'' if len(value) == 1 else 's'})"
    if elem.is_empty:
        return "(no value available)"
    values = value if isinstance(value, list | MultiValue) else [value]
    if isinstance(values[0], bytes):
        size = sum(map(len, values))
        is_short = len(values) == 1 and size <= _SHORT_VALUE
        return f"[{values[0].hex(' ')}]" if is_short else f"({size} bytes of binary data)"
    return f"[{chr(92).join(map(str, values))}]"


def _syntax(implicit: bool, little: bool, deflated: bool) -> str:
    if deflated:
        return DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
    if implicit:
        return IMPLICIT_VR_LITTLE_ENDIAN
    return EXPLICIT_VR_LITTLE_ENDIAN if little else EXPLICIT_VR_BIG_ENDIAN
