"""Retain Safe Private (PS3.15 E.3.10): the private elements that identify nobody.

Safe are those of Table E.3.10-1 as far as they stand here, those that the site names, and those
of blocks that the data set itself declares as SAFE in its Private Data Element Characteristics
Sequence (0008,0300). Their private creators stay with them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from gateway.sdk import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pydicom.dataset import Dataset

_CHARACTERISTICS = 0x00080300
_FORM = re.compile(r"\(?([0-9A-Fa-f]{4}),\s*\"?([^\",]+?)\"?,\s*([0-9A-Fa-f]{2})\)?")
_MOST_BLOCKS = 1000


class PrivateTag(NamedTuple):
    """A private element, wherever its block is (PS3.5 7.8.1)."""

    group: int
    creator: str
    element: int
    """Its last two digits."""

    @classmethod
    def of(cls, text: str) -> PrivateTag:
        """Return what GROUP,CREATOR,ELEMENT means, as `0019,SIEMENS MR HEADER,0C`.

        Raises ConfigError.
        """
        found = _FORM.fullmatch(text.strip())
        if found is None or int(found[1], 16) % 2 == 0 or int(found[1], 16) < 9:
            raise ConfigError(
                f"deidentify: safe_private: {text!r} is not a private element: write "
                "GROUP,CREATOR,ELEMENT with an odd group, as 0019,SIEMENS MR HEADER,0C"
            )
        return cls(int(found[1], 16), found[2].strip(), int(found[3], 16))


_KNOWN = """
7053 Philips PET Private Group: 00 09
00E1 ELSCINT1: 21
01E1 ELSCINT1: 26 50
01F1 ELSCINT1: 01 07 26 27
0019 GEMS_ACQU_01: 23 24 27 9E
0025 GEMS_SERS_01: 07
0043 GEMS_PARM_01: 27 39 6F
0045 GEMS_HELIOS_01: 01 02
2001 Philips Imaging DD 001: 03 04
0019 SIEMENS MR HEADER: 0C 0D 0E 27
"""
"""Of Table E.3.10-1: scan parameters, as factors of SUV, pitch, rotation time and b-values."""


def _known() -> Iterator[PrivateTag]:
    for line in _KNOWN.split("\n"):
        head, _, elements = line.partition(": ")
        for element in elements.split():
            yield PrivateTag(int(head[:4], 16), head[5:], int(element, 16))


KNOWN_SAFE = frozenset(_known())


def safe_tags(dataset: Dataset, named: Collection[PrivateTag]) -> frozenset[int]:
    """Return the tags of safe private elements in one level of a data set, and their creators'."""
    declared = set(_declared(dataset))
    kept: set[int] = set()
    for tag in dataset.keys():  # noqa: SIM118 - the elements themselves are not asked for
        group, element = int(tag) >> 16, int(tag) & 0xFFFF
        if group % 2 == 0 or element < 0x1000:
            continue
        creator_tag = group << 16 | element >> 8
        creator = _creator(dataset, creator_tag)
        this = PrivateTag(group, creator, element & 0xFF)
        if creator and (this in named or (group, creator) in declared):
            kept |= {int(tag), creator_tag}
    return frozenset(kept)


def _creator(dataset: Dataset, tag: int) -> str:
    if tag not in dataset:
        return ""
    value = dataset[tag].value
    return value.strip() if isinstance(value, str) else ""


def _declared(dataset: Dataset) -> Iterator[tuple[int, str]]:
    """Yield group and creator of the blocks that are declared as safe, as a whole."""
    if _CHARACTERISTICS not in dataset:
        return
    for item in list(dataset[_CHARACTERISTICS].value)[:_MOST_BLOCKS]:
        if item.get("BlockIdentifyingInformationStatus") == "SAFE":
            group, creator = item.get("PrivateGroupReference"), item.get("PrivateCreatorReference")
            if isinstance(group, int) and isinstance(creator, str):
                yield group, creator.strip()
