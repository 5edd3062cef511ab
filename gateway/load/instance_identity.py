"""The identity of an instance that a load sends: UIDs, patient, study and series.

An identity is a few numbers, from which everything that differs between two instances of a template
is derived, with a fixed width. So an instance can be made again and compared with what the server
has stored.
"""

from __future__ import annotations

import uuid
from enum import Enum, auto
from typing import NamedTuple

_LOWEST = 10**38
"""The lowest number of 39 digits, which is the largest number of digits that a UUID has."""


class Field(Enum):
    """A value that is put into a template."""

    MESSAGE_ID = auto()
    INSTANCE_UID = auto()
    STUDY_UID = auto()
    SERIES_UID = auto()
    PATIENT_ID = auto()
    PATIENT_NAME = auto()
    ACCESSION_NUMBER = auto()
    SERIES_NUMBER = auto()
    INSTANCE_NUMBER = auto()


_BEFORE = {
    Field.MESSAGE_ID: b"\x00\x00\x10\x01\x02\x00\x00\x00",
    Field.SERIES_NUMBER: b"\x20\x00\x11\x00IS\x08\x00",
    Field.INSTANCE_NUMBER: b"\x20\x00\x13\x00IS\x08\x00",
}
"""The header of the element, for values that may occur elsewhere in the data set as well."""


class InstanceIdentity(NamedTuple):
    """One instance of a load."""

    template: int
    process: int
    study: int
    series: int
    series_number: int
    number: int
    """Instance Number."""
    instance: int

    def instance_uid(self, root: str) -> str:
        return f"{root}.3{self.process:03d}{self.instance:09d}"

    def study_uid(self, root: str) -> str:
        return f"{root}.1{self.process:03d}{self.study:09d}"

    def series_uid(self, root: str) -> str:
        return f"{root}.2{self.process:03d}{self.series:09d}"

    def values(self, root: str) -> dict[Field, bytes]:
        """Return the values for a data set."""
        owner = f"{self.process:03d}{self.study // STUDIES_OF_A_PATIENT:09d}"
        return {
            Field.INSTANCE_UID: self.instance_uid(root).encode(),
            Field.STUDY_UID: self.study_uid(root).encode(),
            Field.SERIES_UID: self.series_uid(root).encode(),
            Field.PATIENT_ID: f"LOAD{owner}".encode(),
            Field.PATIENT_NAME: f"Load^Patient{owner}".encode(),
            Field.ACCESSION_NUMBER: f"ACCN{self.process:03d}{self.study:09d}".encode(),
            Field.SERIES_NUMBER: b"%-8d" % self.series_number,
            Field.INSTANCE_NUMBER: b"%-8d" % self.number,
        }


STUDIES_OF_A_PATIENT = 2

PLACEHOLDER = InstanceIdentity(
    0, 999, 999_999_998, 999_999_998, 99_999_998, 99_999_998, 999_999_998
)
"""The identity in templates; no load reaches these numbers."""

MESSAGE_ID_PLACEHOLDER = 0xA5C3


def new_root() -> str:
    """Return a new UID root of 44 characters (PS3.5 B.2); the UIDs of a load then have 58."""
    while True:
        number = uuid.uuid4().int
        if number >= _LOWEST:
            return f"2.25.{number}"


def tokens(root: str) -> dict[Field, bytes]:
    """Return the bytes to look for in a template, by field; the value is at their end."""
    values = PLACEHOLDER.values(root)
    values[Field.MESSAGE_ID] = MESSAGE_ID_PLACEHOLDER.to_bytes(2, "little")
    return {field: _BEFORE.get(field, b"") + value for field, value in values.items()}
