"""The order in which transfer syntaxes are chosen."""

from __future__ import annotations

import pytest

from gateway.datasets import UNCOMPRESSED
from gateway.transcoding.targets import (
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    LOSSLESS,
    RLE_LOSSLESS,
    candidates,
)
from gateway.uid import KEYWORDS
from tests.peers import wire

MPEG = KEYWORDS["MPEG4HP41"]
JPIP = KEYWORDS["JPIPReferenced"]


@pytest.mark.parametrize(("own", "wanted", "first"), [
    (RLE_LOSSLESS, (), (RLE_LOSSLESS, *UNCOMPRESSED)),
    (wire.IMPLICIT, (), (wire.IMPLICIT, wire.EXPLICIT)),
    (wire.IMPLICIT, (JPEG_2000_LOSSLESS,), (JPEG_2000_LOSSLESS, wire.IMPLICIT)),
    (RLE_LOSSLESS, (wire.IMPLICIT,), (wire.IMPLICIT, RLE_LOSSLESS, wire.EXPLICIT)),
    (RLE_LOSSLESS, (KEYWORDS["JPEGBaseline8Bit"],), (RLE_LOSSLESS, *UNCOMPRESSED)),
])  # fmt: skip
def test_order(own: str, wanted: tuple[str, ...], first: tuple[str, ...]) -> None:
    found = candidates(own, wanted)
    assert found[: len(first)] == first
    assert set(found) >= {own, *UNCOMPRESSED, *LOSSLESS}
    assert JPEG_2000 not in found  # with loss, and nobody asked for it
    assert len(found) == len(set(found))


@pytest.mark.parametrize("own", [MPEG, JPIP, "1.2.3.4"])
def test_what_is_not_decoded_is_sent_as_it_is(own: str) -> None:
    assert candidates(own, (wire.EXPLICIT, JPEG_2000_LOSSLESS)) == (own,)
