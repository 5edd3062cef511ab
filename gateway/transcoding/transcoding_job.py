"""One instance on its way to another transfer syntax, in a process of its own (needs numpy).

What changes in the data set are the pixel data and what describes it: Photometric Interpretation,
Planar Configuration (always by pixel), and Bits Allocated, Bits Stored and High Bit where a decoder
gives others. An offset table is written for what is compressed, and left out otherwise. Digital
signatures are left out, because they would not hold, and so are group lengths and padding. Every
other value stays as it is, byte by byte.

Colors: JPEG 2000 decodes to RGB (its transform is part of the compression); lossy JPEG in YBR_FULL
or YBR_FULL_422 becomes RGB, because its chrominance is subsampled; the samples of all other
transfer syntaxes, which are lossless, and their Photometric Interpretation stay as they are.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO

from gateway.datasets import UNCOMPRESSED, Instance
from gateway.datasets.byte_sources import FileSource
from gateway.datasets.coding import decode, encode
from gateway.datasets.conversion import convert
from gateway.datasets.encoded import whole
from gateway.datasets.errors import NotTranscodable, TranscodingError
from gateway.transcoding.compression import write_compressed
from gateway.transcoding.decoded_frames import Frame, frames_of
from gateway.transcoding.lossy_attributes import mark_as_lossy, mark_decoded_jpeg
from gateway.transcoding.nested_pixels import decode_nested
from gateway.transcoding.pixel_element import PixelElement, find_pixel_element
from gateway.transcoding.pixel_module import PixelModule
from gateway.transcoding.targets import DECODED, JPEG_LOSSY, Target
from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset

LONGEST_HEADER = 128 << 20
"""Bytes before and after the pixel data, which are in memory."""
LONGEST_VALUE = 0xFFFFFFFE
"""Bytes of a value of defined length (PS3.5 7.1.1)."""
_PIECE = 1 << 20
_SIGNATURES = (0xFFFAFFFA, 0x4FFE0001)
_OFFSET_TABLES = (0x7FE00001, 0x7FE00002, 0x7FE00003)
_PADDING = 0xFFFCFFFC


@dataclass(frozen=True, slots=True)
class TranscodingJob:
    """What a process is told."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    path: str
    offset: int
    size: int
    target: Target
    out: str
    """The file to write, which is there and empty."""
    largest: int
    """The most bytes of the pixel data, decompressed."""
    largest_frame: int
    """The most bytes of a frame."""


def perform(job: TranscodingJob) -> str:
    """Write the data set in its new transfer syntax; return its SOP Instance UID.

    Raises DatasetError and OSError: TranscodingError for pixel data that cannot be decoded, and
    NotTranscodable for what has no form in the target.
    """
    both = job.transfer_syntax_uid, job.target.transfer_syntax
    with ExitStack() as stack:
        file, size = _explicit(job, stack)
        source = FileSource(file.fileno(), 0, size)
        element = find_pixel_element(source)
        if element is None or element.is_float or all(one in UNCOMPRESSED for one in both):
            return _with_other_headers(job, file)
        data_set = _read_around(source, element)
        out = stack.enter_context(open(job.out, "r+b"))
        return _Transcoding(job, data_set, element, file).write(out)


def _explicit(job: TranscodingJob, stack: ExitStack) -> tuple[BinaryIO, int]:
    """Return a file with the data set in explicit VR little endian, or compressed as it is."""
    uids = job.sop_class_uid, job.sop_instance_uid, job.transfer_syntax_uid
    instance = Instance(*uids, job.size, job.path, job.offset)
    folder = os.path.dirname(job.out)
    file = stack.enter_context(TemporaryFile(dir=folder))  # noqa: SIM115 - the stack closes it
    if job.transfer_syntax_uid in UNCOMPRESSED:
        instance = convert(instance, EXPLICIT_VR_LITTLE_ENDIAN)
    for piece in instance.pieces():
        file.write(piece)
    file.flush()
    return file, file.tell()


def _with_other_headers(job: TranscodingJob, file: BinaryIO) -> str:
    """Write an instance whose pixel data, if it has any, stays as it is."""
    if job.target.transfer_syntax not in UNCOMPRESSED:
        raise NotTranscodable("it has no pixel data that can be compressed")
    with open(job.out, "r+b") as out:
        file.seek(0)
        while piece := file.read(_PIECE):
            out.write(piece)
    _finish_uncompressed(job)
    return job.sop_instance_uid


def _read_around(source: FileSource, element: PixelElement) -> Dataset:
    """Return the data set without its pixel data."""
    before, after = element.begin, source.size - element.end
    if before + after > LONGEST_HEADER:
        raise TranscodingError(f"it has {before + after} bytes beside the pixel data")
    data = bytes(source.read(0, before)) + bytes(source.read(element.end, after))
    syntax = EXPLICIT_VR_LITTLE_ENDIAN
    return decode(BytesIO(whole(data, syntax)), syntax)


class _Transcoding:
    """The frames of one instance."""

    def __init__(
        self, job: TranscodingJob, data_set: Dataset, element: PixelElement, file: BinaryIO
    ) -> None:
        self._job, self._data_set, self._file = job, data_set, file
        self._module = PixelModule.of(data_set)
        self._module.check_size(job.largest, job.largest_frame)
        self._element = element
        if element.is_encapsulated != (job.transfer_syntax_uid in DECODED):
            is_so = "encapsulated" if element.is_encapsulated else "not encapsulated"
            raise TranscodingError(f"the pixel data is {is_so}, unlike its transfer syntax")

    def write(self, out: BinaryIO) -> str:
        job, data_set, target = self._job, self._data_set, self._job.target
        if target.is_lossy:
            self._check_lossy()
        frames = self._frames()
        first = next(frames)
        for tag in (*_SIGNATURES, *_OFFSET_TABLES, _PADDING):
            if tag in data_set:
                del data_set[tag]
        if self._element.has_nested:
            decode_nested(data_set, job.transfer_syntax_uid)
        if job.transfer_syntax_uid in JPEG_LOSSY:
            mark_decoded_jpeg(data_set)
        first.module.write_to(data_set)
        if target.transfer_syntax in UNCOMPRESSED:
            self._write_uncompressed(out, first, frames)
            return job.sop_instance_uid
        return self._write_compressed(out, first, frames)

    def _check_lossy(self) -> None:
        if str(self._data_set.get("LossyImageCompression") or "") == "01":
            raise NotTranscodable("it was compressed with loss before")
        if self._job.transfer_syntax_uid in JPEG_LOSSY:
            raise NotTranscodable("it is compressed with loss")

    def _frames(self) -> Iterator[Frame]:
        """Yield all frames; raise TranscodingError if there are more or fewer."""
        number, count = self._module.number_of_frames, 0
        self._file.seek(self._element.at)
        syntax = self._job.transfer_syntax_uid
        if not self._element.is_encapsulated:
            syntax = EXPLICIT_VR_LITTLE_ENDIAN
            self._module.check_length(self._element.length)
        for frame in frames_of(self._file, self._module, self._data_set, syntax):
            count += 1
            if count > number:
                raise TranscodingError(f"it has more frames than the {number} that it names")
            yield frame
        if count != number:
            raise TranscodingError(f"it has {count} of the {number} frames that it names")

    def _write_uncompressed(self, out: BinaryIO, first: Frame, frames: Iterator[Frame]) -> None:
        length = first.array.nbytes * self._module.number_of_frames
        if length > LONGEST_VALUE:
            raise TranscodingError("its pixel data is too long to be uncompressed")
        before, after = _split(self._data_set)
        out.write(before)
        vr = b"OB" if first.array.dtype.itemsize == 1 else b"OW"
        header = vr + b"\0\0" + (length + length % 2).to_bytes(4, "little")
        out.write(b"\xe0\x7f\x10\x00" + header)
        for frame in chain((first,), frames):
            first.check_same(frame)
            out.write(frame.data())
        out.write(b"\0" * (length % 2) + after)
        out.flush()
        _finish_uncompressed(self._job)

    def _write_compressed(self, out: BinaryIO, first: Frame, frames: Iterator[Frame]) -> str:
        job, data_set, target = self._job, self._data_set, self._job.target
        body = TemporaryFile(dir=os.path.dirname(job.out))  # noqa: SIM115 - closed below
        with body:
            written = write_compressed(body, chain((first,), frames), target, self._module)
            data_set.PhotometricInterpretation = written.photometric_interpretation
            uid = job.sop_instance_uid
            if target.is_lossy:
                uid = mark_as_lossy(data_set, target, written.ratio)
            before, after = _split(data_set)
            out.write(before)
            body.seek(0)
            while piece := body.read(_PIECE):
                out.write(piece)
            out.write(after)
        return uid


def _split(data_set: Dataset) -> tuple[bytes, bytes]:
    """Return what stands before the pixel data, encoded, and what stands after it."""
    parts: list[Any] = []
    for is_after in (False, True):
        part = data_set[0x7FE00010 + 1 :] if is_after else data_set[:0x7FE00010]
        parts.append(encode(part, EXPLICIT_VR_LITTLE_ENDIAN) if len(part) else b"")
    return parts[0], parts[1]


def _finish_uncompressed(job: TranscodingJob) -> None:
    """Have the file in its uncompressed target; what is there is explicit VR little endian."""
    syntax = job.target.transfer_syntax
    if syntax == EXPLICIT_VR_LITTLE_ENDIAN:
        return
    uids = job.sop_class_uid, job.sop_instance_uid, EXPLICIT_VR_LITTLE_ENDIAN
    size = os.path.getsize(job.out)
    other = f"{job.out}.converted"
    with open(other, "wb") as file:
        for piece in convert(Instance(*uids, size, job.out), syntax).pieces():
            file.write(piece)
    os.replace(other, job.out)
