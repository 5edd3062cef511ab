"""Calls between real sockets: a worker has an acceptor do something on an association."""

from __future__ import annotations

import asyncio
import queue
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import FabricError
from gateway.fabric import Answer, Binding, CommandFailure
from gateway.fabric.acceptor.commands import MAX_OPEN
from tests.fabric.world import FAST, FIND, WAIT, Member, acceptor, members, take, until
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.fabric.acceptor import AssociationCommand, Server
    from gateway.fabric.worker import PendingCommand


def call(member: Member, operation: str = "request", **kw: Any) -> PendingCommand:
    kw.setdefault("timeout", WAIT)
    return member.client.command("acceptor-0", "0-17", operation, kw.pop("payload", {}), **kw)


def taken(server: Server) -> queue.Queue[AssociationCommand]:
    calls: queue.Queue[AssociationCommand] = queue.Queue()
    server.on_command = calls.put
    return calls


async def results(invocation: PendingCommand) -> list[Answer]:
    return await asyncio.to_thread(list, invocation)


def test_a_call_and_its_results(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        async with acceptor(run_dir) as server, members(member):
            calls = taken(server)
            invocation = call(member, payload={"kind": "CEchoRQ"}, data=b"out")
            asked = await take(calls)
            assert (asked.association, asked.operation) == ("0-17", "request")
            assert (asked.payload, asked.data) == ({"kind": "CEchoRQ"}, b"out")
            asked.reply({"status": 0xFF00}, b"one", final=False)
            asked.reply({"status": 0})
            asked.reply({"status": 1})
            assert await results(invocation) == [
                Answer({"status": 0xFF00}, b"one", False),
                Answer({"status": 0}, None, True),
            ]

    asyncio.run(scene())


def test_calls_of_many_threads_do_not_mix(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        async with acceptor(run_dir) as server, members(member):
            server.on_command = lambda asked: asked.reply(asked.payload)

            def one(number: int) -> list[Answer]:
                return list(call(member, payload={"n": number}))

            told = await asyncio.gather(*(asyncio.to_thread(one, n) for n in range(200)))
            assert [answers[0].payload["n"] for answers in told] == list(range(200))

    asyncio.run(scene())


def test_an_acceptor_that_takes_no_calls_says_so(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        async with acceptor(run_dir), members(member):
            (answer,) = await results(call(member))
            assert (answer.payload["kind"], answer.final) == (CommandFailure.REFUSED.value, True)

    asyncio.run(scene())


def test_too_many_open_calls_are_refused(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        async with acceptor(run_dir) as server, members(member):
            calls = taken(server)
            for _ in range(MAX_OPEN):
                call(member)
            (answer,) = await results(call(member))
            assert answer.payload["kind"] == "refused"
            (await take(calls)).reply({})
            assert calls.qsize() == MAX_OPEN - 1

    asyncio.run(scene())


def test_a_call_without_a_lease(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        async with acceptor(run_dir) as server, members(member):
            calls = taken(server)
            member.client.leave()
            await until(lambda: not server.is_held("EVT_C_ECHO"))
            (answer,) = await results(call(member))
            assert answer.payload["kind"] == "refused"
            assert calls.empty()
            with pytest.raises(FabricError, match="no lease of acceptor 'acceptor-7'"):
                member.client.command("acceptor-7", "7-1", "abort", {}, timeout=WAIT)

    asyncio.run(scene())


def test_a_call_that_gets_no_result_in_time_is_hung_up(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        async with acceptor(run_dir) as server, members(member):
            calls = taken(server)
            invocation = call(member, timeout=0.2 * PATIENCE)
            asked = await take(calls)
            gone = asyncio.Event()
            asked.gone = gone.set
            with pytest.raises(
                FabricError, match=f"acceptor-0 gave no result in {0.2 * PATIENCE:g} s"
            ):
                await results(invocation)
            async with asyncio.timeout(WAIT):
                await gone.wait()
            assert asked.closed
            asked.reply({"status": 0})

    asyncio.run(scene())


def test_who_closes_the_results_hangs_up(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        async with acceptor(run_dir) as server, members(member):
            calls = taken(server)
            with call(member) as invocation:
                asked = await take(calls)
                asked.reply({"status": 0xFF00}, final=False)
                assert not (await asyncio.to_thread(next, invocation)).final
            await until(lambda: asked.closed)
            assert await results(invocation) == []

    asyncio.run(scene())


def test_a_worker_that_dies_loses_its_calls(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        async with acceptor(run_dir) as server, members(member):
            calls = taken(server)
            call(member)
            asked = await take(calls)
            gone = asyncio.Event()
            asked.gone = gone.set
            await member.stop(bye=False)
            async with asyncio.timeout(WAIT):
                await gone.wait()
            assert asked.closed
            asked.reply({"status": 0})

    asyncio.run(scene())


def test_an_acceptor_that_leaves_ends_its_calls(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        async with acceptor(run_dir) as server, members(member):
            calls = taken(server)
            invocation = call(member)
            await take(calls)
            await server.stop()
            (answer,) = await results(invocation)
            assert answer.payload == {"error": "the acceptor is shutting down", "kind": "refused"}

    asyncio.run(scene())


@pytest.mark.this_host
def test_a_lost_acceptor_fails_its_calls(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        async with acceptor(run_dir) as server, members(member):
            calls = taken(server)
            invocation = call(member)
            await take(calls)
            server._requests.close(0)
            with pytest.raises(FabricError, match="acceptor-0 is lost"):
                await results(invocation)
            server._requests.close = lambda linger: None  # type: ignore[method-assign]

    asyncio.run(scene())


def test_what_cannot_travel_is_refused_where_it_is_made(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        async with acceptor(run_dir) as server, members(member):
            calls = taken(server)
            with pytest.raises(FabricError, match="cannot be encoded"):
                call(member, payload={"x": object()})
            invocation = call(member)
            asked = await take(calls)
            with pytest.raises(FabricError, match="cannot be encoded"):
                asked.reply({"x": object()})
            asked.fail(CommandFailure.INVALID, "no such thing")
            (answer,) = await results(invocation)
            assert answer.payload == {"error": "no such thing", "kind": "invalid"}

    asyncio.run(scene())


def test_the_clients_own_thread_cannot_call(run_dir: Path) -> None:
    async def scene() -> None:
        errors: queue.Queue[str] = queue.Queue()

        def reply(member: Member, request: Any) -> None:
            with pytest.raises(FabricError) as error:
                call(member)
            errors.put(str(error.value))
            member.answer(request)

        async with acceptor(run_dir) as server, members(Member(run_dir, reply=reply)):
            await server.ask_once("EVT_C_ECHO", {}, assoc=b"")
            assert "own thread" in await take(errors)

    asyncio.run(scene())


def test_a_request_that_waits_for_others_is_not_late(run_dir: Path) -> None:
    """A request is not late while its worker extends the deadline."""

    async def scene() -> None:
        member = Member(run_dir, Binding("EVT_C_ECHO", deadline=0.3 * PATIENCE))
        async with acceptor(run_dir) as server, members(member):
            asked = asyncio.ensure_future(server.ask_once("EVT_C_ECHO", {}, assoc=b""))
            request = await take(member.requests)
            end = asyncio.get_running_loop().time() + 0.5 * PATIENCE

            def extended() -> bool:
                member.client.extend(request.token)
                return asyncio.get_running_loop().time() > end

            await until(extended)
            member.answer(request)
            await asked
            member.client.extend(request.token)

    asyncio.run(scene())


def test_a_member_without_credit_keeps_its_events_and_gets_nothing(run_dir: Path) -> None:
    async def scene() -> None:
        old, new = Member(run_dir, FIND), Member(run_dir, FIND)
        async with acceptor(run_dir, settings=FAST) as server, members(old):
            await asyncio.to_thread(old.client.register, credit=0)
            asked = asyncio.ensure_future(server.ask_once("EVT_C_FIND", {}, assoc=b""))
            await asyncio.to_thread(old.client.register, [FIND])
            assert old.requests.empty()
            assert server.binding("EVT_C_FIND") == FIND
            async with members(new):
                new.answer(await take(new.requests))
                await asked

    asyncio.run(scene())


def test_what_was_sent_is_read_before_the_end(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir, credit=500)
        async with acceptor(run_dir) as server, members(member):
            asked = [
                server.ask_once("EVT_C_ECHO", {}, assoc=b"", data=bytes(9999)) for _ in range(400)
            ]
            gathered = asyncio.gather(*asked)
            for _ in asked:
                member.answer(await take(member.requests), data=bytes(9999))
            await member.stop(bye=False)
            assert len(await gathered) == 400

    asyncio.run(scene())


def test_an_acceptor_that_is_gone_is_not_waited_for(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client would linger for an hour for one that lives."""

    async def scene() -> None:
        monkeypatch.setattr("gateway.fabric.worker.client.LINGER", 3600.0)
        member = Member(run_dir)
        async with acceptor(run_dir) as server, members(member):
            server._requests.close(0)
            await member.stop()
            server._requests.close = lambda linger: None  # type: ignore[method-assign]

    asyncio.run(scene())
