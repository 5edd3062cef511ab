"""Frames compressed here are decompressed by DCMTK, and the other way round, bit by bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom import dcmread

from gateway.part10 import file_meta
from gateway.transcoding.targets import JPEG_LS_LOSSLESS, RLE_LOSSLESS
from tests.peers import dcmtk, wire
from tests.transcoding.conftest import read, samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.datasets import Instance

pytestmark = pytest.mark.peer("dcmtk")

_RANDOM = np.random.default_rng(3)
IMAGES = {
    "grey of 8 bits": _RANDOM.integers(0, 256, (3, 33, 37), dtype=np.uint8),
    "grey of 16 bits": _RANDOM.integers(0, 65536, (2, 33, 37), dtype=np.uint16),
    "color": _RANDOM.integers(0, 256, (33, 37, 3), dtype=np.uint8),
}
BOTH_WAYS = pytest.mark.parametrize("name", IMAGES)


def run(tool: str, *words: object) -> None:
    if dcmtk.find(tool) is None:
        pytest.skip(f"{tool} is not installed")
    done = dcmtk.run(tool, *words)
    assert done.returncode == 0, done.stdout


def written(path: Path, instance: Instance) -> Path:
    uids = instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid
    path.write_bytes(file_meta(*uids) + instance.read())
    return path


@BOTH_WAYS
@pytest.mark.parametrize(
    ("target", "tool"), [(JPEG_LS_LOSSLESS, "dcmdjpls"), (RLE_LOSSLESS, "dcmdrle")]
)
def test_dcmtk_decompresses(
    transcode: Callable[..., Instance],
    image: Callable[..., Instance],
    tmp_path: Path,
    name: str,
    target: str,
    tool: str,
) -> None:
    compressed = written(tmp_path / "compressed", transcode(image(IMAGES[name]), target))
    run(tool, compressed, tmp_path / "theirs")
    assert np.array_equal(samples(dcmread(tmp_path / "theirs")), IMAGES[name])


@BOTH_WAYS
@pytest.mark.parametrize(
    "words", [("dcmcjpls",), ("dcmcrle",), ("dcmcjpeg", "+e1"), ("dcmcjpeg", "+el")]
)
def test_dcmtk_compresses(
    transcode: Callable[..., Instance],
    image: Callable[..., Instance],
    tmp_path: Path,
    name: str,
    words: tuple[Any, ...],
) -> None:
    if words[0] == "dcmcjpeg":
        pytest.importorskip("libjpeg", reason="the extra `gpl` is not installed")
    tool, *options = words
    source = written(tmp_path / "source", image(IMAGES[name]))
    run(tool, *options, source, tmp_path / "theirs")
    result = read(transcode(tmp_path / "theirs", wire.EXPLICIT))
    assert np.array_equal(samples(result), IMAGES[name])
