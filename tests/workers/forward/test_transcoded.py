"""What a destination gets that takes other transfer syntaxes than those of the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydicom import dcmread

from gateway.datasets import NoContext
from gateway.datasets.errors import TranscodingError
from gateway.sdk.move.routes import Routes
from gateway.settings import Destination
from gateway.transcoding import Target
from gateway.transcoding.lossy_attributes import derived_uid
from gateway.transcoding.targets import JPEG_2000, JPEG_2000_LOSSLESS, RLE_LOSSLESS
from tests.peers import wire
from tests.peers.scp import dcmtk_storescp, pynetdicom_storescp
from tests.transcoding.conftest import image as image
from tests.transcoding.conftest import samples
from tests.transcoding.conftest import transcoder as transcoder
from workers.forward.destination_links import DestinationLinks
from workers.forward.outcomes import SendVerdict, of_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from gateway.datasets import Instance
    from gateway.transcoding import Transcoder
    from tests.peers.raw import Address

    Image = Callable[..., Instance]
    Send = Callable[..., str]

FRAMES = np.arange(3 * 40 * 40, dtype=np.uint16).reshape(3, 40, 40)


@pytest.fixture
def send(transcoder: Transcoder, tmp_path: Path) -> Iterator[Send]:
    """Sends an instance to a new peer by the rules of a destination; the files are in `arrived`."""
    (tmp_path / "arrived").mkdir()
    opened = []

    def run(
        peer: Callable[[Path], AbstractContextManager[Address]], what: Instance, **rules: object
    ) -> str:
        with peer(tmp_path / "arrived") as (host, port):
            routes = Routes({"THERE": Destination(host, port, **rules)})  # type: ignore[arg-type]
            opened.append(routes)
            link = DestinationLinks(routes, "US", lambda: transcoder).open("THERE", 0)
            try:
                assert link.begin(what, None).answered.result().status == 0
            finally:
                link.release()
        (arrived,) = (tmp_path / "arrived").iterdir()
        return str(arrived)

    yield run
    for routes in opened:
        routes.close()


@pytest.fixture
def rle(transcoder: Transcoder, image: Image) -> Instance:
    return transcoder.transcode(image(FRAMES, SOPClassUID=wire.CT), Target(RLE_LOSSLESS))


def test_decompressed_for_one_that_takes_nothing_else(send: Send, rle: Instance) -> None:
    path = send(pynetdicom_storescp, rle, transcode=True)
    with open(path, "rb") as file:
        assert FRAMES.tobytes() in file.read()


def test_not_without_a_rule(send: Send, rle: Instance) -> None:
    with pytest.raises(NoContext):
        send(pynetdicom_storescp, rle)


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize(("wanted", "syntax"), [
    ((), RLE_LOSSLESS),
    (("JPEG2000Lossless", "RLELossless"), JPEG_2000_LOSSLESS),
    (("ImplicitVRLittleEndian",), wire.IMPLICIT),
])  # fmt: skip
def test_what_is_wanted_comes_first(
    send: Send, rle: Instance, wanted: tuple[str, ...], syntax: str
) -> None:
    arrived = dcmread(send(dcmtk_storescp, rle, transcode=True, transfer_syntaxes=wanted))
    assert arrived.file_meta.TransferSyntaxUID == syntax
    assert arrived.SOPInstanceUID == "1.2.3.4"
    assert np.array_equal(samples(arrived), FRAMES)


@pytest.mark.peer("dcmtk")
def test_with_loss_it_is_another_instance(send: Send, rle: Instance) -> None:
    arrived = dcmread(send(dcmtk_storescp, rle, transcode=True, lossy_ratio=4))
    assert arrived.file_meta.TransferSyntaxUID == JPEG_2000
    uid = derived_uid("1.2.3.4", Target(JPEG_2000, ratio=4.0))
    assert arrived.SOPInstanceUID == arrived.file_meta.MediaStorageSOPInstanceUID == uid
    assert arrived.LossyImageCompression == "01"


@pytest.mark.peer("dcmtk")
def test_what_has_no_other_form_is_sent_as_it_is(send: Send, image: Image) -> None:
    words = np.arange(16, dtype=np.uint32).reshape(4, 4)
    path = send(dcmtk_storescp, image(words), transcode=True, transfer_syntaxes=("JPEGLSLossless",))
    assert dcmread(path).file_meta.TransferSyntaxUID == wire.EXPLICIT


def test_a_damaged_one_is_parked_with_the_reason(send: Send, image: Image) -> None:
    damaged = image(FRAMES, frames=[b"ab"] * 3, syntax=RLE_LOSSLESS, SOPClassUID=wire.CT)
    with pytest.raises(TranscodingError) as caught:
        send(pynetdicom_storescp, damaged, transcode=True)
    outcome = of_error(caught.value)
    assert outcome.verdict is SendVerdict.PARK
    assert "frame 1 is not decoded" in outcome.reason
