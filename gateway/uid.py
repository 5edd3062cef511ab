"""Unique identifiers (PS3.5 9) and the registry of them (PS3.6 annex A).

The registry is the table `uids.tsv` beside this module. `python -m tests.dimse.generate_uid` writes
it from pydicom's dictionary, and a test compares the two: it is a copy because the acceptor must
not import pydicom.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from gateway.table_files import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

IMPLEMENTATION_CLASS_UID = "2.25.287608364086448010779049876654074750974"
"""Identifies this implementation in association negotiation (PS3.7 D.3.3.2) and in files."""

IMPLEMENTATION_VERSION_NAME = "DICOM_GATEWAY_01"
"""At most 16 characters (PS3.7 D.3.3.2.3)."""

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
VERIFICATION = "1.2.840.10008.1.1"
REPOSITORY_QUERY = "1.2.840.10008.5.1.4.1.1.201.6"
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"

MAX_LENGTH = 64
"""The maximum number of characters of a UID (PS3.5 9.1)."""

_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*")


class UidType(StrEnum):
    """The UID Type column of PS3.6 table A-1."""

    SOP_CLASS = "SOP Class"
    META_SOP_CLASS = "Meta SOP Class"
    SERVICE_CLASS = "Service Class"
    TRANSFER_SYNTAX = "Transfer Syntax"
    APPLICATION_CONTEXT_NAME = "Application Context Name"
    SOP_INSTANCE = "Well-known SOP Instance"
    FRAME_OF_REFERENCE = "Well-known frame of reference"
    SYNCHRONIZATION = "Synchronization Frame of Reference"
    CODING_SCHEME = "Coding Scheme"
    UIDS_AS_CODING_SCHEME = "DICOM UIDs as a Coding Scheme"
    MAPPING_RESOURCE = "Mapping Resource"
    HOSTING_MODEL = "Application Hosting Model"
    LDAP_OID = "LDAP OID"


class Uid(NamedTuple):
    """One row of the registry."""

    name: str
    kind: UidType
    keyword: str
    retired: bool


def is_valid(uid: str) -> bool:
    """Return whether a UID is valid: no leading zeros, at most 64 characters (PS3.5 9.1)."""
    return len(uid) <= MAX_LENGTH and _UID.fullmatch(uid) is not None


def is_tolerable(uid: str) -> bool:
    """Return whether a UID of a peer is acceptable: valid, except that leading zeros are allowed.

    Instances with such UIDs exist in every archive, and would be lost if they were refused.
    """
    digits = uid.replace(".", "")  # each request has one: this is a fifth of a regular expression
    return (
        digits.isascii()
        and digits.encode().isdigit()  # a third of the time of str.isdigit
        and len(uid) <= MAX_LENGTH
        and ".." not in uid
        and uid[0] != "." != uid[-1]
    )


def name_of(uid: str) -> str:
    """Return the registered name of a UID, or the UID itself if it has none."""
    row = UIDS.get(uid)
    return row.name if row else uid


def _registry() -> Iterator[tuple[str, Uid]]:
    for uid, name, kind, keyword, retired in read_table("uids.tsv")[1:]:
        yield uid, Uid(name, UidType(kind), keyword, bool(retired))


UIDS: dict[str, Uid] = dict(_registry())
"""The registry by UID."""

KEYWORDS: dict[str, str] = {row.keyword: uid for uid, row in UIDS.items()}
"""UIDs by keyword."""

TRANSFER_SYNTAXES: tuple[str, ...] = tuple(
    uid for uid, row in UIDS.items() if row.kind is UidType.TRANSFER_SYNTAX
)
"""Every registered transfer syntax, retired ones included."""

NETWORK_TRANSFER_SYNTAXES: tuple[str, ...] = tuple(
    uid
    for uid in TRANSFER_SYNTAXES
    if not UIDS[uid].keyword.startswith(("RFC2557", "XML", "SMPTE", "Papyrus"))
)
"""Transfer syntaxes for associations: not those of mail, files or real-time streams."""

STORAGE_SOP_CLASSES: tuple[str, ...] = tuple(
    uid
    for uid, row in UIDS.items()
    if row.kind is UidType.SOP_CLASS
    and "Storage" in row.keyword
    and not row.keyword.startswith(("StorageCommitment", "MediaStorage"))
)
"""Every SOP class whose instances are sent by C-STORE: PS3.4 B.5, retired ones, and GG.3."""
