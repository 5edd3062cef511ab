"""Data sets with placeholders for the few values that differ between instances."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.load.instance_identity import PLACEHOLDER, Field, tokens
from gateway.load.modalities import MODALITIES, Modality
from gateway.part10.elements import encode_element
from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NOISE = random.Random(0).randbytes(64 * 1024)
_COLUMNS = 512


class Pieces:
    """Bytes split at their placeholders, so that values are inserted by one join."""

    __slots__ = ("_fields", "_parts", "count")

    def __init__(self, data: bytes, places: Mapping[Field, bytes]) -> None:
        found = sorted(
            (at + len(token) - _width(field), field)
            for field, token in places.items()
            for at in _occurrences(data, token)
        )
        self.count = len(found)
        self._fields = [field for _, field in found]
        self._parts: list[bytes] = []
        begin = 0
        for at, field in found:
            self._parts += [data[begin:at], b""]
            begin = at + _width(field)
        self._parts.append(data[begin:])

    def render(self, values: Mapping[Field, bytes]) -> bytes:
        """Return the bytes with these values."""
        parts = self._parts
        for index, field in enumerate(self._fields):
            parts[2 * index + 1] = values[field]
        return b"".join(parts)


_WIDTHS = {field: len(value) for field, value in PLACEHOLDER.values("0" * 44).items()}
_WIDTHS[Field.MESSAGE_ID] = 2


def _width(field: Field) -> int:
    return _WIDTHS[field]


def _occurrences(data: bytes, token: bytes) -> Iterable[int]:
    at = data.find(token)
    while at >= 0:
        yield at
        at = data.find(token, at + len(token))


@dataclass(frozen=True, slots=True)
class Template:
    """A data set that is sent many times, each time as another instance."""

    name: str
    sop_class_uid: str
    transfer_syntax_uid: str
    data: bytes
    """Encoded, with placeholders."""
    head: int
    """The length of the part at its beginning that has all placeholders."""
    weight: float = 1.0
    study: tuple[int, int] = (1, 1)
    """Series, and instances in each."""
    own_uid: str = ""
    """The SOP Instance UID if it is always the same; else empty."""
    group: tuple[int, int] = (0, 0)
    """The numbers of the study and the series of a file."""

    def pieces(self, root: str) -> Pieces:
        """Return the beginning of the data set, to compare it with what a server stored."""
        return Pieces(self.data[: self.head], {} if self.own_uid else tokens(root))


def generated(
    mix: Mapping[str, float], size: int | None, study: tuple[int, int] | None, root: str
) -> list[Template]:
    """Return a template for each modality of the mix."""
    return [_generate(MODALITIES[name], weight, size, study, root) for name, weight in mix.items()]


def _generate(
    modality: Modality, weight: float, size: int | None, study: tuple[int, int] | None, root: str
) -> Template:
    rows, columns, length = modality.rows, modality.columns, modality.pixel_bytes
    if size is not None:
        row = _COLUMNS * modality.samples * modality.bits // 8
        columns = _COLUMNS if size >= row else max(size * 8 // modality.bits // modality.samples, 1)
        rows = max(round(size / row), 1)
        length = rows * columns * modality.samples * modality.bits // 8
    head = b"".join(_element(*one) for one in _attributes(modality, rows, columns, root))
    pixels = (_NOISE * (length // len(_NOISE) + 1))[:length]
    vr = "OW" if modality.bits > 8 else "OB"
    return Template(
        modality.code.lower(),
        modality.sop_class_uid,
        EXPLICIT_VR_LITTLE_ENDIAN,
        head + _element(0x7FE00010, vr, pixels),
        len(head),
        weight,
        study or (modality.series, modality.instances),
    )


def _attributes(
    modality: Modality, rows: int, columns: int, root: str
) -> list[tuple[int, str, bytes | str | int]]:
    value = PLACEHOLDER.values(root)
    colour = modality.samples == 3
    stored = 8 if modality.bits == 8 else 12
    found: list[tuple[int, str, bytes | str | int]] = [
        (0x00080005, "CS", "ISO_IR 100"),
        (0x00080008, "CS", "ORIGINAL\\PRIMARY"),
        (0x00080016, "UI", modality.sop_class_uid),
        (0x00080018, "UI", value[Field.INSTANCE_UID]),
        (0x00080020, "DA", "20240131"),
        (0x00080030, "TM", "120000"),
        (0x00080050, "SH", value[Field.ACCESSION_NUMBER]),
        (0x00080060, "CS", modality.code),
        (0x00080070, "LO", "dicom-gateway load"),
        (0x00080090, "PN", "Nobody^Known"),
        (0x00081030, "LO", modality.description),
        (0x00100010, "PN", value[Field.PATIENT_NAME]),
        (0x00100020, "LO", value[Field.PATIENT_ID]),
        (0x00100030, "DA", "19700101"),
        (0x00100040, "CS", "O"),
        (0x0020000D, "UI", value[Field.STUDY_UID]),
        (0x0020000E, "UI", value[Field.SERIES_UID]),
        (0x00200010, "SH", "1"),
        (0x00200011, "IS", value[Field.SERIES_NUMBER]),
        (0x00200013, "IS", value[Field.INSTANCE_NUMBER]),
        (0x00280002, "US", modality.samples),
        (0x00280004, "CS", "RGB" if colour else "MONOCHROME2"),
    ]
    if colour:
        found.append((0x00280006, "US", 0))
    return [
        *found,
        (0x00280010, "US", rows),
        (0x00280011, "US", columns),
        (0x00280100, "US", modality.bits),
        (0x00280101, "US", stored),
        (0x00280102, "US", stored - 1),
        (0x00280103, "US", 0),
    ]


def _element(tag: int, vr: str, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        value = struct.pack("<H", value)
    elif isinstance(value, str):
        value = value.encode("ascii")
    return encode_element(tag, vr.encode(), value)
