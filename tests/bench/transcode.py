"""Transcoding, syntax by syntax: `python -m tests.bench transcode`.

Processor time for each MB of decompressed pixel data, in this process and so without the way to
the processes of a gateway: what a frame of 512 x 512 samples of 16 bits costs to decode and to
encode. The image is smooth with noise in its lowest bits, as that of a CT.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from pydicom.dataset import Dataset

from gateway.datasets.conversion import encoded_instance
from gateway.datasets.instances import Instance
from gateway.transcoding import Target
from gateway.transcoding.targets import JPEG_2000, JPEG_LS_NEAR_LOSSLESS, LOSSLESS
from gateway.transcoding.transcoding_job import TranscodingJob, perform
from gateway.uid import UIDS
from tests.bench.rows import show
from tests.peers import wire

FRAMES = 8
MB = FRAMES * 512 * 512 * 2 / 1e6
TARGETS = (
    *(Target(syntax) for syntax in LOSSLESS),
    Target(JPEG_2000, ratio=10.0),
    Target(JPEG_LS_NEAR_LOSSLESS, error=2),
)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench transcode", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args(arguments).rounds
    with tempfile.TemporaryDirectory(prefix="transcode-", dir="/var/tmp") as name:
        folder, rows = Path(name), []
        for target in TARGETS:
            encoding, compressed = _best(folder, _image(), target, rounds)
            decoding, _ = _best(folder, compressed, Target(wire.EXPLICIT), rounds)
            size = len(_image().read()) / len(compressed.read())
            times = f"{encoding * 1000 / MB:.1f}", f"{decoding * 1000 / MB:.1f}"
            rows.append((UIDS[target.transfer_syntax].name[:60], *times, f"{size:.1f}"))
    show(f"{FRAMES} frames, {MB:.1f} MB", ("", "encode, ms/MB", "decode, ms/MB", "ratio"), rows)


def _best(folder: Path, source: Instance, target: Target, rounds: int) -> tuple[float, Instance]:
    """Return the least processor time of several rounds, in seconds, and the result."""
    path, out = folder / "source", folder / "out"
    path.write_bytes(source.read())
    uids = source.sop_class_uid, source.sop_instance_uid, source.transfer_syntax_uid
    job = TranscodingJob(*uids, str(path), 0, source.size, target, str(out), 1 << 30, 1 << 28)
    best, uid = float("inf"), ""
    for _ in range(rounds):
        out.write_bytes(b"")
        began = time.process_time()
        uid = perform(job)
        best = min(best, time.process_time() - began)
    data = out.read_bytes()
    return best, Instance(uids[0], uid, target.transfer_syntax, len(data), data=data)


def _image() -> Instance:
    import numpy as np

    waves = np.sin(np.arange(512) / 40)
    noise = np.random.default_rng(1).integers(0, 16, (FRAMES, 512, 512), dtype=np.uint16)
    data_set = Dataset()
    data_set.SOPClassUID, data_set.SOPInstanceUID = wire.CT, "1.2.3"
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 1, "MONOCHROME2"
    data_set.NumberOfFrames, data_set.Rows, data_set.Columns = FRAMES, 512, 512
    data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit = 16, 12, 11
    data_set.PixelRepresentation = 0
    smooth = (2000 + 1500 * waves[:, None] * waves[None, :]).astype(np.uint16)
    data_set.PixelData = (smooth[None] + noise).tobytes()
    return encoded_instance(data_set, wire.EXPLICIT)
