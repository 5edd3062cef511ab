"""What a DICOMweb service gets that takes other transfer syntaxes than those of the archive."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom import dcmread

from gateway.requestor import Timeouts
from gateway.sdk.move.routes import Routes
from gateway.settings import Destination, TranscodingSettings
from gateway.transcoding import Target, Transcoder
from gateway.transcoding.lossy_attributes import derived_uid
from gateway.transcoding.targets import (
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    RLE_LOSSLESS,
)
from tests.patience import WALL
from tests.peers import wire
from tests.peers.web_store import Asked, Reply, WebStore, module
from tests.transcoding.conftest import image as image
from tests.transcoding.conftest import samples
from tests.workers.forward.test_service_syntaxes import refusing, syntaxes_of
from tests.workers.forward.test_transcoded import FRAMES
from tests.workers.forward.test_transcoded import rle as rle
from workers.forward.destination_links import DestinationLinks
from workers.forward.outcomes import SendOutcome, SendVerdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.datasets import Instance

    Image = Callable[..., Instance]
    Send = Callable[..., list[SendOutcome]]

MPEG = "1.2.840.10008.1.2.4.100"


@pytest.fixture(scope="module")
def transcoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Transcoder]:
    """One for all tests: its process takes a second to start."""
    transcoder = Transcoder(TranscodingSettings(), tmp_path_factory.mktemp("transcoding"))
    yield transcoder
    transcoder.close()


@pytest.fixture
def send(transcoder: Transcoder) -> Iterator[Send]:
    """Sends instances to a service by the rules of a destination, one after the other."""
    opened = []

    def run(peer: WebStore, *sent: Instance, **rules: Any) -> list[SendOutcome]:
        entry = Destination("localhost", peer.port, url=peer.url, **rules)
        routes = Routes({"WEB": entry}, timeouts=Timeouts.all(WALL))
        opened.append(routes)
        with peer.running():
            link = DestinationLinks(routes, "US", lambda: transcoder).open("WEB", 0)
            try:
                return [link.begin(one, None).answered.result(WALL) for one in sent]
            finally:
                link.release()

    yield run
    for routes in opened:
        routes.close()


def arrived(peer: WebStore, uid: str = "1.2.3.4") -> Any:
    return dcmread(BytesIO(peer.files[uid]))


def tried(peer: WebStore) -> list[str]:
    return [syntax for asked in peer.requests for _, syntax in syntaxes_of(asked)]


@pytest.mark.parametrize(
    ("wanted", "syntax"),
    [
        ((), RLE_LOSSLESS),
        (("JPEG2000Lossless", "RLELossless"), JPEG_2000_LOSSLESS),
        (("ExplicitVRLittleEndian",), wire.EXPLICIT),
        (("ImplicitVRLittleEndian",), wire.IMPLICIT),
    ],
)
def test_what_is_wanted_is_sent_at_once(
    send: Send, rle: Instance, wanted: tuple[str, ...], syntax: str
) -> None:
    peer = WebStore()
    (found,) = send(peer, rle, transcode=True, transfer_syntaxes=wanted)
    assert found.verdict is SendVerdict.DONE
    assert tried(peer) == [syntax]
    assert arrived(peer).file_meta.TransferSyntaxUID == syntax
    assert np.array_equal(samples(arrived(peer)), FRAMES)


@pytest.mark.parametrize("reply", [None, Reply(415)], ids=["C122", "415"])
def test_decompressed_for_a_service_that_refuses_what_is_compressed(
    send: Send, rle: Instance, reply: Reply | None
) -> None:
    peer = refusing(RLE_LOSSLESS, reply=reply)
    found = send(peer, rle, rle, transcode=True)
    assert [one.verdict for one in found] == [SendVerdict.DONE] * 2
    assert tried(peer) == [RLE_LOSSLESS, wire.EXPLICIT, wire.EXPLICIT]
    assert FRAMES.tobytes() in peer.files["1.2.3.4"]


def test_compressed_for_a_service_that_says_what_it_takes(send: Send, image: Image) -> None:
    def answer(asked: Asked) -> Reply:
        if syntaxes_of(asked)[0][1] == JPEG_LS_LOSSLESS:
            return module(asked.uids)
        accept = f'multipart/related; type="application/dicom"; transfer-syntax={JPEG_LS_LOSSLESS}'
        return Reply(415, headers={"Accept": accept})

    peer, one = WebStore(answer=answer), image(FRAMES, SOPClassUID=wire.CT)
    (found,) = send(peer, one, transcode=True, transfer_syntaxes=("JPEG2000Lossless",))
    assert found.verdict is SendVerdict.DONE
    assert tried(peer) == [JPEG_2000_LOSSLESS, JPEG_LS_LOSSLESS]
    assert np.array_equal(samples(arrived(peer)), FRAMES)


def test_not_without_a_rule(send: Send, rle: Instance) -> None:
    peer = refusing(RLE_LOSSLESS)
    (found,) = send(peer, rle)
    assert found.verdict is SendVerdict.PARK
    assert tried(peer) == [RLE_LOSSLESS]


def test_with_loss_it_is_another_instance(send: Send, rle: Instance) -> None:
    peer = WebStore()
    (found,) = send(peer, rle, transcode=True, lossy_ratio=4)
    assert found.verdict is SendVerdict.DONE
    uid = derived_uid("1.2.3.4", Target(JPEG_2000, ratio=4.0))
    assert list(peer.files) == [uid]
    one = arrived(peer, uid)
    assert one.SOPInstanceUID == one.file_meta.MediaStorageSOPInstanceUID == uid
    assert one.file_meta.TransferSyntaxUID == JPEG_2000
    assert one.LossyImageCompression == "01"


def test_a_service_that_refuses_loss_gets_the_original(send: Send, rle: Instance) -> None:
    peer = refusing(JPEG_2000)
    (found,) = send(peer, rle, transcode=True, lossy_ratio=4)
    assert found.verdict is SendVerdict.DONE
    assert tried(peer) == [JPEG_2000, RLE_LOSSLESS]
    assert [len(times) for times in peer.times.values()] == [1, 1]
    assert arrived(peer).SOPInstanceUID == "1.2.3.4"


def test_what_has_no_other_form_is_sent_as_it_is(send: Send, image: Image) -> None:
    peer, words = WebStore(), image(np.arange(16, dtype=np.uint32).reshape(4, 4))
    video = image(FRAMES, frames=[b"ab"], syntax=MPEG, SOPInstanceUID="1.2.5")
    rules = {"transcode": True, "transfer_syntaxes": ("JPEGLSLossless",)}
    assert {one.verdict for one in send(peer, words, video, **rules)} == {SendVerdict.DONE}
    assert tried(peer) == [wire.EXPLICIT, MPEG]


def test_what_has_no_form_that_is_taken_is_parked_with_both_reasons(
    send: Send, image: Image
) -> None:
    peer = WebStore()
    accept = f"application/dicom; transfer-syntax={JPEG_LS_LOSSLESS}"
    peer.answer = lambda _asked: Reply(415, headers={"Accept": accept})
    (found,) = send(peer, image(np.arange(16, dtype=np.uint32).reshape(4, 4)), transcode=True)
    assert found.verdict is SendVerdict.PARK
    assert found.reason.startswith(
        "the destination answered HTTP 415: it does not take an instance"
    )
    assert "; not as JPEG-LS Lossless" in found.reason


def test_a_damaged_one_is_parked_and_the_others_are_sent(
    send: Send, image: Image, rle: Instance
) -> None:
    damaged = image(
        FRAMES,
        frames=[b"ab"] * 3,
        syntax=RLE_LOSSLESS,
        SOPClassUID=wire.CT,
        SOPInstanceUID="1.2.6",
    )
    peer = refusing(RLE_LOSSLESS)
    first, second = send(peer, damaged, rle, transcode=True)
    assert (first.verdict, second.verdict) == (SendVerdict.PARK, SendVerdict.DONE)
    assert "frame 1 is not decoded" in first.reason
