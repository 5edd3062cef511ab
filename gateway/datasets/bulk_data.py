"""Instances as Composite Instance Retrieve Without Bulk Data sends them (PS3.4 annex Z)."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from gateway.datasets.coding import decode
from gateway.datasets.conversion import instance_in, syntax_of

if TYPE_CHECKING:
    from collections.abc import Callable

_BULK = frozenset(
    {
        0x00287FE0,  # Pixel Data Provider URL
        0x00420011,  # Encapsulated Document
        0x56000020,  # Spectroscopy Data
        0x7FE00008,  # Float Pixel Data
        0x7FE00009,  # Double Float Pixel Data
        0x7FE00010,  # Pixel Data
    }
)
"""Attributes that are left out (PS3.4 Z.1.3)."""
_REPEATED = frozenset({(0x50, 0x200C), (0x50, 0x3000), (0x60, 0x3000)})
"""Audio Sample Data, Curve Data and Overlay Data, of which there are 256 groups each."""
_WAVEFORMS, _WAVEFORM_DATA = 0x54000100, 0x54001010


def without_bulk_data(what: Any) -> tuple[Dataset, str]:
    """Return a data set without its bulk data, and its transfer syntax; `what` stays as it is.

    `what` is a Dataset, an Instance, or the path or claim of a file. Values are not converted.
    Raises DatasetError, GatewayError or OSError for one that cannot be read.
    """
    if isinstance(what, Dataset):
        dataset, syntax = what, syntax_of(what)
    else:
        instance = instance_in(what)
        syntax = instance.transfer_syntax_uid
        dataset = decode(BytesIO(instance.read()), syntax)
    kept = _copy(dataset, is_bulk_data)
    if _WAVEFORMS in kept and isinstance(items := kept[_WAVEFORMS].value, Sequence):
        waveforms = Sequence([_copy(item, _WAVEFORM_DATA.__eq__) for item in items])
        kept[_WAVEFORMS] = DataElement(_WAVEFORMS, "SQ", waveforms)
    return kept, syntax


def is_bulk_data(tag: int) -> bool:
    """Return whether an attribute of the data set itself is bulk data."""
    return tag in _BULK or (not tag >> 16 & 1 and (tag >> 24, tag & 0xFFFF) in _REPEATED)


def _copy(dataset: Dataset, is_left_out: Callable[[int], bool]) -> Dataset:
    kept = Dataset()
    for tag in dataset.keys():  # noqa: SIM118 - items of a Dataset are converted
        if not is_left_out(int(tag)):
            kept[tag] = dataset.get_item(tag)
    implicit, little = dataset.original_encoding
    kept.set_original_encoding(implicit, little, dataset.original_character_set)
    return kept
