"""What the standard asks of an image that was compressed with loss (PS3.3 C.7.6.1.1.5, C.12.4)."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from gateway.transcoding.targets import JPEG_2000, JPEG_LS_NEAR_LOSSLESS, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

_METHODS = {JPEG_2000: "ISO_15444_1", JPEG_LS_NEAR_LOSSLESS: "ISO_14495_1"}
_JPEG = "ISO_10918_1"
_LOSSY_COMPRESSION = ("113040", "DCM", "Lossy Compression")
"""Of the context group 7203 for derivation codes."""
_UNCOMPRESSED_PREDECESSOR = ("121320", "DCM", "Uncompressed predecessor")
"""Of the context group 7202 for the purpose of a reference."""


def derived_uid(sop_instance_uid: str, target: Target) -> str:
    """Return the SOP Instance UID of a version with loss: the same one each time (PS3.5 B.2)."""
    text = f"{sop_instance_uid} {target.transfer_syntax} {target.ratio} {target.error}"
    digest = blake2b(text.encode(), digest_size=16)
    return f"2.25.{int.from_bytes(digest.digest(), 'big')}"


def mark_as_lossy(data_set: Dataset, target: Target, ratio: float) -> str:
    """Make a data set that of a derived image; return its new SOP Instance UID."""
    source = Dataset()
    source.ReferencedSOPClassUID = data_set.SOPClassUID
    source.ReferencedSOPInstanceUID = data_set.SOPInstanceUID
    source.PurposeOfReferenceCodeSequence = [_code(*_UNCOMPRESSED_PREDECESSOR)]
    data_set.SourceImageSequence = [source]
    _add_code(data_set)
    data_set.SOPInstanceUID = derived_uid(str(data_set.SOPInstanceUID), target)
    data_set.ImageType = ["DERIVED", *(_values(data_set, "ImageType")[1:] or ["PRIMARY"])]
    what = (
        f"JPEG 2000, {ratio:.1f}:1"
        if target.transfer_syntax == JPEG_2000
        else f"JPEG-LS, error up to {target.error}, {ratio:.1f}:1"
    )
    text = f"Lossy compression: {what}"
    before = str(data_set.get("DerivationDescription") or "")
    data_set.DerivationDescription = f"{before}; {text}"[-1024:] if before else text
    _add_step(data_set, _METHODS[target.transfer_syntax], ratio)
    return str(data_set.SOPInstanceUID)


def mark_decoded_jpeg(data_set: Dataset) -> None:
    """Say of an image that it was compressed with loss, as its transfer syntax said."""
    if str(data_set.get("LossyImageCompression") or "") != "01":
        data_set.LossyImageCompression = "01"
        if not data_set.get("LossyImageCompressionMethod"):
            data_set.LossyImageCompressionMethod = _JPEG


def _add_step(data_set: Dataset, method: str, ratio: float) -> None:
    """Add a compression to those that the image tells of: they have one value each."""
    data_set.LossyImageCompression = "01"
    methods = _values(data_set, "LossyImageCompressionMethod")
    ratios = _values(data_set, "LossyImageCompressionRatio")
    data_set.LossyImageCompressionMethod = [*methods, method]
    data_set.LossyImageCompressionRatio = [*ratios, f"{ratio:.2f}"]


def _add_code(data_set: Dataset) -> None:
    before: Sequence[Any] = data_set.get("DerivationCodeSequence") or ()
    data_set.DerivationCodeSequence = [*before, _code(*_LOSSY_COMPRESSION)]


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _values(data_set: Dataset, name: str) -> list[Any]:
    value = data_set.get(name)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (MultiValue, list, tuple)) else [value]
