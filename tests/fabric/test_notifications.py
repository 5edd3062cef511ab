"""Notifications between real sockets: wanted or not, lost and found again, flushed at the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from gateway.errors import FabricError
from gateway.events import EVT_GAP
from gateway.fabric import LeaseState, Notification
from gateway.settings import FabricSettings
from tests.fabric.world import FAST, FIND, STORE, Member, acceptor, members, take, until
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

TOPIC = "EVT_RELEASED"
TIGHT = FabricSettings(heartbeat=0.1 * PATIENCE, high_water_mark=20, ring=64)


def test_only_what_is_watched_is_wanted(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        changes: list[set[str]] = []
        async with acceptor(run_dir) as server:
            server.on_wants_changed = changes.append
            assert not server.wants(TOPIC)
            member.client.subscribe(TOPIC)
            async with members(member):
                assert server.wants(TOPIC)
                assert not server.wants("EVT_RELEASED_ALSO")
                assert not server.wants("EVT_ABORTED")
                await asyncio.to_thread(member.client.subscribe, "EVT_ABORTED")
                assert server.wants("EVT_ABORTED")
                await asyncio.to_thread(member.client.unsubscribe, TOPIC)
                await until(lambda: not server.wants(TOPIC))
            await until(lambda: not server.wants("EVT_ABORTED"))
            assert changes == [{TOPIC}, {TOPIC, "EVT_ABORTED"}, {"EVT_ABORTED"}, set()]

    asyncio.run(scene())


def test_a_worker_is_known_once_its_subscriptions_are_in_effect(run_dir: Path) -> None:
    topics = {TOPIC, "EVT_ABORTED", "EVT_CONN_OPEN"}

    async def scene() -> None:
        member = Member(run_dir)
        for topic in topics:
            member.client.subscribe(topic)
        async with acceptor(run_dir, expect=["w"]) as server:
            starting = asyncio.create_task(member.start())
            await server.workers_known()
            assert server.is_held("EVT_C_ECHO")
            assert all(server.wants(topic) for topic in topics)
            await starting
            await member.stop()

    asyncio.run(scene())


def test_a_topic_is_wanted_until_its_last_watcher_leaves(run_dir: Path) -> None:
    async def scene() -> None:
        one, two = Member(run_dir), Member(run_dir)
        one.client.subscribe(TOPIC)
        two.client.subscribe(TOPIC)
        async with acceptor(run_dir) as server, members(one):
            async with members(two):
                pass
            await asyncio.to_thread(one.client.subscribe, "EVT_ABORTED")
            assert server.wants(TOPIC)

    asyncio.run(scene())


def test_a_notification_arrives_as_it_was_published(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        member.client.subscribe(TOPIC)
        async with acceptor(run_dir) as server, members(member):
            server.publish(TOPIC, {"a": [1, b"x"]}, b"blob")
            server.publish("EVT_ABORTED", {})
            server.publish(TOPIC, {})
            first, second = await take(member.notifications), await take(member.notifications)
            assert (first.topic, first.seq, first.body, first.assoc) == (
                TOPIC,
                1,
                {"a": [1, b"x"]},
                b"blob",
            )
            assert (second.stream, second.seq) == (first.stream, 2)
            assert first.stream.startswith("acceptor-0-")

    asyncio.run(scene())


def test_unknown_topics_are_refused(run_dir: Path) -> None:
    client = Member(run_dir).client
    with pytest.raises(FabricError, match="not a notification event"):
        client.subscribe("EVT_C_STORE")
    with pytest.raises(FabricError, match="not a notification event"):
        client.publish("acceptor-0", "EVT_NONE", {})


@pytest.mark.parametrize("body", [{1: "x"}, {"a": {2: 3}}, {"a": object()}, {"a": 1 << 70}])
def test_what_could_not_be_decoded_there_fails_here(run_dir: Path, body: dict) -> None:
    with pytest.raises(FabricError):
        Member(run_dir).client.publish("acceptor-0", "EVT_INSTANCE_STORED", body)


def test_a_worker_publishes_through_the_acceptor_it_names(run_dir: Path) -> None:
    async def scene() -> None:
        worker, watcher = Member(run_dir, STORE), Member(run_dir, worker="v", generation=1)
        watcher.client.subscribe("EVT_INSTANCE_STORED")
        async with (
            acceptor(run_dir, 0) as server,
            acceptor(run_dir, 1),
            members(worker, watcher),
        ):
            asked = asyncio.ensure_future(server.ask_once("EVT_C_STORE", {}, assoc=b"blob"))
            request = await take(worker.requests)
            publish = worker.client.publish
            assert publish(request.acceptor, "EVT_INSTANCE_STORED", {"size": 1}, request.assoc)
            got = await take(watcher.notifications)
            assert (got.body, got.assoc) == ({"size": 1}, b"blob")
            assert got.stream.startswith("acceptor-0-")
            assert publish("acceptor-1", "EVT_INSTANCE_STORED", {"size": 2})
            assert (await take(watcher.notifications)).stream.startswith("acceptor-1-")
            assert publish("acceptor-0", "EVT_INSTANCE_STORED", {"size": 3})
            assert (await take(watcher.notifications)).seq == 2
            assert not publish("acceptor-9", "EVT_INSTANCE_STORED", {})
            worker.answer(request)
            await asked

    asyncio.run(scene())


def test_a_worker_knows_what_is_watched_before_it_is_asked(run_dir: Path) -> None:
    async def scene() -> None:
        worker, watcher = Member(run_dir, STORE), Member(run_dir, worker="v", generation=1)
        async with acceptor(run_dir) as server, members(worker, watcher):

            async def is_watched(topic: str) -> bool:
                asked = asyncio.ensure_future(server.ask_once("EVT_C_STORE", {}, assoc=b""))
                request = await take(worker.requests)
                watched = worker.client.is_watched(request.acceptor, topic)
                worker.answer(request)
                await asked
                return watched

            assert not await is_watched("EVT_INSTANCE_STORED")
            await asyncio.to_thread(watcher.client.subscribe, "EVT_INSTANCE_STORED")
            assert await is_watched("EVT_INSTANCE_STORED")
            assert not await is_watched("EVT_INSTANCE_CONFLICT")
            await asyncio.to_thread(watcher.client.unsubscribe, "EVT_INSTANCE_STORED")
            await until(lambda: not server.wants("EVT_INSTANCE_STORED"))
            assert not await is_watched("EVT_INSTANCE_STORED")
            assert worker.client.is_watched("acceptor-9", "EVT_INSTANCE_STORED"), "for all we know"

    asyncio.run(scene())


def test_workers_that_come_and_go_are_told(run_dir: Path) -> None:
    async def scene() -> None:
        watcher, worker = Member(run_dir, FIND, worker="v"), Member(run_dir, STORE)
        for name in ("UP", "SUPERSEDED", "LOST", "REFUSED"):
            watcher.client.subscribe(f"EVT_WORKER_{name}")

        async def told() -> Notification:
            """The next one; the watcher may or may not have seen its own registration."""
            got = await take(watcher.notifications)
            return await told() if got.body["worker"] == "v" else got

        async with acceptor(run_dir), members(watcher), members(worker):
            assert (await told()).topic == "EVT_WORKER_UP"
            with pytest.raises(FabricError):
                await Member(run_dir, FIND, worker="rival").start()
            assert (await told()).body["holder"] == "v"
            newer = await Member(run_dir, STORE, generation=2).start()
            topics = {(await told()).topic for _ in range(2)}
            assert topics == {"EVT_WORKER_SUPERSEDED", "EVT_WORKER_UP"}
            await newer.stop(bye=False)
            assert (await told()).topic == "EVT_WORKER_LOST"

    asyncio.run(scene())


def test_what_a_slow_watcher_lost_is_replayed_or_reported(run_dir: Path) -> None:
    """Its thread is held up while more is published than its queues and the ring hold."""

    async def scene() -> None:
        total = 3000
        member = Member(run_dir, settings=TIGHT)
        member.client.subscribe(TOPIC)
        async with acceptor(run_dir, settings=TIGHT) as server, members(member):
            for number in range(total):
                server.publish(TOPIC, {"n": number, "ballast": b"x" * 10_000})
            seen: list[int] = []
            while len(seen) < total:
                got = await take(member.notifications)
                if got.topic == EVT_GAP.name:
                    assert got.body["topic"] == TOPIC
                    assert got.seq == 0
                    seen += range(got.body["first"], got.body["last"] + 1)
                else:
                    assert got.body["n"] == got.seq - 1
                    seen.append(got.seq)
            assert seen == list(range(1, total + 1))

    asyncio.run(scene())


def test_a_lost_tail_is_noticed_by_the_beacon(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        member.client.subscribe(TOPIC)
        async with acceptor(run_dir) as server, members(member):
            server.publish(TOPIC, {"n": 1})
            assert (await take(member.notifications)).seq == 1
            sends = server._feed._send
            server._feed._send = lambda frames: None
            server.publish(TOPIC, {"n": 2})
            server._feed._send = sends
            got = await take(member.notifications)
            assert (got.seq, got.body) == (2, {"n": 2})

    asyncio.run(scene())


def test_stopping_flushes_what_was_published(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        member.client.subscribe(TOPIC)
        async with acceptor(run_dir) as server:
            await member.start()
            for _ in range(500):
                server.publish(TOPIC, {"ballast": b"x" * 1000})
        seqs = [(await take(member.notifications)).seq for _ in range(500)]
        assert seqs == list(range(1, 501))
        await member.stop()

    asyncio.run(scene())


def test_a_watcher_follows_a_restarted_acceptor(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        member.client.subscribe(TOPIC)
        async with acceptor(run_dir) as server:
            await member.start()
            server.publish(TOPIC, {})
            before = await take(member.notifications)
        async with acceptor(run_dir) as server:
            await until(lambda: server.wants(TOPIC))
            server.publish(TOPIC, {})
            after = await take(member.notifications)
            assert after.seq == 1
            assert after.stream != before.stream
            await until(lambda: LeaseState.GRANTED in [s for s, _ in list(member.states.queue)])
            await member.stop()

    asyncio.run(scene())


def test_a_body_that_cannot_be_encoded_is_the_callers_fault(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir, settings=FAST)
        member.client.subscribe(TOPIC)
        async with acceptor(run_dir) as server, members(member):
            with pytest.raises(FabricError, match="cannot be encoded"):
                server.publish(TOPIC, {"a": object()})
            server.publish(TOPIC, {})
            assert (await take(member.notifications)).seq == 1

    asyncio.run(scene())
