"""The associations on which what comes by HTTP is stored: as many as needed, kept, bounded."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from gateway.requestor import Address, AssociationError
from tests.peers import procfs, wire
from tests.peers.destination import Destination
from workers.dicomweb import own_gateway
from workers.dicomweb.own_gateway import OwnAssociations, OwnGateway

if TYPE_CHECKING:
    from collections.abc import Iterator

CT, MR = (wire.CT, wire.EXPLICIT), (wire.MR, wire.EXPLICIT)


@contextmanager
def peer(most: int = 100) -> Iterator[tuple[Destination, OwnAssociations]]:
    scp = Destination(sop_classes=(wire.CT, wire.MR), most=most)
    with scp.running("GATEWAY"):
        address = Address("127.0.0.1", scp.port)
        yield scp, OwnAssociations(lambda: OwnGateway(address, "GATEWAY"), "DICOMWEB")


async def released(*taken: own_gateway.OpenAssociation) -> None:
    for one in taken:
        await one.association.release()


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_as_many_as_are_needed_at_once_and_then_the_same_again() -> None:
    async def use() -> None:
        three = await asyncio.gather(*(associations.take(CT) for _ in range(3)))
        assert len(scp.associations) == 3
        assert associations.idle_one(CT) is None
        for one in three:
            associations.give_back(one)
        again = [associations.idle_one(CT) for _ in range(3)]
        assert {id(one) for one in again} == {id(one) for one in three}
        assert len(scp.associations) == 3
        await released(*three)

    with peer() as (scp, associations):
        asyncio.run(use())
    assert set(scp.associations) == {("DICOMWEB", "GATEWAY")}


def test_another_kind_gets_an_association_for_all_that_were_stored() -> None:
    async def use() -> None:
        first = await associations.take(CT)
        associations.give_back(first)
        assert associations.idle_one(MR) is None
        second = await associations.take(MR)
        assert second.kinds == {CT, MR}
        await released(first, second)

    with peer() as (_, associations):
        asyncio.run(use())


def test_who_finds_none_waits_for_one_to_be_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_gateway, "MOST", 2)

    async def use() -> None:
        one, two = await asyncio.gather(associations.take(CT), associations.take(CT))
        third = asyncio.create_task(associations.take(CT))
        await turns()
        assert not third.done()
        associations.give_back(one)
        assert await third is one
        associations.give_back(one)
        other = await associations.take(MR)  # in place of an idle one
        assert len(scp.associations) == 3
        await released(two, other)

    with peer() as (scp, associations):
        asyncio.run(use())


def test_a_rejected_association_is_waited_for_if_there_is_another() -> None:
    async def use() -> None:
        one = await associations.take(CT)
        second = asyncio.create_task(associations.take(CT))
        associations.give_back(one)
        assert await second is one
        await released(one)

    with peer(most=1) as (_, associations):
        asyncio.run(use())


def test_nobody_there_and_an_association_that_has_ended() -> None:
    async def use() -> None:
        with scp.running("GATEWAY"):
            one = await associations.take(CT)
            associations.give_back(one)
            await one.association.release()
        ended = partial(procfs.until, lambda: one.association.ended, what="the end")
        await asyncio.to_thread(ended)
        assert associations.idle_one(CT) is None
        with pytest.raises(AssociationError):
            await associations.take(CT)
        with scp.running("GATEWAY"):
            await released(await associations.take(CT))

    scp = Destination()
    address = Address("127.0.0.1", scp.port)
    associations = OwnAssociations(lambda: OwnGateway(address, "GATEWAY"), "DICOMWEB")
    asyncio.run(use())
