"""What is kept of the parts of a STOW-RS request, without a gateway."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.part10 import file_meta
from gateway.requestor import Address
from tests.workers.dicomweb.conftest import body
from tests.workers.holdings import instance
from workers.dicomweb.own_gateway import OwnAssociations, OwnGateway
from workers.dicomweb.stow import CANNOT_UNDERSTAND, MISMATCH, Kept, Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"


def nobody() -> OwnGateway:
    return OwnGateway(Address("127.0.0.1", 1, None), "NOBODY")


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


def test_of_each_part_its_uids_stay_and_not_its_bytes(tmp_path: Path) -> None:
    sent = instance(SOPInstanceUID="1.6.1", StudyInstanceUID="1.6", SeriesInstanceUID="1.6.2")
    file = file_meta(CT, sent.uid, EXPLICIT) + sent.data_set

    async def kept() -> list[Kept]:
        store = Store(tmp_path, OwnAssociations(nobody, "ODD"), 1 << 20, "1.5")
        await store.take(pieces(body(file, b"nothing", file)), "edge")
        return store.kept

    refused = Kept((CT, "1.6.1"), MISMATCH, ("1.6", "1.6.2"))
    assert asyncio.run(kept()) == [refused, Kept(None, CANNOT_UNDERSTAND), refused]
    assert list(tmp_path.iterdir()) == []
