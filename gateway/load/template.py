"""Data sets with placeholders for the few values that differ between instances."""

from __future__ import annotations

import random
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.load.instance_identity import PLACEHOLDER, Field, tokens
from gateway.load.modalities import MODALITIES, Modality
from gateway.part10.elements import encode_element
from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NOISE = random.Random(0).randbytes(64 * 1024)
_COLUMNS = 512
_ATTRIBUTES = Path(__file__).with_name("instance.txt")


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
    head = _head(modality, rows, columns, root)
    pixels = (_NOISE * (length // len(_NOISE) + 1))[:length]
    vr = b"OW" if modality.bits > 8 else b"OB"
    return Template(
        modality.code.lower(),
        modality.sop_class_uid,
        EXPLICIT_VR_LITTLE_ENDIAN,
        head + encode_element(0x7FE00010, vr, pixels),
        len(head),
        weight,
        study or (modality.series, modality.instances),
    )


def _head(modality: Modality, rows: int, columns: int, root: str) -> bytes:
    """Return the encoded attributes of `instance.txt`, without those that have no value."""
    stored = min(modality.bits, 12)
    values = {
        **asdict(modality),
        **{field.name: value.decode() for field, value in PLACEHOLDER.values(root).items()},
        "rows": rows,
        "columns": columns,
        "photometric_interpretation": "RGB" if modality.samples == 3 else "MONOCHROME2",
        "planar_configuration": "0" if modality.samples == 3 else "",
        "bits_stored": stored,
        "high_bit": stored - 1,
    }
    lines = (line.split(" ", 2) for line in _ATTRIBUTES.read_text().splitlines()[1:])
    return b"".join(
        _element(int(tag, 16), vr, text)
        for tag, vr, value in lines
        if (text := value.format_map(values))
    )


def _element(tag: int, vr: str, text: str) -> bytes:
    value = struct.pack("<H", int(text)) if vr == "US" else text.encode("ascii")
    return encode_element(tag, vr.encode(), value)
