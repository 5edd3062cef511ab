"""The processes that transcode: what costs one instance, and what the others notice of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gateway.datasets.errors import NotTranscodable, TranscodingError
from gateway.errors import GatewayError
from gateway.settings import TranscodingSettings
from gateway.transcoding import Target, Transcoder
from gateway.transcoding.targets import JPEG_LS_LOSSLESS, RLE_LOSSLESS
from tests.patience import PATIENCE
from tests.peers import wire
from tests.transcoding.broken_child import DIES, GROWS, HANGS, RAISES
from tests.transcoding.conftest import read, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.datasets import Instance

    Image = Callable[..., Instance]

FRAMES = np.arange(2 * 8 * 8, dtype=np.uint16).reshape(2, 8, 8)
TO_RLE = Target(RLE_LOSSLESS)


class BrokenTranscoder(Transcoder):
    module = "tests.transcoding.broken_child"


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Transcoder]:
    settings = TranscodingSettings(memory=256 << 20, time=60 * PATIENCE)
    transcoder = BrokenTranscoder(settings, tmp_path / "transcoding")
    yield transcoder
    transcoder.close()


def test_to_and_fro(transcoder: Transcoder, image: Image, tmp_path: Path) -> None:
    compressed = transcoder.transcode(image(FRAMES), TO_RLE)
    assert compressed.transfer_syntax_uid == RLE_LOSSLESS
    path = tmp_path / "stored"
    path.write_bytes(b"before" + compressed.read())
    from gateway.datasets import Instance

    stored = Instance(
        *(compressed.sop_class_uid, compressed.sop_instance_uid, RLE_LOSSLESS),
        *(compressed.size, path, 6),
    )
    before = path.read_bytes()
    result = transcoder.transcode(stored, Target(wire.EXPLICIT))
    assert np.array_equal(samples(read(result)), FRAMES)
    assert path.read_bytes() == before
    assert not list((tmp_path / "transcoding").iterdir())


def test_a_large_result_is_read_as_it_is_sent(
    transcoder: Transcoder, image: Image, tmp_path: Path
) -> None:
    large = np.zeros((3000, 1000), np.uint16)
    result = transcoder.transcode(transcoder.transcode(image(large), TO_RLE), Target(wire.EXPLICIT))
    assert result.data is None
    assert result.make is not None
    assert not list((tmp_path / "transcoding").iterdir())
    for _ in range(2):
        data = result.read()
        assert len(data) == result.size > large.nbytes


def test_a_reason_is_told(transcoder: Transcoder, image: Image) -> None:
    with pytest.raises(NotTranscodable, match="not as JPEG-LS"):
        transcoder.transcode(image(np.zeros((4, 4), np.uint32)), Target(JPEG_LS_LOSSLESS))
    damaged = image(FRAMES, frames=[b"xx", b"yy"], syntax=RLE_LOSSLESS)
    with pytest.raises(TranscodingError, match="frame 1 is not decoded"):
        transcoder.transcode(damaged, Target(wire.EXPLICIT))


@pytest.mark.parametrize(("uid", "reason"), [
    (DIES, "broke down: killed by SIGSEGV"), (GROWS, "more than 256 MiB of memory"),
    (RAISES, "LookupError at broken_child.py"),
])  # fmt: skip
def test_it_costs_one_instance(
    broken: Transcoder, image: Image, uid: str, reason: str, capfd: Any
) -> None:
    with pytest.raises(TranscodingError, match=reason) as caught:
        broken.transcode(image(FRAMES, SOPInstanceUID=uid), TO_RLE)
    assert "Nobody" not in str(caught.value)
    assert broken.transcode(image(FRAMES), TO_RLE).transfer_syntax_uid == RLE_LOSSLESS
    assert capfd.readouterr() == ("", "")


def test_a_decoder_that_hangs_is_ended(broken: Transcoder, image: Image) -> None:
    broken.transcode(image(FRAMES), TO_RLE)  # from here on its process runs
    with pytest.raises(TranscodingError, match="too long"):
        broken.transcode(image(FRAMES, SOPInstanceUID=HANGS), TO_RLE, longest=0.2)
    assert broken.transcode(image(FRAMES), TO_RLE).transfer_syntax_uid == RLE_LOSSLESS


def test_several_threads_share_the_processes(transcoder: Transcoder, image: Image) -> None:
    instances = [image(FRAMES, SOPInstanceUID=f"1.2.3.{number}") for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda one: transcoder.transcode(one, TO_RLE), instances))
    assert [one.sop_instance_uid for one in results] == [f"1.2.3.{n}" for n in range(12)]


def test_a_closed_one_takes_no_jobs(broken: Transcoder, image: Image) -> None:
    broken.transcode(image(FRAMES), TO_RLE)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(broken.transcode, image(FRAMES, SOPInstanceUID=HANGS), TO_RLE)
        while broken._idle or not broken._all:
            pass
        broken.close()
        with pytest.raises(GatewayError, match="the worker stops"):
            hanging.result()
    with pytest.raises(GatewayError, match="the worker stops"):
        broken.transcode(image(FRAMES), TO_RLE)


def test_a_process_that_does_not_start(image: Image, tmp_path: Path) -> None:
    class Absent(Transcoder):
        module = "tests.transcoding.absent"

    transcoder = Absent(TranscodingSettings(), tmp_path)
    for _ in range(2):
        with pytest.raises(GatewayError, match="does not start: exit status 1"):
            transcoder.transcode(image(FRAMES), TO_RLE)
    transcoder.close()
