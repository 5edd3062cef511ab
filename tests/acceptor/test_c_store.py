from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from gateway.acceptor.asking import ReceivedRequest
from gateway.acceptor.c_store import StoreRequest
from gateway.dimse.message import CStoreRQ
from gateway.events import EVT_C_STORE
from gateway.fabric import Binding
from gateway.settings import AcceptorSettings, SpoolSettings
from gateway.spool import Spool
from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN, KEYWORDS
from gateway.ul.negotiation import AcceptedContext

CT = KEYWORDS["CTImageStorage"]


@pytest.mark.parametrize("size", [5000, 3_000_000], ids=["in memory", "in a file"])
def test_an_association_that_ends_before_the_sealing_begins_leaves_nothing(tmp_path, size):
    """The last fragment and an A-ABORT in one read: the task of the sealing never ran."""

    async def run() -> None:
        spool = Spool(tmp_path, 0, SpoolSettings(inline_max=1000, min_free=0), durable=True)
        chunks = spool._context.chunks
        settings = AcceptorSettings(0, "GATEWAY", run_dir="", spool_dir="")
        shared = SimpleNamespace(spool=spool, settings=settings)
        engine = SimpleNamespace(transport=SimpleNamespace(last_received=0.0))
        association = SimpleNamespace(id="a1", shared=shared, engine=engine)
        request = CStoreRQ(1, CT, "1.2.3")
        context = AcceptedContext(1, CT, EXPLICIT_VR_LITTLE_ENDIAN, as_scu=True, as_scp=True)
        received = ReceivedRequest(association, context, request, EVT_C_STORE)
        store = StoreRequest(received, Binding("EVT_C_STORE", durable=True), spool.create(b"meta"))
        data = b"\x08\x00\x18\x00UI\x06\x001.2.3\0"
        store.fragment(memoryview(data + bytes(size)))
        store.perform()
        store.stop()
        await asyncio.sleep(0)
        await spool.close()
        assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "lock"]
        assert chunks._made == len(chunks._free)

    asyncio.run(run())
