"""Requests and answers between real sockets."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import threading
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import AlreadyRegistered, FabricError, Reason, Unanswered
from gateway.fabric import Answer, Binding, LeaseState
from gateway.fabric.acceptor import Server
from gateway.fabric.acceptor.interventions import WINDOW
from gateway.fabric.worker import generation, next_generation
from gateway.settings import FabricSettings
from tests.fabric.answer_stream import Stream
from tests.fabric.other_host import OtherHost
from tests.fabric.world import (
    ECHO,
    FAST,
    FIND,
    STORE,
    WAIT,
    Member,
    acceptor,
    echo,
    members,
    take,
    until,
)
from tests.patience import WALL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def test_ask_and_answer(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir, STORE)
        async with acceptor(run_dir) as server, members(member):
            asked = asyncio.ensure_future(
                server.ask_once("EVT_C_STORE", {"message_id": 7}, assoc=b"blob", data=b"bytes")
            )
            request = await take(member.requests)
            assert (request.event, request.attempt, request.acceptor) == (
                "EVT_C_STORE",
                1,
                "acceptor-0",
            )
            assert (request.payload, request.assoc) == ({"message_id": 7}, b"blob")
            assert bytes(request.data or b"") == b"bytes"
            assert 0 < request.deadline <= STORE.deadline
            assert member.client.answer(request.token, Answer({"status": 0}, b"back"))
            answer = await asked
            assert (answer.payload, answer.data, answer.final) == ({"status": 0}, b"back", True)
            assert server.binding("EVT_C_STORE") == STORE
            assert server.binding("EVT_C_ECHO") is None
            assert not member.client.answer(request.token, Answer({"status": 0}))

    asyncio.run(scene())


def test_ten_thousand_pipelined_round_trips_lose_no_wake_up(run_dir: Path) -> None:
    async def scene() -> None:
        async with acceptor(run_dir) as server, members(Member(run_dir, reply=echo, credit=64)):

            async def one() -> None:
                for _ in range(100):
                    await server.ask_once("EVT_C_ECHO", {}, assoc=b"")

            async with asyncio.timeout(WALL):
                await asyncio.gather(*(one() for _ in range(100)))

    asyncio.run(scene())


def test_answers_of_many_threads_lose_no_wake_up(run_dir: Path) -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()

        def elsewhere(member: Member, request: object) -> None:
            loop.run_in_executor(None, echo, member, request)  # type: ignore[arg-type]

        async with acceptor(run_dir) as server, members(Member(run_dir, reply=elsewhere)):

            async def one() -> None:
                for _ in range(100):
                    await server.ask_once("EVT_C_ECHO", {}, assoc=b"")

            async with asyncio.timeout(WALL):
                await asyncio.gather(*(one() for _ in range(20)))

    asyncio.run(scene())


def test_a_rival_is_refused_with_the_holders_name(run_dir: Path) -> None:
    async def scene() -> None:
        rival = Member(run_dir, worker="rival")
        async with acceptor(run_dir), members(Member(run_dir, worker="archive")):
            with pytest.raises(AlreadyRegistered, match="EVT_C_ECHO is held by worker 'archive'"):
                await rival.start()
            assert (await take(rival.states))[0] is LeaseState.REFUSED

    asyncio.run(scene())


def test_two_rivals_do_not_win_half_each(run_dir: Path) -> None:
    async def scene() -> None:
        one, two = Member(run_dir, worker="one"), Member(run_dir, worker="two")
        async with acceptor(run_dir, 0) as first, acceptor(run_dir, 1) as second:
            outcomes = await asyncio.gather(one.start(), two.start(), return_exceptions=True)
            assert sorted(isinstance(o, AlreadyRegistered) for o in outcomes) == [False, True]
            assert first.binding("EVT_C_ECHO") == second.binding("EVT_C_ECHO") == ECHO
            await one.stop()
            await two.stop()

    asyncio.run(scene())


def test_a_takeover_loses_no_request(run_dir: Path) -> None:
    async def scene() -> None:
        old = Member(run_dir, credit=4)
        new = Member(run_dir, generation=2, reply=echo)
        async with acceptor(run_dir) as server, members(old):
            asked = [
                asyncio.ensure_future(server.ask_once("EVT_C_ECHO", {}, assoc=b""))
                for _ in "12345678"
            ]
            in_hand = [await take(old.requests) for _ in range(4)]
            async with members(new):
                await asyncio.gather(*asked[4:])
                assert await take(old.states) == (LeaseState.GRANTED, "")
                assert (await take(old.states))[0] is LeaseState.SUPERSEDED
                assert all(old.answer(request) for request in in_hand)
                await asyncio.gather(*asked)
                assert old.requests.empty()

    asyncio.run(scene())


def test_the_next_generation_is_newer_than_any_and_promised_once(run_dir: Path) -> None:
    async def scene() -> None:
        async with (
            acceptor(run_dir, 0),
            acceptor(run_dir, 1),
            members(Member(run_dir, generation=5)),
        ):
            ask = [asyncio.to_thread(next_generation, run_dir, "w", FAST) for _ in range(2)]
            assert [await one for one in ask] == [6, 7]
            assert await asyncio.to_thread(next_generation, run_dir, "other", FAST) == 1

    asyncio.run(scene())


@pytest.mark.this_host
def test_without_a_gateway_the_error_says_so(run_dir: Path) -> None:
    missing = run_dir / "missing"
    with pytest.raises(FabricError, match=f"no gateway at {missing}: there is no such directory"):
        Member(missing).client.start()
    with pytest.raises(FabricError, match=f"no gateway at {run_dir}: no acceptor runs there"):
        Member(run_dir).client.start()
    with pytest.raises(FabricError, match="no gateway at"):
        next_generation(run_dir, "w", FAST)


@pytest.mark.parametrize("make", [Member, lambda where: Server(FAST, where, 0)])
def test_tcp_is_refused_in_words(make: type) -> None:
    with pytest.raises(FabricError, match="CURVE"):
        make("tcp://127.0.0.1:5555")


def test_a_bye_leaves_nobody(run_dir: Path) -> None:
    async def scene() -> None:
        async with acceptor(run_dir) as server:
            member = await Member(run_dir).start()
            await member.stop()
            await until(lambda: server.binding("EVT_C_ECHO") is None)
            with pytest.raises(Unanswered) as caught:
                await server.ask_once("EVT_C_ECHO", {}, assoc=b"")
            assert caught.value.reason is Reason.NOBODY

    asyncio.run(scene())


def test_who_leaves_may_answer_what_it_has(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        async with acceptor(run_dir) as server, members(member):
            asked = asyncio.ensure_future(server.ask_once("EVT_C_ECHO", {}, assoc=b""))
            request = await take(member.requests)
            member.client.leave()
            await until(lambda: server.binding("EVT_C_ECHO") is None)
            assert member.answer(request)
            await asked

    asyncio.run(scene())


@asynccontextmanager
async def child(run_dir: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fabric.child", run_dir, "w", stdin=pipe, stdout=pipe
    )
    try:
        assert await line(process) == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await asyncio.wait_for(process.stdout.readline(), WAIT)


def test_what_a_killed_worker_had_in_hand_is_given_again_or_fails(run_dir: Path) -> None:
    """Noticed at once: the heartbeats are far too slow here to be what noticed."""

    async def scene() -> None:
        slow = FabricSettings(heartbeat=20.0)
        async with acceptor(run_dir, settings=slow) as server, child(run_dir) as process:
            store = asyncio.ensure_future(server.ask_once("EVT_C_STORE", {}, assoc=b""))
            assert await line(process) == b"EVT_C_STORE 1\n"
            ping = asyncio.ensure_future(server.ask_once("EVT_C_ECHO", {}, assoc=b""))
            assert await line(process) == b"EVT_C_ECHO 1\n"
            process.send_signal(signal.SIGKILL)
            with pytest.raises(Unanswered) as caught:
                await asyncio.wait_for(ping, WAIT)
            assert caught.value.reason is Reason.LOST
            assert server.binding("EVT_C_STORE") == STORE
            restarted = Member(run_dir, STORE, ECHO)
            async with members(restarted):
                request = await take(restarted.requests)
                assert request.attempt == 2
                restarted.answer(request)
                assert (await store).payload == {"attempt": 2}

    asyncio.run(scene())


def test_a_request_that_kills_two_workers_alone_is_poisonous(run_dir: Path) -> None:
    async def scene() -> None:
        async with acceptor(run_dir) as server:
            async with child(run_dir) as process:
                asked = asyncio.ensure_future(server.ask_once("EVT_C_STORE", {}, assoc=b""))
                assert await line(process) == b"EVT_C_STORE 1\n"
                process.kill()
            async with child(run_dir) as process:
                assert await line(process) == b"EVT_C_STORE 2\n"
                process.kill()
            with pytest.raises(Unanswered) as caught:
                await asyncio.wait_for(asked, WAIT)
            assert caught.value.poisonous

    asyncio.run(scene())


def test_a_hung_worker_is_dead_and_its_late_answer_changes_nothing(run_dir: Path) -> None:
    async def scene() -> None:
        async with acceptor(run_dir) as server, child(run_dir) as process:
            asked = asyncio.ensure_future(server.ask_once("EVT_C_STORE", {}, assoc=b""))
            assert await line(process) == b"EVT_C_STORE 1\n"
            process.send_signal(signal.SIGSTOP)
            second = Member(run_dir, STORE, ECHO, reply=Member.answer)
            async with members(second):
                assert (await asyncio.wait_for(asked, WAIT)).payload == {"attempt": 2}
                process.send_signal(signal.SIGCONT)

    asyncio.run(scene())


def test_cancelling_an_ask_tells_the_worker(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir, credit=1)
        async with acceptor(run_dir) as server, members(member):
            asked = asyncio.ensure_future(server.ask_once("EVT_C_ECHO", {}, assoc=b""))
            request = await take(member.requests)
            asked.cancel()
            assert await take(member.cancels) == (request.token, "abandoned")
            assert not member.answer(request)
            asked = asyncio.ensure_future(server.ask_once("EVT_C_ECHO", {}, assoc=b""))
            assert member.answer(await take(member.requests))
            await asked

    asyncio.run(scene())


def test_a_passed_deadline_tells_both_sides(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir, Binding("EVT_C_ECHO", deadline=0.05))
        async with acceptor(run_dir) as server, members(member):
            with pytest.raises(Unanswered) as caught:
                await server.ask_once("EVT_C_ECHO", {}, assoc=b"")
            assert caught.value.reason is Reason.LATE
            request = await take(member.requests)
            assert await take(member.cancels) == (request.token, "late")
            assert not member.answer(request)

    asyncio.run(scene())


def test_a_stream_is_limited_by_what_its_reader_has_dealt_with(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir, FIND)
        sent = 0

        def produce(token: str) -> bool:
            nonlocal sent
            for number in range(100):
                if not member.client.answer(token, Answer({"n": number}, final=False)):
                    return False
                sent += 1
            return member.client.answer(token, Answer({"n": 100}))

        async with acceptor(run_dir) as server, members(member):
            async with Stream(server, "EVT_C_FIND", {}) as stream:
                request = await take(member.requests)
                producer = asyncio.create_task(asyncio.to_thread(produce, request.token))
                await until(lambda: sent == WINDOW)
                got = [answer.payload["n"] async for answer in stream]
            assert got == list(range(101))
            assert await producer

    asyncio.run(scene())


def test_closing_a_stream_releases_a_worker_that_waits_for_credit(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir, FIND)

        def produce(token: str) -> bool:
            while member.client.answer(token, Answer({}, final=False)):
                pass
            return member.client.answer(token, Answer({}))

        async with acceptor(run_dir) as server, members(member):
            async with Stream(server, "EVT_C_FIND", {}) as stream:
                request = await take(member.requests)
                producer = asyncio.create_task(asyncio.to_thread(produce, request.token))
                assert not (await anext(stream)).final
            assert await asyncio.wait_for(producer, WAIT) is False
            assert await take(member.cancels) == (request.token, "abandoned")

    asyncio.run(scene())


def test_a_cancelled_stream_still_gives_its_final_answer(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir, FIND)
        async with (
            acceptor(run_dir) as server,
            members(member),
            Stream(server, "EVT_C_FIND", {}) as stream,
        ):
            request = await take(member.requests)
            stream.cancel()
            assert await take(member.cancels) == (request.token, "cancel")
            assert member.client.answer(request.token, Answer({"status": 0xFE00}))
            assert [a.payload["status"] async for a in stream] == [0xFE00]

    asyncio.run(scene())


def test_a_stream_that_nobody_answers_raises(run_dir: Path) -> None:
    async def scene() -> None:
        async with acceptor(run_dir) as server:
            with pytest.raises(Unanswered):
                async for _ in Stream(server, "EVT_C_FIND", {}):
                    pass

    asyncio.run(scene())


def test_after_an_acceptors_restart_workers_are_back_within_heartbeats(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir, reply=echo)
        async with acceptor(run_dir) as server:
            await member.start()
            await server.ask_once("EVT_C_ECHO", {}, assoc=b"")
        async with acceptor(run_dir, expect=("w",)) as server:
            await server.ask_once("EVT_C_ECHO", {}, assoc=b"")
            await member.stop()

    asyncio.run(scene())


def test_requests_of_a_lost_acceptor_are_cancelled(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        async with acceptor(run_dir) as server:
            await member.start()
            asked = asyncio.ensure_future(server.ask_once("EVT_C_ECHO", {}, assoc=b""))
            request = await take(member.requests)
        with pytest.raises(Unanswered):
            await asked
        assert (await take(member.cancels))[0] == request.token
        assert await take(member.states) == (LeaseState.GRANTED, "")
        assert (await take(member.states))[0] is LeaseState.LOST
        await member.stop()

    asyncio.run(scene())


def test_an_acceptor_that_starts_beside_another_knows_the_incumbent(run_dir: Path) -> None:
    async def scene() -> None:
        incumbent = Member(run_dir, worker="archive")
        async with acceptor(run_dir, 1), members(incumbent), acceptor(run_dir, 0) as joining:
            with pytest.raises(AlreadyRegistered, match="archive"):
                await Member(run_dir, worker="rival").start()
            await until(lambda: joining.binding("EVT_C_ECHO") == ECHO)
            await until(lambda: incumbent.client.acceptors == ["acceptor-0", "acceptor-1"])

    asyncio.run(scene())


@pytest.mark.this_host
def test_a_silent_acceptor_is_not_waited_for(run_dir: Path) -> None:
    async def scene() -> None:
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(run_dir / "acceptor-0.requests"))
            silent.listen()
            member = Member(run_dir, reply=echo)
            async with acceptor(run_dir, 1) as server, members(member):
                await server.ask_once("EVT_C_ECHO", {}, assoc=b"")
                assert member.client.acceptors == ["acceptor-1"]

    asyncio.run(scene())


@pytest.fixture
def silences() -> Iterator[threading.Semaphore]:
    """What is released whenever a member takes an acceptor for dead."""
    told = threading.Semaphore(0)

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "is silent" in record.getMessage():
                told.release()

    handler = Handler()
    logging.getLogger("gateway.fabric").addHandler(handler)
    yield told
    logging.getLogger("gateway.fabric").removeHandler(handler)


def test_an_acceptor_that_was_held_up_is_joined_after_all(
    run_dir: Path, silences: threading.Semaphore
) -> None:
    async def scene() -> None:
        member = Member(run_dir, reply=echo)
        async with acceptor(run_dir) as server:
            start = asyncio.create_task(member.start())
            await asyncio.sleep(0)  # the start runs in a thread from here on
            assert silences.acquire(
                timeout=WAIT
            )  # meanwhile this loop, the acceptor's, stands still
            await start
            await server.ask_once("EVT_C_ECHO", {}, assoc=b"")
            await member.stop()

    asyncio.run(scene())


def test_a_member_comes_back_to_an_acceptor_that_was_held_up_for_long(
    run_dir: Path, silences: threading.Semaphore
) -> None:
    async def scene() -> None:
        member = Member(run_dir, STORE, reply=echo)
        async with acceptor(run_dir) as server, members(member):
            await server.ask_once("EVT_C_STORE", {}, assoc=b"")
            for _ in range(2):  # its lease, and a new connection; this loop stands still
                assert silences.acquire(timeout=WAIT)
            await server.ask_once("EVT_C_STORE", {}, assoc=b"")
        assert {state for state, _ in member.states.queue} <= {LeaseState.GRANTED, LeaseState.LOST}

    asyncio.run(scene())


def test_sockets_that_cannot_be_bound_are_an_error(run_dir: Path) -> None:
    (run_dir / "acceptor-0.requests").mkdir()
    with pytest.raises(FabricError, match="cannot bind"):
        asyncio.run(Server(FAST, run_dir, 0).start())


def test_one_index_is_one_acceptor(run_dir: Path) -> None:
    async def scene() -> None:
        async with acceptor(run_dir):
            with pytest.raises(FabricError, match="acceptor-0 already runs"):
                await Server(FAST, run_dir, 0).start()

    asyncio.run(scene())


def test_binding_and_unbinding_live(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir, ECHO)
        async with acceptor(run_dir, 0) as first, acceptor(run_dir, 1) as second, members(member):
            await asyncio.to_thread(member.client.register, (FIND,))
            for server in (first, second):
                await until(lambda server=server: server.binding("EVT_C_ECHO") is None)  # type: ignore[misc]
                assert server.binding("EVT_C_FIND") == FIND

    asyncio.run(scene())


def test_a_refused_change_raises_and_leaves_what_was(run_dir: Path) -> None:
    async def scene() -> None:
        member, other = Member(run_dir, ECHO), Member(run_dir, FIND, worker="other")
        async with acceptor(run_dir) as server, members(member, other):
            with pytest.raises(AlreadyRegistered, match="'other'"):
                await asyncio.to_thread(member.client.register, (ECHO, FIND))
            assert server.binding("EVT_C_ECHO") == ECHO
            await asyncio.to_thread(member.client.register, (ECHO, STORE))
            assert server.binding("EVT_C_STORE") == STORE

    asyncio.run(scene())


def test_what_cannot_be_encoded_is_refused_where_it_is_made(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir, credit=1)
        async with acceptor(run_dir) as server, members(member):
            with pytest.raises(Unanswered, match="cannot be encoded"):
                await server.ask_once("EVT_C_ECHO", {"a": object()}, assoc=b"")
            asked = asyncio.ensure_future(server.ask_once("EVT_C_ECHO", {}, assoc=b""))
            request = await take(member.requests)
            with pytest.raises(FabricError, match="limit"):
                member.client.answer(request.token, Answer({"a": "x" * 2_000_000}))
            assert member.answer(request)
            await asked

    asyncio.run(scene())


def test_a_handler_that_raises_does_not_stop_the_client(run_dir: Path, caplog: object) -> None:
    async def scene() -> None:
        seen = []

        def once(member: Member, request: object) -> None:
            seen.append(request)
            if len(seen) == 1:
                raise RuntimeError("a bug")
            echo(member, request)  # type: ignore[arg-type]

        member = Member(run_dir, reply=once)
        async with acceptor(run_dir) as server, members(member):
            first = asyncio.ensure_future(server.ask_once("EVT_C_ECHO", {}, assoc=b""))
            await until(lambda: len(seen) == 1)
            await server.ask_once("EVT_C_ECHO", {}, assoc=b"")
            first.cancel()

    asyncio.run(scene())


def test_long_run_directories(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)

    async def scene() -> Path:
        member = Member(deep, reply=echo)
        async with acceptor(deep, 0) as first, acceptor(deep, 1), members(member):
            await first.ask_once("EVT_C_ECHO", {}, assoc=b"")
            assert member.client.acceptors == ["acceptor-0", "acceptor-1"]
            return private_home(deep)

    assert asyncio.run(scene()) == Path((deep / "address").read_text())
    assert not Path((deep / "address").read_text()).exists()
    asyncio.run(scene())


def private_home(run_dir: Path) -> Path:
    home = Path((run_dir / "address").read_text())
    assert home.stat().st_mode & 0o777 == 0o700
    return home


def test_a_directory_that_is_open_to_others_is_refused(run_dir: Path) -> None:
    run_dir.chmod(0o755)
    with pytest.raises(FabricError, match="chmod 700"):
        asyncio.run(Server(FAST, run_dir, 0).start())


def test_a_stopped_server_answers_nobody(run_dir: Path) -> None:
    async def scene() -> None:
        async with acceptor(run_dir) as server:
            pass
        with pytest.raises(Unanswered):
            await server.ask_once("EVT_C_ECHO", {}, assoc=b"")
        server.publish("EVT_RELEASED", {})
        assert server.binding("EVT_C_ECHO") is None
        assert not server.wants("EVT_RELEASED")
        await server.stop()

    asyncio.run(scene())


def test_a_fenced_client_says_so_and_stays_away(run_dir: Path) -> None:
    async def scene() -> None:
        member = Member(run_dir)
        async with acceptor(run_dir) as server, members(member):
            asked = asyncio.ensure_future(server.ask_once("EVT_C_ECHO", {}, assoc=b""))
            request = await take(member.requests)
            (link,) = member.client._membership.links.values()
            for _ in range(3):
                link.requests.send((b"\xc1",))
            with pytest.raises(Unanswered):
                await asked
            assert (await take(member.states))[0] is LeaseState.GRANTED
            assert (await take(member.states))[0] is LeaseState.ENDED
            assert not member.answer(request)
            assert server.binding("EVT_C_ECHO") is not None
            assert member.client.acceptors == []

    asyncio.run(scene())


def test_without_pidfd_the_heartbeats_notice_a_death(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_pid: int) -> int:
        raise OSError("not here")

    async def scene() -> None:
        monkeypatch.setattr("os.pidfd_open", missing)
        async with acceptor(run_dir) as server, child(run_dir) as process:
            asked = asyncio.ensure_future(server.ask_once("EVT_C_ECHO", {}, assoc=b""))
            assert await line(process) == b"EVT_C_ECHO 1\n"
            process.kill()
            with pytest.raises(Unanswered) as caught:
                await asyncio.wait_for(asked, WAIT)
            assert caught.value.reason is Reason.LOST

    asyncio.run(scene())


@contextmanager
def not_answering(run_dir: Path) -> Iterator[None]:
    """What accepts connections in place of acceptor 0, and says nothing."""
    if isinstance(run_dir, OtherHost):
        with socket.create_server(("127.0.0.1", run_dir.port)):
            yield
        return
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(run_dir / "acceptor-0.requests"))
        silent.listen()
        yield


@pytest.fixture
def settings(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> FabricSettings:
    """Those of a worker, which does not wait longer for another host."""
    monkeypatch.setattr(generation, "HANDSHAKE", 0.0)
    return run_dir.connecting(FAST) if isinstance(run_dir, OtherHost) else FAST


def test_an_acceptor_that_does_not_answer_promises_nothing(
    run_dir: Path, settings: FabricSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "LATEST", 0.0)
    with not_answering(run_dir):
        with pytest.raises(FabricError, match=r"do not answer|does not complete the handshake"):
            next_generation(run_dir, "w", settings)
        with pytest.raises(FabricError, match="do not grant within"):
            Member(run_dir).client.start(0.05)


def test_a_generation_is_promised_although_one_acceptor_does_not_answer(
    run_dir: Path, settings: FabricSettings
) -> None:
    async def scene() -> None:
        with not_answering(run_dir):
            async with acceptor(run_dir, 1):
                assert await asyncio.to_thread(next_generation, run_dir, "w", settings) == 1

    asyncio.run(scene())


def test_an_acceptor_that_was_held_up_promises_a_generation_after_all(
    run_dir: Path, settings: FabricSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ask_all = threading.Event(), generation._ask_all

    def ask(*of: Any) -> list[Any]:
        replies = ask_all(*of)
        asked.set()
        return replies

    monkeypatch.setattr(generation, "LATEST", WAIT)
    monkeypatch.setattr(generation, "_ask_all", ask)

    async def scene() -> None:
        async with acceptor(run_dir):
            asking = asyncio.create_task(asyncio.to_thread(next_generation, run_dir, "w", settings))
            await asyncio.sleep(0)  # the thread runs from here on
            assert asked.wait(WAIT)  # meanwhile this loop, the acceptor's, stands still
            assert await asking in (1, 2)  # the first question may be answered as well

    asyncio.run(scene())


def test_an_incumbent_that_is_refused_somewhere_does_not_leave(run_dir: Path) -> None:
    """A rival registered with the first acceptor alone while the incumbent could not see it."""

    async def scene() -> None:
        incumbent, rival = Member(run_dir, worker="archive"), Member(run_dir, worker="rival")
        async with acceptor(run_dir, 1) as second, members(incumbent):
            async with acceptor(run_dir, 0) as first:
                await until(lambda: first.binding("EVT_C_ECHO") == ECHO)
                first._registry.bye(
                    next(iter(first._registry.members)),
                    next(iter(first._registry.members.values())).lease,
                    0.0,
                )
                first._registry.joining_until = 0.0
                asking = asyncio.create_task(rival.start())
                await asyncio.wait([asking], timeout=WAIT)
                assert isinstance(asking.exception(), AlreadyRegistered)
                await until(lambda: first.binding("EVT_C_ECHO") == ECHO)
                assert second.binding("EVT_C_ECHO") == ECHO
            states = [state for state, _ in list(incumbent.states.queue)]
            assert states == [LeaseState.GRANTED]

    asyncio.run(scene())
