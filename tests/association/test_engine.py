"""Two engines joined in memory: what an association is for, from either side."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.association.errors import Aborted, Released, SourceFailed, TimedOut
from gateway.association.timers import Timeouts
from gateway.dimse.message import CEchoRQ, CFindRQ, CGetRQ, CStoreRQ
from gateway.events import (
    EVT_ASSOCIATION_ENDED,
    EVT_DIMSE_RECV,
    EVT_DIMSE_SENT,
    EVT_ESTABLISHED,
    EVT_RELEASED,
)
from gateway.ul.fsm import Side
from tests.association.support import FIND, GET, Alone, Held, Pair, Role, run, until
from tests.peers import wire

DATA = bytes(range(256)) * 300
CHUNKS = pytest.mark.parametrize("chunk", [1, 1000, 1 << 20])
SIDES = pytest.mark.parametrize("by", ["asking", "serving"])


def joined(work: Any, chunk: int = 1 << 20, **how: Any) -> Any:
    """Run `work(pair)` on an association that is established."""

    async def main() -> Any:
        return await work(await Pair(chunk, **how).open())

    return run(main)


def sides(pair: Pair, by: str) -> tuple[Role, Role]:
    other = pair.serving if by == "asking" else pair.asking
    return getattr(pair, by), other


def context(role: Role, uid: str) -> Any:
    (found,) = [c for c in role.engine.upper.accepted_contexts.values() if c.abstract_syntax == uid]
    return found


async def invoke(role: Role, uid: str, request: Any, data: Any = None) -> Any:
    return await role.engine.in_flight.invoke(context(role, uid), request, data)


async def echo(role: Role, number: int = 1) -> int:
    operation = await invoke(role, wire.VERIFICATION, CEchoRQ(number))
    return (await operation.final()).status


@CHUNKS
@SIDES
def test_messages(by: str, chunk: int) -> None:
    async def work(pair: Pair) -> None:
        ours, theirs = sides(pair, by)
        assert [await echo(ours, number) for number in (1, 2, 3)] == [0, 0, 0]
        assert [held.request.message_id for held in theirs.requests] == [1, 2, 3]

    joined(work, chunk)


@CHUNKS
@SIDES
def test_store(by: str, chunk: int) -> None:
    """Whole, and in parts that come one by one."""

    async def parts() -> Any:
        for begin in range(0, len(DATA), 1001):
            yield DATA[begin : begin + 1001]

    async def work(pair: Pair) -> None:
        ours, theirs = sides(pair, by)
        for number, data in enumerate((DATA, parts()), 1):
            operation = await invoke(ours, wire.CT, CStoreRQ(number, wire.CT, "1.2.3"), data)
            assert (await operation.final()).status == 0
            assert bytes(theirs.requests[-1].data) == DATA

    joined(work, chunk)


@SIDES
def test_find_with_matches_and_cancel(by: str) -> None:
    def answer(held: Held) -> None:
        for number in range(3):
            held.respond(0xFF00, b"%d!" % number)

    async def work(pair: Pair) -> None:
        ours, theirs = sides(pair, by)
        operation = await invoke(ours, FIND, CFindRQ(1, FIND), b"id")
        matches = [(await operation.next()).data_set for _ in range(3)]
        assert matches == [b"0!", b"1!", b"2!"]
        await operation.cancel()
        await until(lambda: "cancel" in theirs.requests[0].calls)
        theirs.requests[0].respond(0xFE00)
        assert (await operation.final()).status == 0xFE00

    joined(work, answer=answer)


@CHUNKS
@SIDES
def test_retrieve_on_the_same_association(by: str, chunk: int) -> None:
    """C-GET: its sub-operations go the other way, while it is in flight."""

    async def work(pair: Pair) -> None:
        ours, theirs = sides(pair, by)

        async def retrieve(held: Held) -> None:
            for number in range(3):
                request = CStoreRQ(number, wire.CT, f"1.2.{number}")
                operation = await invoke(theirs, wire.CT, request, DATA)
                assert (await operation.final()).status == 0
                held.respond(0xFF00)
            held.respond(0)

        tasks = []
        theirs.answer = lambda held: tasks.append(asyncio.ensure_future(retrieve(held)))
        operation = await invoke(ours, GET, CGetRQ(1, GET), b"id")
        statuses = [received.status async for received in operation]
        assert statuses == [0xFF00] * 3 + [0]
        assert [bytes(held.data) for held in ours.requests] == [DATA] * 3
        await tasks[0]

    joined(work, chunk)


@CHUNKS
@SIDES
def test_release(by: str, chunk: int) -> None:
    async def work(pair: Pair) -> None:
        ours, theirs = sides(pair, by)
        await ours.engine.release()
        await theirs.engine.connection_closed.wait()
        await ours.engine.connection_closed.wait()
        for role in (ours, theirs):
            assert role.told == ["connected", "established", "ended", "closed"]
            assert isinstance(role.ends[0], Released)
            assert role.engine.state == "released"

    joined(work, chunk)


def test_release_by_both_at_once() -> None:
    async def work(pair: Pair) -> None:
        await asyncio.gather(pair.asking.engine.release(), pair.serving.engine.release())
        for role in (pair.asking, pair.serving):
            await role.engine.connection_closed.wait()
            assert [type(error) for error in role.ends] == [Released]

    joined(work)


@SIDES
def test_release_waits_for_what_is_in_hand(by: str) -> None:
    async def work(pair: Pair) -> None:
        ours, theirs = sides(pair, by)
        operation = await invoke(ours, wire.VERIFICATION, CEchoRQ(1))
        await until(lambda: theirs.performs)
        release = asyncio.ensure_future(ours.engine.release())
        await until(lambda: "cancel" in theirs.requests[0].calls)
        assert not release.done()
        theirs.requests[0].respond(0)
        assert (await operation.final()).status == 0
        await release

    joined(work, answer=lambda held: None)


@SIDES
def test_abort(by: str) -> None:
    async def work(pair: Pair) -> None:
        ours, theirs = sides(pair, by)
        operation = await invoke(ours, wire.VERIFICATION, CEchoRQ(1))
        await until(lambda: theirs.performs)
        ours.engine.abort(Aborted("enough"))
        with pytest.raises(Aborted, match="enough"):
            await operation.final()
        await theirs.engine.connection_closed.wait()
        assert "service user" in str(theirs.ends[0])
        assert theirs.requests[0].calls == ["perform", "stop"]
        assert [len(role.ends) for role in (ours, theirs)] == [1, 1]

    joined(work, answer=lambda held: None)


def test_a_connection_that_breaks_ends_both() -> None:
    async def work(pair: Pair) -> None:
        pair.lose()
        for role in (pair.asking, pair.serving):
            await role.engine.connection_closed.wait()
            assert [type(error) for error in role.ends] == [Aborted]

    joined(work)


def test_a_source_that_fails_half_way_aborts() -> None:
    async def broken() -> Any:
        yield bytes(100_000)
        raise OSError("no such block")

    async def work(pair: Pair) -> None:
        with pytest.raises(SourceFailed, match="no such block"):
            await invoke(pair.asking, wire.CT, CStoreRQ(1, wire.CT, "1.2"), broken())
        await pair.serving.engine.connection_closed.wait()
        assert pair.serving.requests[0].calls == ["discard"]

    joined(work)


def test_a_source_that_cannot_be_read_at_all_leaves_the_association() -> None:
    async def broken() -> Any:
        raise OSError("no such file")
        yield b""

    async def work(pair: Pair) -> None:
        with pytest.raises(OSError, match="no such file"):
            await invoke(pair.asking, wire.CT, CStoreRQ(1, wire.CT, "1.2"), broken())
        assert await echo(pair.asking, 2) == 0

    joined(work)


def test_messages_wait_behind_a_data_set_that_is_read() -> None:
    async def work(pair: Pair) -> None:
        gate = asyncio.Event()

        async def parts() -> Any:
            yield b"a" * 20_000
            await gate.wait()
            yield b"b" * 20_000

        request = CStoreRQ(1, wire.CT, "1.2.3")
        store = asyncio.ensure_future(invoke(pair.serving, wire.CT, request, parts()))
        answer = asyncio.ensure_future(echo(pair.asking))
        await until(lambda: pair.serving.performs)
        assert not answer.done(), "its response waits behind the data set"
        gate.set()
        assert await answer == 0
        assert (await (await store).final()).status == 0
        assert bytes(pair.asking.requests[0].data) == b"a" * 20_000 + b"b" * 20_000

    joined(work)


def test_a_request_waits_for_room_in_the_window() -> None:
    async def work(pair: Pair) -> None:
        first = asyncio.ensure_future(echo(pair.asking, 1))
        second = asyncio.ensure_future(echo(pair.asking, 2))
        await until(lambda: pair.serving.performs)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        pair.serving.performs[0].respond(0)
        assert await first == 0
        assert len(pair.serving.requests) == 1, "it was never sent"

    joined(work, answer=lambda held: None)


def test_silence_aborts() -> None:
    async def work(pair: Pair) -> None:
        with pytest.raises(TimedOut, match="no response to the C-ECHO-RQ"):
            await echo(pair.asking)
        assert isinstance(pair.asking.engine.ended, TimedOut)

    timeouts = Timeouts(dimse=0.05, network=30.0)
    joined(work, timeouts=timeouts, answer=lambda held: None)


def test_an_idle_association_is_aborted() -> None:
    async def work(pair: Pair) -> None:
        await pair.asking.engine.over
        await pair.serving.engine.over
        ends = [str(role.engine.ended) for role in (pair.asking, pair.serving)]
        assert any("nothing happened" in text for text in ends)

    joined(work, timeouts=Timeouts(network=0.05))


def test_watchers_are_told_by_either_side() -> None:
    async def work(pair: Pair) -> None:
        watched = {EVT_DIMSE_RECV.name, EVT_DIMSE_SENT.name, EVT_RELEASED.name}
        for role in (pair.asking, pair.serving):
            assert not role.published, "nobody watched"
            role.engine.watch(watched)
        await echo(pair.asking)
        await pair.asking.engine.release()
        await pair.serving.engine.connection_closed.wait()
        assert [name for name, _ in pair.asking.published] == [
            *("EVT_DIMSE_SENT", "EVT_DIMSE_RECV", "EVT_RELEASED")
        ]
        assert [name for name, _ in pair.serving.published] == [
            *("EVT_DIMSE_RECV", "EVT_DIMSE_SENT", "EVT_RELEASED")
        ]
        assert EVT_ESTABLISHED.name not in dict(pair.asking.published)

    joined(work)


def test_the_end_is_told_with_the_counts_of_the_log() -> None:
    async def work(pair: Pair) -> None:
        engine = pair.serving.engine
        engine.watch({EVT_ASSOCIATION_ENDED.name})
        await echo(pair.asking)
        await pair.asking.engine.release()
        await engine.connection_closed.wait()
        ((name, body),) = pair.serving.published
        assert name == EVT_ASSOCIATION_ENDED.name
        assert set(body) == set(EVT_ASSOCIATION_ENDED.attributes)
        assert (body["ended"], body["why"]) == ("released", "the peer released the association")
        assert (body["messages"], body["statuses"]) == (1, "C-ECHO:0000=1")
        assert (body["received"], body["sent"]) == (
            engine.transport.received,
            engine.transport.sent,
        )

    joined(work)


def test_an_abort_is_told_with_its_reason() -> None:
    async def work(pair: Pair) -> None:
        pair.serving.engine.watch({EVT_ASSOCIATION_ENDED.name})
        pair.serving.engine.abort(Aborted("no more"))
        ((_, body),) = pair.serving.published
        assert (body["ended"], body["why"]) == ("aborted", "no more")

    joined(work)


@SIDES
def test_an_operation_that_is_left_early_is_cancelled_and_its_responses_dropped(by: str) -> None:
    async def work(pair: Pair) -> None:
        ours, theirs = sides(pair, by)
        async with await invoke(ours, FIND, CFindRQ(5, FIND), b"id"):
            await until(lambda: theirs.performs)
        await until(lambda: "cancel" in theirs.requests[0].calls)
        theirs.requests[0].respond(0xFF00, b"late")  # this is not a breach of the protocol
        following = asyncio.ensure_future(echo(ours, 6))
        theirs.answer = Held.respond
        theirs.requests[0].respond(0xFE00)
        assert await following == 0

    joined(work, answer=lambda held: None)


def test_requests_beyond_the_queue_pause_reading() -> None:
    async def work() -> None:
        alone = Alone(Side.ACCEPTOR, answer=lambda held: None)
        for number in range(20):
            store = wire.store_rq("1.2", number)
            alone.end.feed(wire.message(3, store, b"\x08\x00\x16\x00\x00\x00\x00\x00"))
        assert len(alone.role.performs) == 4, "the window"
        assert alone.end.is_paused
        for held in list(alone.role.performs):
            held.respond()
        await until(lambda: len(alone.role.performs) == 8)
        while alone.end.unread or alone.end.is_paused:
            alone.role.performs[-1].respond()
            await asyncio.sleep(0)
        assert 20 - len(alone.role.performs) <= 8

    run(work)


def test_a_message_id_in_use_is_refused(caplog) -> None:
    async def work() -> None:
        alone = Alone(Side.ACCEPTOR, answer=lambda held: None)
        alone.end.feed(wire.message(1, wire.echo_rq(5)) * 2)
        await alone.settle()
        ((_, _, command),) = wire.parse_pdvs(bytes(alone.end.written))
        assert wire.status_of(command) == 0x0210
        assert len(alone.role.requests) == 1
        assert "C-ECHO-RQ refused status=0x0210" in caplog.text

    run(work)
